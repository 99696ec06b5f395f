/**
 * The first moment of a connection, and the last one of a call: what can be given up from the start, and what is too late to begin.
 */
import { HostingEnv, type HostOptions, type LinkOptions, method, type ReactionsOf, type ServiceCall } from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { pair } from "../../support/pair.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

interface Given {
  readonly host?: HostOptions<Kinds, undefined>;
  readonly link?: LinkOptions<Kinds>;
  readonly handlers?: object;
  readonly reactions?: ReactionsOf<Kinds>;
}

/** Nothing has been called on it. */
async function fresh({ host = {}, link = {}, handlers = {}, reactions = new Reactions().all }: Given = {}) {
  const work = new Work();
  const quietly = { log: () => undefined };
  const test = await testLink(kinds, (peer) => ({ ...handlersOf(work)(peer), ...handlers }), {
    reactions,
    host: { ...quietly, ...host },
    link: { ...quietly, ...link },
  });
  return { link: test.link, peer: test.peer, cut: test.cut, host: test.host, work };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error) => error.code,
  );

describe("from the first call on", () => {
  it("a call is cancelled at its handler, before anything has been answered", async () => {
    const { link, work, cut } = await fresh();
    const abort = new AbortController();
    const held = codeOf(link.call.hold({ name: "first" }, { signal: abort.signal }));
    await work.holding(1);
    abort.abort();
    expect(await held).toBe("cancelled");
    await quiet();
    expect(work.aborted).toEqual(["first"]);
    cut();
  });

  it("so is one that is given up in the turn in which it was made, or is never sent", async () => {
    const { link, work, cut } = await fresh();
    const abort = new AbortController();
    const held = codeOf(link.call.hold({ name: "first" }, { signal: abort.signal }));
    abort.abort();
    expect(await held).toBe("cancelled");
    await quiet();
    expect(work.aborted).toEqual(work.started);
    cut();
  });

  it("so is a call of the service to its consumer", async () => {
    const work = new Work();
    const asked = async ({ question }: { question: string }, { signal }: { readonly signal: AbortSignal }) => {
      await work.hold(question, signal);
      return "";
    };
    const { peer, cut } = await fresh({ reactions: { ...new Reactions().all, asked } });
    const abort = new AbortController();
    const answered = codeOf(peer.call.asked({ question: "first" }, { signal: abort.signal }));
    await work.holding(1);
    abort.abort();
    expect(await answered).toBe("cancelled");
    await quiet();
    expect(work.aborted).toEqual(["first"]);
    cut();
  });

  it.each([0, 1, 100, 300])("a ping does not wait behind %i calls that wait", async (count) => {
    const { link, work, cut } = await fresh();
    const held = Array.from({ length: count }, (_, n) => codeOf(link.call.hold({ name: `${n}` })));
    expect(await link.ping()).toBeGreaterThanOrEqual(0);
    await link.ping(); // now by the method of the library
    expect(work.started.length).toBeLessThanOrEqual(100);
    cut();
    await Promise.all(held);
  });
});

describe("what is too late", () => {
  it("is not begun: calls whose time has passed while they waited for a place", async () => {
    const clock = new ManualClock();
    const { link, work, cut } = await fresh({ host: { clock, limits: { maxInFlight: 1 } } });
    const first = codeOf(link.call.hold({ name: "first" }, { timeoutMs: 20_000 }));
    await work.holding(1);
    const late = [1, 2, 3].map((n) => codeOf(link.call.note({ text: `${n}` }, { timeoutMs: 1_000 })));
    await quiet();
    await clock.advance(1_000); // the clock of the caller stands still
    work.releaseAll();
    expect(await first).toBe("first");
    expect(await Promise.all(late)).toEqual(Array.from(late, () => "deadline_exceeded"));
    expect(work.noted).toEqual([]);
    cut();
  });

  it.each([
    [999, ["in time"]],
    [1_000, []],
  ])("with its script coming %i ms after its beginning, at a deadline of 1,000 ms, it runs: %j", async (ms, noted) => {
    const clock = new ManualClock();
    const { host, work, cut } = await fresh({ host: { clock } });
    const { transport, peer } = hostileTransport();
    void host.accept(transport);
    await peer.play({ say: packet("co_begin", "101;x;n;d=1000") });
    await clock.advance(ms);
    await peer.play({ say: packet("", 'note("in time")') + packet("co_end", "101;x;n;d=1000") });
    await quiet();
    expect(work.noted).toEqual(noted);
    expect(peer.heard().includes("deadline_exceeded")).toBe(noted.length === 0);
    peer.reset();
    cut();
  });

  it.each(["cancelled", "too late", "gone"] as const)(
    "is not begun when it was permitted: a call that is %s before `authorize` has said so",
    async (how) => {
      const clock = new ManualClock();
      const permits: (() => void)[] = [];
      const authorize = (call: { readonly name: string }): boolean | Promise<boolean> =>
        call.name !== "note" || new Promise((resolve) => permits.push(() => resolve(true)));
      const { link, work, cut } = await fresh({ host: { clock, authorize } });
      await link.call.nothing();
      const abort = new AbortController();
      const called = codeOf(link.call.note({ text: "x" }, { signal: abort.signal, timeoutMs: 1_000 }));
      await quiet();
      if (how === "cancelled") abort.abort();
      else if (how === "too late") await clock.advance(1_000);
      else cut();
      await quiet();
      for (const permit of permits) permit();
      expect(await called).toBe({ cancelled: "cancelled", "too late": "deadline_exceeded", gone: "unavailable" }[how]);
      await quiet();
      expect(work.noted).toEqual([]);
      cut();
    },
  );

  it.each([
    ["nested behind it", "take([hold(),note()])"],
    ["nested around it", "take([note(hold())])"],
    ["around it", "note(hold())"],
    ["behind it", "hold()\nnote()"],
  ])("of a script that is given up: what stands %s is not begun", async (_, script) => {
    const ran: string[] = [];
    let release: () => void = () => undefined;
    const any = z.unknown().optional();
    const env = new HostingEnv()
      .expose("hold", method({ params: {}, result: any }), async () => {
        ran.push("hold");
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      })
      .expose("note", method({ params: { it: any }, result: any }), () => void ran.push("note"))
      .expose("take", method({ params: { all: z.array(any) } }), () => void ran.push("take"));
    const { po } = await pair(env);
    await po.learnExtension();
    const abort = new AbortController();
    const co = await po.notif(script, { signal: abort.signal });
    await quiet();
    abort.abort();
    await quiet();
    release();
    await quiet();
    expect(ran).toEqual(["hold"]);
    await expect(co.waitCompleted()).rejects.toMatchObject({ code: "cancelled" });
  });

  it("a handler never begins with no time left", async () => {
    const clock = new ManualClock();
    const left: number[] = [];
    const note = (_: unknown, call: ServiceCall) => void left.push(call.remainingMs);
    const { host, cut } = await fresh({ host: { clock, limits: { maxInFlight: 1 } }, handlers: { note } });
    const { transport, peer } = hostileTransport();
    void host.accept(transport);
    for (const [n, d] of [3, 2, 1, 1, 2, 3].entries()) {
      peer.say(packet("co_begin", `${101 + n};x;n;d=${d}`));
      await clock.advance(1);
      peer.say(packet("", "note('')") + packet("co_end", `${101 + n};x;n;d=${d}`));
      await quiet();
    }
    await peer.play({ say: conversation("201;x;n;d=1", "note('')") });
    await quiet();
    expect(left).toEqual([2, 1, 1, 2, 1]);
    peer.reset();
    cut();
  });
});

it.each([999_999_999_999_999, 1e15, Number.MAX_SAFE_INTEGER])(
  "a limit of %d is introduced as any other",
  async (maxInFlight) => {
    const { link, cut } = await fresh({ host: { limits: { maxInFlight } }, link: { limits: { maxInFlight } } });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.ping()).toBeGreaterThanOrEqual(0);
    cut();
  },
);

describe("a caller that allows more than its handler has", () => {
  it.each([
    60_000,
    299_999,
    300_000,
    300_001,
    400_000,
    2 ** 31,
    999_999_999_999_999,
    1e15,
    1e22,
    Number.POSITIVE_INFINITY,
  ])("%d ms: the handler has all of its time", async (timeoutMs) => {
    const clock = new ManualClock();
    const left: number[] = [];
    const nothing = (_: unknown, call: ServiceCall) => void left.push(call.remainingMs);
    const { link, cut } = await fresh({ host: { clock }, link: { clock }, handlers: { nothing } });
    await link.call.nothing({}, { timeoutMs });
    expect(left).toEqual([60_000]);
    cut();
  });
});
