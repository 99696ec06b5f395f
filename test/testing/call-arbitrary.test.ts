import fc from "fast-check";
import { defineService, method } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type CallOptions,
  type GeneratedCall,
  manualMethods,
  nearlyValidCalls,
  validCalls,
} from "../../src/testing/call-arbitrary.ts";

const RUNS = { numRuns: Number(process.env["HBI_RUNS"] ?? 100) };
const MIB = 1024 * 1024;

const service = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    ping: method({ params: {} }),
    do_job: method({
      params: {
        action: z.string().max(64),
        dataLen: z
          .int()
          .min(0)
          .max(64 * MIB),
      },
      body: ({ dataLen }) => dataLen,
    }),
    put_matrix: method({
      params: { rows: z.int().positive(), columns: z.int().positive(), precise: z.boolean().default(false) },
      body: ({ rows, columns, precise }) => rows * columns * (precise ? 8 : 4),
    }),
    put_part: method({
      params: {
        part: z.strictObject({ name: z.string(), size: z.int() }),
        at: z
          .int()
          .min(0)
          .max(2 ** 40),
      },
      body: ({ part }) => part.size,
    }),
    chat: method({ params: { text: z.string() }, body: "manual" }),
  },
  reactions: { job_done: method({ params: { bytes: z.int() } }) },
});

/** What the definition itself says to a call: the length of its raw data; throws when it is refused. */
function declared(call: GeneratedCall): number | undefined {
  const called = Object.entries<ReturnType<typeof method>>(service.methods as never).find(
    ([name]) => name === call.name,
  )?.[1];
  if (called === undefined) throw new Error(`no method ${call.name}`);
  const params = called.signature.validate(call.name, { ...call.params });
  return called.takesRawData ? called.bodyBytes(params) : undefined;
}

describe("valid calls", () => {
  it("are accepted, with a body of exactly the declared length and not above the cap", () => {
    fc.assert(
      fc.property(validCalls(service), (call) => {
        const length = declared(call);
        expect(call.body?.length).toBe(length === undefined ? undefined : length + 0); // -0 is 0
        expect(call.body?.length ?? 0).toBeLessThanOrEqual(4_096);
      }),
      RUNS,
    );
  });

  it("are of every method but those that read as they like", () => {
    const names = new Set(fc.sample(validCalls(service), { numRuns: 300, seed: 1 }).map(({ name }) => name));
    expect([...names].sort()).toEqual(["do_job", "ping", "put_matrix", "put_part"]);
    expect(manualMethods(service)).toEqual(["chat"]);
    expect(manualMethods(service.reactions)).toEqual([]);
  });

  it("have bodies of many lengths, none and the longest among them", () => {
    const calls = fc.sample(validCalls({ do_job: service.methods.do_job }, { maxBodyBytes: 100 }), {
      numRuns: 500,
      seed: 1,
    });
    const lengths = new Set(calls.map(({ body }) => body?.length));
    expect(lengths.has(0)).toBe(true);
    expect(lengths.has(100)).toBe(true);
    expect(lengths.size).toBeGreaterThan(40);
    const texts = calls.map(({ body }) => new TextDecoder().decode(body));
    expect(texts.some((text) => text.startsWith("[0#co_end]"))).toBe(true);
  });

  it("have any length up to the cap where it is unknown, and none that is wrong", () => {
    const pour = method({ params: {}, body: "unknown" });
    const calls = fc.sample(validCalls({ pour }, { maxBodyBytes: 100 }), { numRuns: 500, seed: 1 });
    const lengths = new Set(calls.map(({ body }) => body?.length ?? -1));
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([0, 100]);
    const drain = method({ params: { n: z.int() }, body: "unknown" });
    for (const { wrong, body } of fc.sample(nearlyValidCalls({ drain }), { numRuns: 100, seed: 1 })) {
      expect(wrong).not.toContain("body");
      expect(body).toBeInstanceOf(Uint8Array);
    }
  });

  it("draw only those numbers small that the length is made of", () => {
    const calls = fc.sample(validCalls({ put_part: service.methods.put_part }), { numRuns: 200, seed: 1 });
    expect(calls.some(({ params }) => Number(params["at"]) > 2 ** 30)).toBe(true);
  });

  it("are of reactions as well", () => {
    fc.assert(
      fc.property(validCalls(service.reactions), ({ name, body }) => name === "job_done" && body === undefined),
      RUNS,
    );
  });

  const cases: readonly (readonly [string, () => unknown, string])[] = [
    [
      "a method without small bodies",
      () => validCalls({ big: method({ params: { n: z.int().min(5_000) }, body: ({ n }) => n }) }),
      "big: no body of at most 4096 bytes; give n in",
    ],
    [
      "a custom parameter",
      () => validCalls({ odd: method({ params: { n: z.custom(() => false) } }) }),
      "odd.n: no arbitrary for a custom schema",
    ],
    ["nothing to call", () => validCalls({ chat: service.methods.chat }), "no method whose calls could be generated"],
  ];
  it.each(cases)("can't be made of %s", (_, make, text) => {
    expect(make).toThrow(expect.objectContaining({ reason: "bad_option", message: expect.stringContaining(text) }));
  });

  it("take overrides, by the path of a parameter", () => {
    const overrides: CallOptions["overrides"] = (path) => (path === "part.name" ? fc.constant("given") : undefined);
    const calls = fc.sample(validCalls({ put_part: service.methods.put_part }, { overrides }), 20);
    for (const { params } of calls) expect(params["part"]).toMatchObject({ name: "given" });
  });
});

describe("nearly valid calls", () => {
  const lengthOf = (call: GeneratedCall): number | "refused" | undefined => {
    try {
      return declared(call);
    } catch {
      return "refused";
    }
  };

  it("are refused, or have a body that is a byte off", () => {
    fc.assert(
      fc.property(nearlyValidCalls(service), (call) => {
        const length = lengthOf(call);
        if (!call.wrong.startsWith("body: ")) expect(length).toBe("refused");
        else expect(call.body?.length).toBe(Number(length) + (call.wrong === "body: a byte short" ? -1 : 1));
      }),
      RUNS,
    );
  });

  it("have the declared body where their parameters still tell its length", () => {
    const only = { do_job: service.methods.do_job };
    fc.assert(
      fc.property(nearlyValidCalls(only), ({ params, body, wrong }) => {
        if (wrong.startsWith("body")) return;
        if (wrong.startsWith("dataLen")) expect(body).toBeUndefined();
        else expect(body?.length).toBe(Number(params["dataLen"]) + 0); // -0 is a length of 0
      }),
      RUNS,
    );
  });

  it("are wrong in every way", () => {
    const made = new Set(
      fc.sample(nearlyValidCalls(service), { numRuns: 3_000, seed: 1 }).map((call) => `${call.name} ${call.wrong}`),
    );
    for (const wrong of [
      "ping unknown key surplus",
      "do_job action missing",
      "do_job action: too long",
      "do_job dataLen: too big",
      "do_job dataLen: a fraction",
      "do_job unknown key surplus",
      "do_job body: a byte short",
      "put_matrix body: a byte too long",
      "put_part part: size missing",
      "put_part part: unknown key surplus",
    ]) {
      expect([...made]).toContain(wrong);
    }
  });

  it("always have parameters by name", () => {
    fc.assert(
      fc.property(nearlyValidCalls(service), ({ params }) => Object.getPrototypeOf(params) === Object.prototype),
      RUNS,
    );
  });
});
