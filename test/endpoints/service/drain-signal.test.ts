/**
 * A handler learns that the connection is about to close and waits for it.
 */
import { type HoCo, HostingEnv, type Link, method, type Peer, type ServiceCall, type ServiceHost } from "hbi";
import { ManualClock, quiet, type TestLink, testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { pair } from "../../support/pair.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

let open: TestLink<Kinds, undefined>[] = [];
afterEach(async () => {
  for (const { link, cut } of open) {
    const ended = link.disconnect();
    cut();
    await ended;
  }
  open = [];
});

/** Handlers of both sides that continue until they drain or are cancelled. */
async function start(link: object = {}) {
  const told: string[] = [];
  const until = (call: Pick<ServiceCall, "signal" | "draining">, name: string): Promise<string> => {
    const { signal, draining } = call;
    return new Promise((resolve) => {
      const end = (why: string) => () => {
        told.push(`${name}: ${why}`);
        resolve(why);
      };
      signal.addEventListener("abort", end("given up"));
      if (draining.aborted) end("draining")();
      else draining.addEventListener("abort", end("draining"));
    });
  };
  const work = new Work();
  const quietly = { log: () => undefined };
  const test = await testLink(
    kinds,
    (peer) => ({
      ...handlersOf(work)(peer),
      hold: ({ name }: { name: string }, call: ServiceCall<unknown, unknown>) => until(call, name),
    }),
    {
      reactions: { ...new Reactions().all, asked: ({ question }, call) => until(call, question) },
      host: quietly,
      link: { ...quietly, ...link },
    },
  );
  open.push(test);
  await test.link.call.nothing();
  return { ...test, link: test.link, peer: test.peer, told };
}

type Ends = { link: Link<Kinds>; peer: Peer<Kinds, undefined>; host: ServiceHost<Kinds> };

const DRAINS: readonly [string, (ends: Ends) => Promise<unknown>][] = [
  ["the host drains", ({ host }) => host.drain()],
  ["the service drains this peer", ({ peer }) => peer.drain()],
  ["the link closes", ({ link }) => link.close()],
  ["the link is disposed of", ({ link }) => link[Symbol.asyncDispose]()],
];

describe.each(DRAINS)("when %s,", (_, drain) => {
  it.each([
    ["of the service", ({ link }: Ends) => link.call.hold({ name: "it" })],
    ["of a reaction", ({ peer }: Ends) => peer.call.asked({ question: "it" })],
  ])("a handler %s is told, and its result arrives before the connection is over", async (_side, act) => {
    const ends = await start();
    const result = act(ends);
    await quiet();
    const drained = drain(ends);
    expect(await result).toBe("draining");
    await drained;
    expect(ends.told).toEqual(["it: draining"]);
    expect(await ends.peer.closed).toBeUndefined();
  });
});

it.each([
  ["closes", ({ host }: Ends) => host.close()],
  ["disconnects this peer", ({ peer }: Ends) => peer.disconnect()],
])("a service that %s does not wait, and says nothing of draining", async (_, end) => {
  const ends = await start();
  const result = ends.link.call.hold({ name: "it" }).catch((error) => error.code);
  await quiet();
  await end(ends);
  expect(await result).toBe("unavailable");
  await quiet();
  expect(ends.told).toEqual(["it: given up"]);
});

it("aborts for its own connection only", async () => {
  const first = await start();
  const second = await start();
  void second.link.call.hold({ name: "it" });
  await first.peer.drain();
  await quiet();
  expect(second.told).toEqual([]);
});

it("a handler that looks after the drain has begun sees it at once, with the reason", async () => {
  const seen: unknown[] = [];
  let isBegun: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    isBegun = resolve;
  });
  const env = new HostingEnv().expose("run", method({ params: {} }), async (_, co) => {
    await begun;
    const { draining } = co as HoCo;
    seen.push(draining.aborted, draining.reason, (co as HoCo).draining === draining);
  });
  const { po, server } = await pair(env);
  const completed = po.notif("run()").then((it) => it.waitCompleted());
  await quiet();
  const drained = server.drain();
  isBegun();
  await Promise.all([completed, drained]);
  expect(seen).toEqual([true, expect.objectContaining({ code: "unavailable", reason: "draining" }), true]);
});

it("a handler of a script in an answer learns that its own side drains", async () => {
  const seen: string[] = [];
  const clientEnv = new HostingEnv().expose("react", method({ params: {} }), async (_, co) => {
    const { draining } = co as HoCo;
    await new Promise((resolve) => draining.addEventListener("abort", resolve));
    seen.push("told");
  });
  const env = new HostingEnv().expose("run", method({ params: {} }), async (_, co) => (co as HoCo).sendCode("react()"));
  const { po, client } = await pair(env, { clientEnv });
  const completed = po.notif("run()").then((it) => it.waitCompleted());
  await quiet();
  expect(seen).toEqual([]);
  await Promise.all([completed, client.drain()]);
  expect(seen).toEqual(["told"]);
});

it("a signal kept from an ended call no longer aborts", async () => {
  const kept: AbortSignal[] = [];
  const clock = new ManualClock();
  const env = new HostingEnv().expose("run", method({ params: {} }), (_, co) => void kept.push((co as HoCo).draining));
  const { po, server } = await pair(env, { server: { clock, limits: { idleTimeoutMs: 10_000 } } });
  await (await po.notif("run()")).waitCompleted();
  await clock.advance(9_999);
  expect(server.isDraining).toBe(false);
  await clock.advance(1);
  expect(server.isDraining).toBe(true); // as it is idle: no handler is at work
  expect(kept.map(({ aborted }) => aborted)).toEqual([false]);
  await server.closed;
});
