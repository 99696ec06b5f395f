/**
 * Lanes of one session: each has its own reader, turns and wire, and conversations are answered where they were asked; what they hold
 * is entered in the account of their session.
 */
import { Connection, HostingEnv, memoryTransportPair, method } from "hbi";
import { answer, conversation, HostilePeer, packet, quiet } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";
import { Lane } from "../../../src/endpoints/lane/lane.ts";
import { GuardedTransport } from "../../../src/wire/transport/guarded.ts";

/** A session with two lanes, and the peer at the other end of each. */
async function twoLanes() {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const env = new HostingEnv()
    .expose("add", method({ params: { a: z.int(), b: z.int() }, result: z.int() }), ({ a, b }) => a + b)
    .expose("take", method({ params: { n: z.int() }, body: ({ n }) => n, result: z.int() }), async ({ n }, co) => {
      await held;
      const bytes = new Uint8Array(n);
      await co.recvData(bytes);
      return bytes.length;
    });
  const [near, far] = memoryTransportPair();
  const [nearSecond, farSecond] = memoryTransportPair();
  const session = new Connection(near, () => env, { log: () => undefined });
  await session.start();
  const second = new Lane(new GuardedTransport(nearSecond, session.clock, () => undefined), session);
  second.start();
  return { session, second, release, peers: [new HostilePeer(far), new HostilePeer(farSecond)] as const };
}

const answered = (id: string, value: number) => answer(id, packet("co_recv", String(value)));

it("conversations are answered on the lane on which they were asked, in the same environment", async () => {
  const { peers, session } = await twoLanes();
  for (const [i, peer] of peers.entries()) peer.say(conversation(`10${i}`, `add(${i}, 1)`));
  await quiet();
  for (const [i, peer] of peers.entries()) expect(peer.heard()).toContain(answered(`10${i}`, i + 1));
  expect(Object.values(session.held).filter((count) => count !== 0)).toEqual([]);
  peers[0].reset();
  await session.closed;
});

it("one that stands holds up only its own lane, and the account has what both hold", async () => {
  const { peers, release, session } = await twoLanes();
  const [first, second] = peers;
  first.say(`${packet("co_begin", "101") + packet("", "take(5)")}abc`);
  second.say(packet("co_begin", "101") + packet("", "take(5)"));
  await quiet();
  expect(session.held).toMatchObject({ hosted: 2, places: 2, readTurns: 2 });
  const { received, unread } = session.held;
  second.say("abcd");
  await quiet();
  expect(session.held.received + session.held.unread).toBeGreaterThanOrEqual(received + unread + 4);
  release();
  second.say(`e${packet("co_end", "101")}`);
  await quiet();
  expect(second.heard()).toContain(answered("101", 5));
  second.say(conversation("102", "add(1, 1)"));
  await quiet();
  expect(second.heard()).toContain(answered("102", 2));
  expect(session.held).toMatchObject({ hosted: 1, readTurns: 1 });
  first.say(`de${packet("co_end", "101")}`);
  await quiet();
  expect(first.heard()).toContain(answered("101", 5));
  expect(Object.values(session.held).filter((count) => count !== 0)).toEqual([]);
  first.reset();
  await session.closed;
});

it("what has come in part is counted for each lane", async () => {
  const { peers, session } = await twoLanes();
  for (const peer of peers) peer.say("[9#co_begin]101");
  await quiet();
  expect(session.held.received).toBe(6);
  for (const peer of peers) peer.say("234567");
  await quiet();
  expect(session.held.received).toBe(0);
  peers[0].reset();
  await session.closed;
});

it("what a peer does not read is counted for each lane, and gone with it", async () => {
  const { peers, session, second } = await twoLanes();
  for (const peer of peers) await peer.play("deaf");
  session.lane.wire.text("x".repeat(1_000));
  second.wire.text("x".repeat(500));
  await quiet();
  expect(session.held.unsent).toBe(1_500);
  await peers[1].play("listen");
  await quiet();
  expect(session.held.unsent).toBe(1_000);
  peers[0].reset();
  await session.closed;
  expect(session.held.unsent).toBe(0);
});
