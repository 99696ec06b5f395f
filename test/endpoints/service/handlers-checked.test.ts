/**
 * Handlers are checked before anybody connects, by a factory call for a peer that is not connected.
 */
import { HbiError, type Peer, ServiceHost } from "hbi";
import { conversation, hostileTransport, ManualClock, quiet } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handlersOf, type Kinds, kinds, Work } from "./fixture.ts";

const unheard: unknown[] = [];
const hear = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(async () => {
  await quiet();
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});

type KindsPeer = Peer<Kinds, undefined>;
const all = handlersOf(new Work());
const without = (peer: KindsPeer) => ({ ...all(peer), add: undefined });

/** A host whose factory does `first` with its peer, and then gives `handlers`. */
const hostThat = (first: (peer: KindsPeer) => unknown, handlers: (peer: KindsPeer) => object = all) =>
  new ServiceHost<Kinds>(
    kinds,
    ((peer: KindsPeer) => {
      first(peer);
      return handlers(peer);
    }) as never,
    { log: () => undefined, clock: new ManualClock() },
  );

const accepted = (host: ServiceHost<Kinds>) =>
  host.accept(hostileTransport().transport).then(
    () => "served",
    (error: HbiError) => error.code,
  );

it("the peer of the check is not connected: it has no address and no identity, and is closed", async () => {
  const seen: KindsPeer[] = [];
  const host = hostThat((peer) => seen.push(peer));
  const [peer] = seen;
  expect(seen).toHaveLength(1);
  expect(peer).toMatchObject({ isConnected: false, remoteAddress: "", localAddress: "" });
  expect([peer?.context, peer?.identity, peer?.network]).toEqual([undefined, undefined, undefined]);
  expect(await peer?.closed).toBe(undefined);
  await peer?.drain("bye");
  await peer?.disconnect("bye");
  expect([host.peers.size, host.connectionCount]).toEqual([0, 0]);
});

describe("what a factory asks of the peer of the check fails as on a connection that is over:", () => {
  const ASKED: Readonly<Record<string, (peer: KindsPeer) => Promise<unknown>>> = {
    "a call": (peer) => peer.call.asked({ question: "?" }),
    "a call with raw data": (peer) => peer.call.given({ size: 2 }, { body: new Uint8Array(2) }),
    "a call that streams": (peer) => peer.call.given({ size: 2 }, { body: (async function* () {})() }),
    "a script": (peer) => peer.script((s) => s.asked({ question: "?" })),
    "a post": async (peer) => (await peer.post.told({ text: "!" })).waitCompleted(),
    "the posting end": async (peer) => peer.po,
    "the hosting end": async (peer) => peer.ho,
  };

  it.each(Object.entries(ASKED))("%s", async (_, ask) => {
    const asked: Promise<unknown>[] = [];
    hostThat((peer) => asked.push(ask(peer)));
    await expect(asked[0]).rejects.toMatchObject({ code: "unavailable", reason: "disconnected", mayHaveLanded: false });
  });

  it("and ignored promises are not reported", async () => {
    hostThat((peer) => {
      void peer.post.told({ text: "!" });
      void peer.call.asked({ question: "?" });
    });
    await quiet();
  });
});

describe("a host does not start", () => {
  it.each<[string, (peer: KindsPeer) => object, string]>([
    ["with a missing handler", without, "add has no handler"],
    ["with a surplus handler", (peer) => ({ ...all(peer), more: () => 1 }), "more"],
    ["with a handler that is no function", (peer) => ({ ...all(peer), add: 1 }), "add"],
  ])("%s", (_, handlers, text) => {
    expect(() => hostThat(() => undefined, handlers)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(text) }),
    );
  });

  it("when its factory throws", () => {
    const boom = () => {
      throw new HbiError("not_found", "no table");
    };
    expect(() => hostThat(boom)).toThrow("no table");
  });
});

describe("a factory that uses an end of its peer is checked when one connects:", () => {
  const push = (peer: KindsPeer) => void peer.po.notif("told('hello')");

  it("with all handlers the peer is served and informed", async () => {
    const host = hostThat(push);
    const { transport, peer } = hostileTransport();
    await host.accept(transport);
    const said = await peer.play({ say: conversation("101;x;n", "add(1, 2)") }, { hear: "co_ack_end" });
    expect(said).toContain("told('hello')");
    await peer.play("reset");
  });

  it("without one it is refused", async () => {
    expect(await accepted(hostThat(push, without))).toBe("internal");
  });
});
