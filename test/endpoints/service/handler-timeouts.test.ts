/**
 * How long a handler may take: as all of them, or a time of its own.
 */
import { defineService, HbiError, method, ServiceHost } from "hbi";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const n = z.int();
const COMMON_MS = 1_000;
const works = defineService({
  name: "works",
  version: "1.0.0",
  methods: {
    common: method({ params: { n: n.optional() }, result: n }),
    quick: method({ params: { n: n.optional() }, result: n }),
    long: method({ params: { n: n.optional() }, result: n }),
    endless: method({ params: { n: n.optional() }, result: n }),
    at_once: method({ params: { n }, result: n }),
    stream: method({ params: { n }, result: n, resultBody: (bytes) => bytes }),
    ask: method({ params: {}, result: n }),
  },
  reactions: {
    think: method({ params: {}, result: n }),
    ponder: method({ params: {}, result: n }),
  },
});
type Works = typeof works;

const TIMES = { quick: 200, long: 600_000, endless: Number.POSITIVE_INFINITY, stream: 5_000 };

/** A service whose handlers never end, and what they see: their remaining time, and the abort. */
async function working(handlerTimeoutsMs: object = TIMES, link: object = {}) {
  const clock = new ManualClock();
  const left: Record<string, number> = {};
  const stopped: string[] = [];
  const never =
    (name: string) => (_: unknown, call: { readonly remainingMs: number; readonly signal: AbortSignal }) => {
      left[name] = call.remainingMs;
      call.signal.addEventListener("abort", () => void stopped.push(name));
      return new Promise<number>(() => undefined);
    };
  const test = await testLink<Works, never>(
    works,
    ((peer: { readonly call: { think(params: object, options: object): Promise<number> } }) => ({
      common: never("common"),
      quick: never("quick"),
      long: never("long"),
      endless: never("endless"),
      at_once: ({ n }: { n: number }) => n,
      stream: ({ n }: { n: number }) => ({
        result: n,
        body: (async function* () {
          yield new Uint8Array(100_000);
          await new Promise(() => undefined);
        })(),
      }),
      ask: () => peer.call.think({}, { timeoutMs: Number.POSITIVE_INFINITY }),
    })) as never, // typed by hand
    {
      reactions: { think: never("think"), ponder: never("ponder") },
      host: {
        clock,
        limits: { handlerTimeoutMs: COMMON_MS },
        handlerTimeoutsMs,
        log: () => undefined,
      },
      link: { clock, limits: { handlerTimeoutMs: COMMON_MS }, log: () => undefined, ...link },
    },
  );
  const waits = { timeoutMs: Number.POSITIVE_INFINITY };
  return { ...test, link: test.link, peer: () => test.peer, clock, left, stopped, waits };
}

const outcome = (call: Promise<unknown>) => {
  const state = { is: "waiting" };
  call.then(
    () => {
      state.is = "answered";
    },
    (error: HbiError) => {
      state.is = error.reason ?? error.code;
    },
  );
  return state;
};

it.each([
  ["common", COMMON_MS],
  ["quick", 200],
  ["long", 600_000],
] as const)("%s has %d ms, and not one more", async (name, ms) => {
  const { link, clock, left, stopped, waits, cut } = await working();
  const call = outcome(link.call[name]({}, waits));
  await quiet();
  expect(left[name]).toBe(ms);
  await clock.advance(ms - 1);
  expect([call.is, stopped]).toEqual(["waiting", []]);
  await clock.advance(1);
  expect([call.is, stopped]).toEqual(["handler_timeout", [name]]);
  cut();
});

it("an infinite one lasts as long as the caller waits", async () => {
  const { link, clock, left, stopped, waits, cut } = await working();
  const stop = new AbortController();
  const call = outcome(link.call.endless({}, { ...waits, signal: stop.signal }));
  const bounded = outcome(link.call.endless({}, { timeoutMs: 7_000 }));
  await quiet();
  expect(left["endless"]).toBe(7_000);
  await clock.advance(7_000);
  expect(["timeout", "handler_timeout"]).toContain(bounded.is);
  await clock.advance(10 * 3_600_000);
  expect(call.is).toBe("waiting");
  stop.abort();
  await quiet();
  expect([call.is, stopped]).toEqual(["cancelled", ["endless", "endless"]]);
  cut();
});

describe("the caller's own deadline", () => {
  it.each([
    ["shorter", "long", 5_000, 5_000],
    ["shorter by one", "long", 599_999, 599_999],
    ["longer by one", "long", 600_001, 600_000],
    ["longer than the handler's", "common", 300_000, COMMON_MS],
  ] as const)("%s: of %s", async (_, name, timeoutMs, ms) => {
    const { link, left, cut } = await working();
    link.call[name]({}, { timeoutMs }).catch(() => undefined);
    await quiet();
    expect(left[name]).toBe(ms);
    cut();
  });
});

describe("of a script the longest counts:", () => {
  it.each<[string, (link: Awaited<ReturnType<typeof working>>["link"]) => Promise<unknown>, number, string]>([
    ["a quick one before a long one", (link) => link.script((s) => [s.at_once({ n: 1 }), s.long({})]), 600_000, "long"],
    ["a quick one before a common one", (link) => link.script((s) => [s.quick({}), s.common({})]), COMMON_MS, "quick"],
    ["one inside another", (link) => link.script((s) => s.at_once({ n: s.long({}) })), 600_000, "long"],
    ["one around another", (link) => link.script((s) => s.long({ n: s.common({}) })), 600_000, "common"],
    ["one inside a value", (link) => link.po.converse((co) => co.getObj("[long(), 1]")), 600_000, "long"],
    ["one alone", (link) => link.script((s) => s.quick({})), 200, "quick"],
  ])("%s", async (_, run, ms, stuckAt) => {
    const { link, clock, stopped, cut } = await working(TIMES, { limits: { callTimeoutMs: 1_000_000 } });
    const call = outcome(run(link));
    await quiet();
    await clock.advance(ms - 1);
    expect(call.is).toBe("waiting");
    await clock.advance(1);
    expect([call.is, stopped]).toEqual(["handler_timeout", [stuckAt]]);
    cut();
  });
});

it("raw data that stops in its middle has the same time", async () => {
  const { link, clock, waits, cut } = await working();
  const { body } = await link.call.stream({ n: 200_000 }, waits);
  const bytes = outcome(body.bytes());
  await clock.advance(5_000); // it has begun by then
  expect(bytes.is).toBe("waiting");
  await clock.advance(4_999);
  expect(bytes.is).toBe("waiting");
  await clock.advance(1);
  expect(bytes.is).not.toBe("waiting");
  cut();
});

it("reactions have theirs by the options of the link", async () => {
  const { peer, clock, left, waits, cut } = await working(TIMES, { handlerTimeoutsMs: { think: 30_000 } });
  const calls = [outcome(peer().call.think({}, waits)), outcome(peer().call.ponder({}, waits))];
  await quiet();
  expect(left).toEqual({ think: 30_000, ponder: COMMON_MS });
  await clock.advance(COMMON_MS);
  expect(calls.map(({ is }) => is)).toEqual(["waiting", "handler_timeout"]);
  await clock.advance(29_000);
  expect(calls.map(({ is }) => is)).toEqual(["handler_timeout", "handler_timeout"]);
  cut();
});

describe("is not begun with", () => {
  const BAD: readonly [object, string][] = [
    [{ lnog: 1_000 }, "handlerTimeoutsMs: lnog is not declared"],
    [{ toString: 1_000 }, "handlerTimeoutsMs: toString is not declared"],
    [{ think: 1_000 }, "handlerTimeoutsMs: think is not declared"], // a reaction
    ...[0, -1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53, "1000", null].map((ms): [object, string] => [
      { long: ms },
      "handlerTimeoutsMs.long must be a positive integer",
    ]),
  ];
  it.each(BAD)("%j", (handlerTimeoutsMs, message) => {
    const make = () => new ServiceHost<Works>(works, () => ({}) as never, { handlerTimeoutsMs });
    expect(make).toThrow(HbiError);
    expect(make).toThrow(message);
  });
  it("an invalid timeout of a reaction", async () => {
    await expect(working({}, { handlerTimeoutsMs: { long: 1 } })).rejects.toMatchObject({ reason: "bad_option" });
    await expect(working({}, { handlerTimeoutsMs: { think: 0 } })).rejects.toMatchObject({ reason: "bad_option" });
  });
  it("but with one that is left undefined", async () => {
    const { link, left, waits, cut } = await working({ long: undefined });
    link.call.long({}, waits).catch(() => undefined);
    await quiet();
    expect(left["long"]).toBe(COMMON_MS);
    cut();
  });
});
