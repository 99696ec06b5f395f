/**
 * checkService finds what a consumer should never meet, and nothing in a service that behaves.
 */

import fc from "fast-check";
import { defineService, HbiError, method, value } from "hbi";
import { checkService, type FindingKind, validCalls } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, kinds, Reactions, Work } from "../endpoints/service/fixture.ts";

const size = z.int().min(0).max(100_000);
const files = defineService({
  name: "files",
  version: "1.0.0",
  methods: {
    put: method({
      params: { name: z.string().min(1).max(20), size },
      body: ({ size }) => size,
      result: z.strictObject({ size }),
    }),
    get: method({ params: { name: z.string() }, result: z.strictObject({ size }), resultBody: ({ size }) => size }),
    rename: method({ params: { from: z.string(), to: z.string().optional() } }),
    talk: method({ params: {}, body: "manual" }),
  },
});

const good = {
  async put({ size }: { size: number }, call: import("hbi").ServiceCall) {
    if (size % 2 === 1) throw new HbiError("invalid_argument", "even sizes only");
    return { size: (await call.bytes()).length };
  },
  get: ({ name }: { name: string }) => ({ result: { size: name.length }, body: new Uint8Array(name.length) }),
  rename: () => undefined,
  talk: () => undefined,
};

describe("checkService", () => {
  it("calls methods with Dates, Maps, Sets and URLs, and finds their mistakes refused", async () => {
    const a = z.map(z.string(), z.date());
    const rich = defineService({
      name: "rich",
      version: "1.0.0",
      methods: {
        put: method({ params: { a, b: z.set(z.int()), c: z.instanceof(URL), d: z.date() }, result: a }),
        first: method({ params: { a }, result: z.date().optional() }),
      },
    });
    const sizes = new Set<number>();
    const report = await checkService(rich, () => ({
      put: ({ a, b, c, d }) => {
        sizes.add(a.size);
        expect([b, c, d].map((one) => one.constructor)).toEqual([Set, URL, Date]);
        return a;
      },
      first: ({ a }) => [...a.values()][0],
    }));
    expect(report.findings).toEqual([]);
    expect(sizes.size).toBeGreaterThan(1);
  });

  it("reports nothing of a service that behaves, and what it could not check", async () => {
    const report = await checkService(files, () => ({
      ...good,
      async put(params, call) {
        if (params.size % 2 === 1) call.body.discard();
        return good.put(params, call);
      },
    }));
    expect(report.findings).toEqual([]);
    expect(report.unchecked).toEqual(["talk"]);
    expect(report.calls).toBeGreaterThanOrEqual(3 * 50);
  });

  it("drains streams of values, and validates their items", async () => {
    const well = defineService({
      name: "well",
      version: "1.0.0",
      methods: { draw: method({ params: { n: z.int().min(0).max(9) }, yields: z.int(), result: z.string() }) },
    });
    const kindsOf = async (draw: (params: { n: number }) => AsyncGenerator<number, string, undefined>) =>
      (await checkService(well, () => ({ draw }), { runs: 5 })).findings.map(({ kind }) => kind);
    const wrong = async function* ({ n }: { n: number }) {
      yield n;
      if (n > 0) yield "a" as never;
      return "end";
    };
    const wrongResult = async function* () {
      yield 1;
      return 5 as never;
    };
    const bug = async function* () {
      yield 1;
      throw new Error("bug");
    };
    const endless = async function* () {
      for (;;) yield 1;
    };
    expect(
      await kindsOf(({ n }) =>
        (async function* () {
          for (let i = 0; i < n; i++) yield i;
          return "end";
        })(),
      ),
    ).toEqual([]);
    expect(await kindsOf(wrong)).toEqual(["bad_result"]);
    expect(await kindsOf(wrongResult)).toEqual(["bad_result"]);
    expect(await kindsOf(bug)).toEqual(["unexpected_error"]);
    expect(await kindsOf(endless)).toEqual([]);
  });

  it("calls methods whose bodies have no known length", async () => {
    const pond = defineService({
      name: "pond",
      version: "1.0.0",
      methods: { pour: method({ params: { n: z.int() }, body: "unknown", result: z.int(), resultBody: "unknown" }) },
    });
    const sound = await checkService(pond, () => ({
      pour: async (_, call) => {
        const body = await call.bytes();
        return { result: body.length, body };
      },
    }));
    expect(sound.findings).toEqual([]);
    expect(sound.calls).toBeGreaterThan(50);
    const unsound = await checkService(pond, () => ({ pour: () => ({ result: 0, body: [] }) }));
    expect(unsound.findings).toMatchObject([{ kind: "unread_body", method: "pour" }]);
    const oneLane = await checkService(pond, () => ({ pour: () => ({ result: 0, body: [] }) }), {
      host: { lanes: false },
    });
    expect(oneLane.findings).toMatchObject([{ kind: "unreachable", error: { reason: "no_lanes" } }]);
  });

  it.each<[FindingKind, string, Partial<typeof good>, object]>([
    [
      "unexpected_error",
      "rename",
      { rename: (({ to }: { to?: string }) => void (to as string).length) as never },
      { method: "rename", params: { from: "" } },
    ],
    ["unexpected_error", "put", { put: (() => Promise.reject(new TypeError("oops"))) as never }, { method: "put" }],
    [
      "bad_result",
      "put",
      {
        put: (async (_: unknown, call: import("hbi").ServiceCall) => ({
          size: -(await call.bytes()).length - 1,
        })) as never,
      },
      { method: "put" },
    ],
    ["bad_result", "get", { get: () => ({ result: { size: -1 }, body: new Uint8Array() }) }, { method: "get" }],
    [
      "unread_body",
      "put",
      { put: ({ size }) => Promise.resolve({ size }) },
      { method: "put", params: { size: 1 }, bodyLength: 1 },
    ],
    [
      "bad_result",
      "get",
      { get: ({ name }) => ({ result: { size: name.length + 1 }, body: chunks(name.length) as never }) },
      { method: "get" },
    ],
    [
      "connection_lost",
      "get",
      { get: () => ({ result: { size: 70_001 }, body: chunks(70_000) as never }) },
      { method: "get" },
    ],
  ])("finds %s in %s, with a small call that shows it", async (kind, _, bad, expected) => {
    const report = await checkService(files, () => ({ ...good, ...bad }), { runs: 30, timeoutMs: 500, seed: 7 });
    const finding = report.findings.find((found) => found.kind === kind);
    const { params, ...others } = expected as { params?: object };
    expect(finding).toMatchObject(others);
    if (params !== undefined) expect(finding?.params).toEqual(expect.objectContaining(params));
  });

  it("finds no_answer in rename, with a small call that shows it", async () => {
    // By itself: of a service with other methods a busy machine might answer one of those too late.
    const renames = defineService({ name: "renames", version: "1.0.0", methods: { rename: files.methods.rename } });
    const rename = () => new Promise<void>(() => undefined);
    const { findings } = await checkService(renames, () => ({ rename }), { runs: 30, timeoutMs: 50, seed: 7 });
    expect(findings).toMatchObject([{ kind: "no_answer", method: "rename" }]);
    expect(findings[0]?.params).toEqual({ from: "" });
  });

  it("gives the error itself, which no consumer sees", async () => {
    const { findings } = await checkService(files, () => ({
      ...good,
      rename: () => {
        throw new TypeError("oops");
      },
    }));
    expect(findings.find(({ method }) => method === "rename")?.error).toEqual(new TypeError("oops"));
  });

  it("makes values of the definition, and lets a seed replay a run", async () => {
    class Point {
      readonly x: number;
      constructor(x: number) {
        this.x = x;
      }
    }
    const point = value({ params: { x: z.int() }, make: ({ x }) => new Point(x), is: (it) => it instanceof Point });
    const plane = defineService({
      name: "plane",
      version: "1.0.0",
      methods: { move: method({ params: { to: point.schema }, result: z.int() }) },
      values: { Point: point },
    });
    const seen: number[][] = [];
    for (let run = 0; run < 2; run++) {
      const xs: number[] = [];
      const { findings } = await checkService(plane, () => ({ move: ({ to }) => xs.push(to.x) }), {
        seed: 7,
        runs: 20,
      });
      expect(findings).toEqual([]);
      seen.push(xs);
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]?.length).toBe(20);
  });

  it("holds for the service that the other tests use", async () => {
    const work = new Work();
    const report = await checkService(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        hold: ({ name }) => name,
        hold_and_note: () => undefined,
        fail: () => "no",
      }),
      { reactions: new Reactions().all, runs: 20, maxBodyBytes: 100 },
    );
    expect(report.findings).toEqual([]);
  });
});

function* chunks(bytes: number): Generator<Uint8Array> {
  yield new Uint8Array(bytes);
}

describe("methods that are not reached, or not called", () => {
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: {
      open: method({ params: {} }),
      closed: method({ params: { a: z.int() } }),
      none: method({ params: { a: z.int().min(5).max(3) } }),
      never: method({ params: { a: z.never() } }),
      large: method({ params: { a: z.string().min(5_000) } }),
    },
  });
  const nothing = () => undefined;
  const handlers = () => ({ open: nothing, closed: nothing, none: nothing, never: nothing, large: nothing });

  it("are findings, with what refuses their calls", async () => {
    const { findings, calls } = await checkService(service, handlers, {
      host: { authorize: ({ name }) => name !== "closed", limits: { maxPacketBytes: 4_096 } },
      runs: 5,
    });
    expect(findings.map(({ kind, method, error }) => [kind, method, (error as HbiError).code])).toEqual([
      ["unreachable", "closed", "permission_denied"],
      ["unreachable", "none", "invalid_argument"],
      ["unreachable", "never", "invalid_argument"],
      ["unreachable", "large", "resource_exhausted"],
    ]);
    expect(String(findings[1]?.error)).toContain("none.a: no arbitrary for a number of these bounds");
    expect(calls).toBeGreaterThan(15);
  });

  it("may be left out by name", async () => {
    const called: string[] = [];
    const watched = () => ({ ...handlers(), open: () => void called.push("open") });
    const { findings, unchecked } = await checkService(service, watched, {
      leaveOut: ["open", "closed", "never", "large"],
      runs: 5,
    });
    expect(findings.map(({ method }) => method)).toEqual(["none"]);
    expect(unchecked).toEqual(["open", "closed", "never", "large"]);
    expect(called).toEqual([]);
    await expect(checkService(service, handlers, { leaveOut: ["opne"] as never })).rejects.toThrow("leaveOut: opne");
  });
});

it("generates a few objects for a long list, however long it is", () => {
  let made = 0;
  const cell = fc.constant("a").map((text) => {
    made += 1;
    return text;
  });
  const row = z.strictObject(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`m${i}`, z.string()])));
  const put = method({ params: { rows: z.array(row).max(1_000) } });
  const calls = validCalls({ put }, { overrides: (path) => (path.endsWith(".m0") ? cell : undefined) });
  const sample = fc.sample(calls, { numRuns: 60, seed: 1 });
  expect(Math.max(...sample.map(({ params }) => (params["rows"] as unknown[]).length))).toBe(1_000);
  expect(made).toBeLessThan(3 * 60 * 7); // to find out that the schema accepts them, twice, and to make them
});

describe("declared errors", () => {
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: { m: method({ params: { a: z.int() }, errors: { gone: z.object({ id: z.int() }) } }) },
  });

  it("are no finding", async () => {
    const report = await checkService(service, () => ({
      m: ({ a }, call) => {
        throw call.error("gone", { id: a });
      },
    }));
    expect(report.findings).toEqual([]);
  });

  it.each<[string, string, object]>([
    ["details that do not fit", "gone", { id: "one" }],
    ["a name that is not declared", "lost", {}],
  ])("with %s are found as a result that does not fit is", async (_, name, details) => {
    const report = await checkService(service, () => ({
      m: (_params, call) => {
        throw call.error(name as never, details as never);
      },
    }));
    expect(report.findings).toMatchObject([{ kind: "bad_result", method: "m" }]);
  });
});
