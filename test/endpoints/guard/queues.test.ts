/**
 * Every queue that a peer can make longer stops at its stated number: filled with the emptiest entries, N are held and N + 1 are not, and all
 * is given back at the end.
 */
import { Connection, type ConnectionOptions, HostingEnv, type LimitOptions, method } from "hbi";
import { answer, conversation, type HostilePeer, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isUrgent } from "../../../src/endpoints/session/builtin-names.ts";

/** What an entry costs beside its content: docs/errors-and-limits.md, "What is held". */
const TEXT = 64;
const CHUNK = 256;
const n = z.int().min(0);

interface World {
  readonly connection: Connection;
  readonly peer: HostilePeer;
  readonly ran: string[];
  release(): void;
}

async function world(limits: LimitOptions, options: ConnectionOptions = {}): Promise<World> {
  const ran: string[] = [];
  const gates: (() => void)[] = [];
  const hold = () => new Promise<void>((resolve) => gates.push(resolve));
  const env = new HostingEnv()
    .expose("e", method({ params: {} }), () => void ran.push("e"))
    .expose("hold", method({ params: {} }), hold)
    .expose("take", method({ params: { n }, body: ({ n }) => n }), hold);
  const { transport, peer } = hostileTransport();
  const keepaliveMs = Number.POSITIVE_INFINITY;
  const connection = new Connection(transport, () => env, {
    log: () => undefined,
    ...options,
    limits: { keepaliveMs, ...limits },
  });
  await connection.start();
  return {
    connection,
    peer,
    ran,
    release: () => {
      for (const gate of gates.splice(0)) gate();
    },
  };
}

async function say(peer: HostilePeer, ...pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) peer.say(piece);
  await quiet();
}

/** What is held when the peer has gone. */
async function left({ connection, peer, release }: World): Promise<number> {
  peer.reset();
  await quiet();
  release();
  await quiet();
  return Object.values(connection.held).reduce((sum, count) => sum + count, 0) + connection.account.bytes;
}

describe("objects that are not requested", () => {
  it.each([
    [10 * (TEXT + 1), 10],
    [10 * (TEXT + 1) + 1, 11],
  ])("of one byte, where %i bytes are allowed: %i", async (maxBufferedBytes, count) => {
    const here = await world({ maxBufferedBytes });
    await say(here.peer, packet("co_begin", "101;x;n") + packet("", "hold()"));
    await say(here.peer, ...Array.from({ length: 20 }, () => packet("co_recv", "0")));
    expect(here.connection.held.unread).toBe(count * (TEXT + 1));
    expect(await left(here)).toBe(0);
  });

  it("without any content cost as much as a text: none is free", async () => {
    const here = await world({ maxBufferedBytes: 10 * TEXT });
    await say(here.peer, packet("co_begin", "101;x;n") + packet("", "hold()"));
    await say(here.peer, ...Array.from({ length: 20 }, () => packet("co_recv", "")));
    expect(here.connection.held.unread).toBe(10 * TEXT);
    expect(await left(here)).toBe(0);
  });
});

describe("unread raw data, and unprocessed bytes", () => {
  it.each([
    [10 * (CHUNK + 1), 10],
    [10 * (CHUNK + 1) + 1, 11],
  ])("one by one, where %i bytes are allowed: %i of each", async (maxBufferedBytes, count) => {
    const here = await world({ maxBufferedBytes });
    await say(here.peer, packet("co_begin", "101;x;b=100") + packet("", "take(100)"));
    for (let i = 0; i < 100; i++) await say(here.peer, "x");
    expect(here.connection.held).toMatchObject({ unread: count * (CHUNK + 1), received: count * (CHUNK + 1) });
    expect(await left(here)).toBe(0);
  });
});

describe("conversations that wait for a place, while this side waits for an answer", () => {
  const crowded = async (limits: LimitOptions) => {
    const here = await world({ maxInFlight: 1, ...limits });
    void here.connection.posting.notif("anything()").catch(() => undefined);
    await say(here.peer, conversation("200;x;n", "hold()"));
    here.peer.heard();
    return here;
  };
  const waiting = (count: number) => Array.from({ length: count }, (_, i) => conversation(`${300 + i};x;n`, "e()"));
  const refused = (heard: string) => heard.match(/"overloaded"/g)?.length ?? 0;

  it.each([
    [5, 0],
    [6, 1],
  ])("maxHostedWaiting is 5: of %i, %i are refused, and the others are done", async (count, more) => {
    const here = await crowded({ maxHostedWaiting: 5 });
    await say(here.peer, ...waiting(count));
    expect(here.connection.held.waiting).toBe(5 * ("e()".length + TEXT));
    expect(refused(here.peer.heard())).toBe(more);
    here.release();
    await quiet();
    expect(here.ran.length).toBe(5);
    expect(await left(here)).toBe(0);
  });

  it.each([
    [5 * (TEXT + 3), 0],
    [5 * (TEXT + 3) - 1, 1],
  ])("their texts have %i bytes: of 5, %i are refused", async (maxBufferedBytes, more) => {
    const here = await crowded({ maxBufferedBytes });
    await say(here.peer, ...waiting(5));
    expect(refused(here.peer.heard())).toBe(more);
    expect(await left(here)).toBe(0);
  });

  it.each([
    [1_000, 0],
    [1_001, 1],
  ])("what they promise counts as well: %i raw bytes, %i refused", async (bytes, more) => {
    const code = `take(${bytes})`;
    const here = await crowded({ maxBufferedBytes: 1_000 + code.length + TEXT });
    await say(here.peer, packet("co_begin", `300;x;b=${bytes}`) + packet("", code));
    await say(here.peer, "x".repeat(bytes) + packet("co_end", "300"));
    expect(refused(here.peer.heard())).toBe(more);
    expect(await left(here)).toBe(0);
  });

  it("a connection reads no further than one more than may be at work or wait, however empty they are", async () => {
    const here = await crowded({ maxHostedWaiting: 5 });
    for (let i = 0; i < 50; i++) await say(here.peer, packet("co_begin", `${400 + i}`) + packet("", "e()"));
    expect(here.connection.held.hosted).toBeLessThanOrEqual(1 + 5 + 1);
    expect(await left(here)).toBe(0);
  });
});

describe("a place", () => {
  it.each(["$hbi.goaway()", '$hbi.cancel("999")', "$hbi.ping()"])(
    "is not got by a conversation that begins with %s: what it calls then waits as any other does",
    async (urgent) => {
      const here = await world({ maxInFlight: 1 });
      await say(here.peer, conversation("200;x;n", "hold()"));
      await say(
        here.peer,
        packet("co_begin", "201;x") + packet("", urgent) + packet("", "e()") + packet("co_end", "201"),
      );
      expect([here.ran.length, here.connection.held.places]).toEqual([0, 1]);
      here.release();
      await quiet();
      expect([here.ran.length, here.connection.held.places]).toEqual([1, 0]);
      expect(await left(here)).toBe(0);
    },
  );

  it("a long text is not searched repeatedly: its length shows that it is not urgent", () => {
    let looks = 0;
    const text = (length: number) =>
      ({
        length,
        toString() {
          looks += 1;
          return `$hbi.cancel("${"1".repeat(length - 15)}")`;
        },
      }) as unknown as string;
    expect([isUrgent(text(1_100)), looks]).toEqual([true, 1]);
    expect([isUrgent(text(1_101)), looks]).toEqual([false, 1]);
    expect([isUrgent(text(262_144)), looks]).toEqual([false, 1]);
  });
});

describe("callsPerSecond", () => {
  const three = "e()\ne()\ne()";
  it.each([
    ["in conversations of their own", Array.from({ length: 12 }, (_, i) => conversation(`${101 + i};x;n`, "e()"))],
    ["in one script each", Array.from({ length: 4 }, (_, i) => conversation(`${101 + i};x;n`, three))],
    ["in the scripts of one conversation", [conversation("101;x;n", three, three, three, three)]],
  ])("counts calls, not conversations: 12 calls %s, 6 a second", async (_, said) => {
    const clock = new ManualClock();
    const here = await world({ callsPerSecond: 6 }, { clock });
    await say(here.peer, ...said);
    expect(here.ran.length).toBe(6);
    await clock.advance(1_000);
    expect(here.ran.length).toBe(12);
    here.peer.reset();
    await quiet();
  });
});

describe("a consumer that reads what it is sent and never acknowledges", () => {
  it("holds up no more than maxPostedInFlight and maxPostedWaiting, and is ended", async () => {
    const clock = new ManualClock();
    const limits = { maxPostedInFlight: 3, maxPostedWaiting: 4, callTimeoutMs: 1_000, handlerTimeoutMs: 5_000 };
    const here = await world({ ...limits, gapTimeoutMs: 2_000 }, { clock });
    const { posting } = here.connection;
    here.peer.say(conversation("100;x;n") + answer("100")); // it speaks the extension
    await quiet();
    const push = () =>
      posting.call({ code: "told()", name: "told", results: [], wantsResults: false, timeoutMs: 1_000 }).promise;
    const pushed = Array.from({ length: 7 }, () => push().catch((error) => error.reason));
    expect(push).toThrow("too many conversations are waiting to be sent");
    await quiet();
    expect(here.peer.heard().match(/told\(\)/g)).toHaveLength(3);
    await clock.advance(1_000);
    expect(new Set(await Promise.all(pushed))).toEqual(new Set(["timeout", "turn_held"]));
    await clock.advance(6_999);
    expect(here.connection.isOpen).toBe(true);
    await clock.advance(1);
    expect(here.connection.isOpen).toBe(false);
    await clock.advance(1_000);
    expect(await here.connection.closed).toMatchObject({ code: "unavailable", reason: "unresponsive" });
    expect(await left(here)).toBe(0);
  });

  it("is not ended for calls that were given up and answered after all", async () => {
    const clock = new ManualClock();
    const limits = { maxPostedInFlight: 2, handlerTimeoutMs: 5_000, gapTimeoutMs: 2_000, closeTimeoutMs: 60_000 };
    const here = await world(limits, { clock });
    const { posting } = here.connection;
    await say(here.peer, conversation("100;x;n") + answer("100"));
    const begin = (signal?: AbortSignal) =>
      posting
        .call({ code: "told()", name: "told", results: [], wantsResults: false, timeoutMs: 60_000, signal })
        .promise.then(
          () => "answered",
          ({ code }) => code,
        );
    const giveUp = async () => {
      const gone = new AbortController();
      const call = begin(gone.signal);
      await quiet();
      gone.abort();
      expect(await call).toBe("cancelled");
      await quiet();
    };
    await giveUp(); // 101, and 102 cancels it
    await say(here.peer, answer("101"), answer("102"));
    const long = begin();
    await giveUp(); // 104: one of two slots
    await clock.advance(7_000);
    await clock.advance(1_000);
    expect(here.connection.isOpen).toBe(true);
    expect(here.peer.heard()).toContain("co_begin]103");
    await say(here.peer, answer("103"));
    expect(await long).toBe("answered");
    expect(await left(here)).toBe(0);
  });
});
