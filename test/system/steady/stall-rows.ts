/**
 * What stalls is cut: a line that stops for good in the middle of an operation, or a network that goes, ends the connection within a
 * stated time and for the right reason, and no other connection notices. A line that pauses and goes on is not cut.
 */
import { connect as connectSocket, type Socket } from "node:net";
import type { Link } from "hbi";
import { packet } from "hbi/testing";
import { hasOpenssl } from "../../support/authority.ts";
import type { Way } from "../../support/chaos-proxy.ts";
import { ChaosProxy } from "../../support/chaos-proxy.ts";
import { explained, within as inTime, type Row, type Scope } from "../../support/rows.ts";
import { LINES, type Line, type LineName, weathersOf } from "./lines.ts";
import { carry, OPERATIONS, type OperationName } from "./operations.ts";
import { bodyOf, type Steady, textOf } from "./service.ts";
import { PATIENT, passed, type Told, World } from "./world.ts";

/** Seconds from the stall to the end of the connection: later than the first, and not later than the second. */
type Within = readonly [number, number];

/** Whoever waits for the rest of a header: `headerTimeoutMs` is 5 s. */
const HEADER: Within = [4, 45];
/** Whoever waits for other bytes: a pause of 10 s is no stall, and `gapTimeoutMs` is 30 s. */
const READING: Within = [9.5, 45];
/** Whoever has bytes to send: `sendStallTimeoutMs` is 30 s, and may have begun to count when the last ones went; and a third of the time in
 *  which a slow reader would take what the system has, 4 MiB at the most, at 16 KiB a second. */
const SENDING: Within = [9.5, 130];

/** Posts have a lane each, of which nobody reads: all that they may send is on its way, 4 MiB at the most, when the peer is asked. */
const POSTING: Within = [9.5, 300];

/** What stalls on a lane ends the lane; then the peer is asked whether it is there, and does not answer. */
const READ_REASONS = ["read_timeout", "data_too_slow", "unresponsive"];
const SEND_REASONS = ["slow_reader", "unresponsive"];

interface Expected {
  readonly side: "server" | "client";
  readonly reasons: readonly string[];
  readonly within: Within;
}

const reads = (side: Expected["side"], within = READING): Expected => ({ side, reasons: READ_REASONS, within });
const sendingOf = (operation: OperationName) => (operation === "posts with bodies" ? POSTING : SENDING);
/** A handler whose result makes no way is given up as well, which may be earlier. */
const sends = (side: Expected["side"], operation: OperationName): Expected => ({
  side,
  reasons: operation.startsWith("result bodies") ? [...SEND_REASONS, "handler_timeout"] : SEND_REASONS,
  within: sendingOf(operation),
});

// --- stalls of a link --------------------------------------------------------------------------------------------------

interface Stall {
  readonly operation: OperationName;
  /** where the bytes go */
  readonly way: Way;
  /** one direction stops, or all of the network goes */
  readonly how: "stalls" | "gone";
  /** bytes of the operation in all, and when it stops */
  readonly bytes: number;
  readonly after: number;
  readonly expected: readonly Expected[];
  readonly isTls?: boolean;
}

const HALFWAY = { how: "stalls", bytes: 400_000, after: 150_000 } as const;
/** More than the sockets hold, so that the sender has to wait. */
const LARGE = { how: "gone", bytes: 24_000_000, after: 150_000 } as const;

const receiver = (way: Way): Expected["side"] => (way === "up" ? "server" : "client");
const sender = (way: Way): Expected["side"] => (way === "up" ? "client" : "server");

const STALLED: readonly OperationName[] = [
  "text arguments",
  "text results",
  "bodies as one buffer",
  "bodies in chunks",
  "result bodies of one buffer",
  "result bodies as a stream",
  "pushes, each acknowledged",
  "scripts with large arguments",
  "scripts with large results",
  "posts with bodies",
];

const STALLS: readonly Stall[] = [
  ...STALLED.flatMap((operation) =>
    (["up", "down"] as const).map((way): Stall => ({ ...HALFWAY, operation, way, expected: [reads(receiver(way))] })),
  ),
  ...STALLED.flatMap((operation) =>
    (["up", "down"] as const).map(
      (way): Stall => ({ ...LARGE, operation, way, expected: [reads(receiver(way)), sends(sender(way), operation)] }),
    ),
  ),
  { ...HALFWAY, operation: "bodies in chunks", way: "up", isTls: true, expected: [reads("server")] },
  { ...HALFWAY, operation: "text results", way: "down", isTls: true, expected: [reads("client")] },
];

function stallRow(stall: Stall): Row {
  const { operation, way, how, isTls = false } = stall;
  const what = how === "stalls" ? "the line stalls for good" : "the network goes";
  const name = `${what} in ${operation}, ${way}${isTls ? ", TLS" : ""}`;
  return {
    name,
    isQuick: false,
    seconds: how === "stalls" ? READING[1] : sendingOf(operation)[1],
    run: (scope) => run(scope, stall),
  };
}

async function run(
  scope: Scope,
  { operation, way, how, bytes, after, expected, isTls = false }: Stall,
): Promise<string> {
  const world = await World.open(scope, {}, { isTls });
  const neighbour = new Neighbour(await world.neighbour(scope));
  await world.link.call.twice({ n: 1 });
  const { line } = world;
  const stalledMs = new Promise<number>((resolve) => {
    line.lane(way).watchAt(line.lane(way).bytes + after, () => {
      if (how === "gone") line.vanish();
      resolve(performance.now());
      return how === "stalls";
    });
  });
  const done = carry(world, OPERATIONS[operation], way, { id: "stalled", bytes, bytesPerSecond: undefined });
  const outcome = done.then(
    () => "done",
    (thrown) => explained(thrown),
  );
  const told = await afterwards(world, await stalledMs, expected);
  const caller = await Promise.race([outcome, world.over().then(() => undefined)]);
  if (caller === "done") throw new Error("the operation succeeded on a line that had stalled");
  if (caller === undefined && operation !== "posts with bodies") throw new Error("its caller was told nothing");
  await neighbour.hasNotNoticed();
  return `${told}; the caller: ${caller ?? "does not wait"}`;
}

/** Waits until each of the expected sides has ended its connection. @throws Error when it is the wrong time or reason */
async function afterwards(world: World, stalledMs: number, expected: readonly Expected[]): Promise<string> {
  const told: string[] = [];
  for (const { side, reasons, within } of expected) {
    const leftMs = stalledMs + within[1] * 1_000 - performance.now();
    const ended = await inTime(
      ending(world, side),
      leftMs,
      () => `${side}: not cut within ${within[1]} s; ${world.log.text}`,
    );
    const { reason, atMs } = ended;
    const seconds = (atMs - stalledMs) / 1_000;
    const words = `${side}: ${reason} after ${seconds.toFixed(1)} s`;
    if (!reasons.includes(reason)) throw new Error(`${words}, not ${reasons.join(" or ")}`);
    if (seconds < within[0]) throw new Error(`${words}, not within ${within.join(" to ")} s`);
    told.push(words);
  }
  return told.join(", ");
}

async function ending({ log }: World, side: string): Promise<Told> {
  for (;;) {
    const ended = log.entries.find((entry) => entry.side === side && entry.where === "connection");
    if (ended !== undefined) return ended;
    await log.changed();
  }
}

/** Another consumer, which calls all the time. */
class Neighbour {
  readonly #link: Link<Steady>;
  readonly #calling: Promise<void>;
  #isOver = false;
  #calls = 0;

  constructor(link: Link<Steady>) {
    this.#link = link;
    this.#calling = this.#call();
    this.#calling.catch(() => undefined); // it is looked at in the end
  }

  async #call(): Promise<void> {
    while (!this.#isOver) {
      if ((await this.#link.call.twice({ n: 4 }, { timeoutMs: 10_000 })) !== 8) throw new Error("a wrong answer");
      this.#calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 250)); // its pace
    }
  }

  /** @throws Error when one of its calls has failed */
  async hasNotNoticed(): Promise<void> {
    this.#isOver = true;
    await this.#calling.catch((thrown) => {
      throw new Error(`another connection noticed: ${explained(thrown)}`);
    });
    if (this.#calls === 0) throw new Error("the other connection has not called at all");
  }
}

// --- stalls of bare bytes: where exactly -------------------------------------------------------------------------------

interface Bare {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly stallAt: number;
  readonly expected: Expected;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const BEGIN = packet("co_begin", "101;x");
const TAKE = packet("", `take("bare", "${textOf("bare", 100_000)}")`);
const PUT = packet("co_begin", "101;x;b=300000") + packet("", 'put("bare", 300000, 0)');

const BARE: readonly Bare[] = [
  { name: "the first header", bytes: encode(BEGIN), stallAt: 7, expected: reads("server", HEADER) },
  {
    name: "a header inside a conversation",
    bytes: encode(BEGIN + TAKE),
    stallAt: BEGIN.length + 3,
    expected: reads("server", HEADER),
  },
  { name: "an id", bytes: encode(BEGIN), stallAt: BEGIN.length - 2, expected: reads("server") },
  { name: "a text", bytes: encode(BEGIN + TAKE), stallAt: BEGIN.length + 50_000, expected: reads("server") },
  {
    name: "a conversation, between two packets",
    bytes: encode(BEGIN + TAKE),
    stallAt: BEGIN.length,
    expected: reads("server"),
  },
  {
    name: "a conversation, before its end",
    bytes: encode(BEGIN + TAKE + packet("co_end", "101;x")),
    stallAt: BEGIN.length + TAKE.length,
    expected: reads("server"),
  },
  { name: "raw data, before its first byte", bytes: encode(PUT), stallAt: PUT.length, expected: reads("server") },
  {
    name: "raw data",
    bytes: Buffer.concat([encode(PUT), bodyOf("bare", 300_000, "buffer") as Buffer]),
    stallAt: PUT.length + 200_000,
    expected: reads("server"),
  },
];

function bareRow({ name, bytes, stallAt, expected }: Bare): Row {
  return {
    name: `the line stalls for good in the middle of ${name}`,
    isQuick: expected.within === HEADER,
    seconds: expected.within[1],
    run: async (scope) => {
      const world = await World.open(scope, {});
      const neighbour = new Neighbour(await world.neighbour(scope));
      const proxy = await ChaosProxy.listen(world.server.address, 1, { up: { stall: { atByte: stallAt } }, down: {} });
      scope.add(() => proxy.close());
      const socket = await bareSocket(scope, proxy.address);
      let heard = "";
      socket.on("data", (chunk) => {
        heard += String(chunk);
      });
      const ended = new Promise((resolve) => socket.once("end", resolve));
      socket.write(bytes);
      await passed(await proxy.whenConnected(), "up", stallAt);
      const told = await afterwards(world, performance.now(), [expected]);
      await ended; // it is told why
      if (!heard.includes("#err]")) throw new Error(`the peer was told nothing: ${heard}`);
      await neighbour.hasNotNoticed();
      return told;
    },
  };
}

async function bareSocket(scope: Scope, address: string): Promise<Socket> {
  const [host = "", port = ""] = address.split(":");
  const socket = connectSocket({ host, port: Number(port) });
  scope.add(() => socket.destroy());
  socket.on("error", () => undefined); // a reset is an end as well
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

// --- leaving, and silence ----------------------------------------------------------------------------------------------

interface Other {
  readonly name: string;
  readonly isQuick?: boolean;
  readonly seconds: number;
  readonly run: (scope: Scope) => Promise<string>;
  readonly needsOpenssl?: boolean;
}

/** Seconds that something takes. @throws Error when it is not within those stated */
async function timed(what: string, promise: Promise<unknown>, [least, most]: Within): Promise<string> {
  const startMs = performance.now();
  await inTime(promise, most * 1_000, () => `not ${what} within ${most} s`);
  const seconds = (performance.now() - startMs) / 1_000;
  if (seconds < least) throw new Error(`${what} after ${seconds.toFixed(1)} s already`);
  return `${what} after ${seconds.toFixed(1)} s`;
}

/** A world whose line stops in this direction while 24 MB flow there. */
async function stalledWorld(scope: Scope, way: Way, operation: OperationName): Promise<World> {
  const world = await World.open(scope, {});
  await world.link.call.twice({ n: 1 });
  const lane = world.line.lane(way);
  const stalled = new Promise<void>((resolve) => {
    lane.watchAt(lane.bytes + 100_000, () => {
      resolve();
      return true;
    });
  });
  const load = { id: "stalled", bytes: 24_000_000, bytesPerSecond: undefined };
  carry(world, OPERATIONS[operation], way, load).catch(() => undefined); // it is cut
  await stalled;
  return world;
}

/** Until what flows is given up: what the system has, 4 MiB at the most, has the time that a slow reader needs, at 16 KiB a second. */
const LEAVING: Within = [0, 290];

const OTHERS: readonly Other[] = [
  {
    name: "the line stalls for good, and the server drains",
    seconds: LEAVING[1],
    run: async (scope) => {
      const { server } = await stalledWorld(scope, "down", "text results");
      return timed("drained", server.drain("deploy"), LEAVING);
    },
  },
  {
    name: "the network goes, and the server drains",
    seconds: LEAVING[1],
    run: async (scope) => {
      const { server, line } = await stalledWorld(scope, "down", "text results");
      line.vanish();
      return timed("drained", server.drain("deploy"), LEAVING);
    },
  },
  {
    name: "the line stalls for good, and the link closes",
    seconds: LEAVING[1],
    run: async (scope) => {
      const { link } = await stalledWorld(scope, "up", "bodies in chunks");
      return timed("closed", link.close(), LEAVING);
    },
  },
  {
    name: "the network goes, and the server closes at once",
    isQuick: true,
    seconds: 15,
    run: async (scope) => {
      const { server, line } = await stalledWorld(scope, "down", "text results");
      line.vanish();
      return timed("closed", server.close("maintenance"), [0, 15]); // closeTimeoutMs is 5 s without progress
    },
  },
  {
    name: "the network goes, and the link disconnects at once",
    isQuick: true,
    seconds: 15,
    run: async (scope) => {
      const { link, line } = await stalledWorld(scope, "up", "bodies in chunks");
      line.vanish();
      return timed("closed", link.disconnect("bye"), [0, 15]);
    },
  },
  ...(["up", "down"] as const).map(
    (way): Other => ({
      name: `the line stalls for good in a TLS handshake, ${way}`,
      isQuick: true,
      seconds: 12,
      needsOpenssl: true,
      run: async (scope) => {
        const stall = { stall: { atByte: 60 } };
        const world = await World.open(scope, {}, { isTls: true });
        const proxy = await ChaosProxy.listen(
          world.server.address,
          1,
          way === "up" ? { up: stall, down: {} } : { up: {}, down: stall },
        );
        scope.add(() => proxy.close());
        const within: Within = [9, 20]; // connectTimeoutMs is 10 s
        const client = world.dial(proxy.address, "another").then(
          () => Promise.reject(new Error("connected over a line that had stalled")),
          () => undefined, // given up
        );
        const server = async (): Promise<void> => {
          while (!world.log.entries.some(({ where }) => where === "accept")) await world.log.changed();
        };
        const told = await timed("given up by both", Promise.all([client, server()]), within);
        await world.link.call.twice({ n: 1 });
        return told;
      },
    }),
  ),
  {
    name: "the network goes while nothing is asked: the link dials again, the server frees the peer",
    seconds: 120,
    run: async (scope) => {
      const world = await World.open(scope, {}, { reconnect: true });
      await world.link.call.twice({ n: 1 });
      const { line, link, server, peer } = world;
      line.vanish();
      const dialed = new Promise<void>((resolve) => {
        link.onState((state) => {
          if (state === "open") resolve();
        });
      });
      const told = await timed("dialed again and freed", Promise.all([dialed, peer.closed]), [0, 120]);
      await link.call.twice({ n: 1 });
      if (server.peers.has(peer)) throw new Error("the peer is kept");
      return told;
    },
  },
  {
    name: "the network goes while a call is at work: it fails at its deadline, and the next one goes over another connection",
    seconds: 120,
    run: async (scope) => {
      const world = await World.open(scope, {}, { reconnect: true });
      const { link, line } = world;
      await link.call.twice({ n: 1 });
      line.vanish();
      const lost = await link.call.twice({ n: 2 }).then(
        () => "answered",
        (thrown) => explained(thrown),
      );
      if (lost === "answered") throw new Error("answered over a network that had gone");
      const until = async (): Promise<void> => {
        const ask = () => link.call.twice({ n: 3 }, { timeoutMs: 5_000 }).catch(() => undefined);
        for (; (await ask()) === undefined; await new Promise(setImmediate)) {
          if (link.state === "closed") throw new Error("the link is closed");
        }
      };
      return `${lost}; ${await timed("answered again", until(), [0, 90])}`;
    },
  },
];

// --- pauses ------------------------------------------------------------------------------------------------------------

interface Pause {
  readonly operation: OperationName;
  readonly way: Way;
  readonly on: LineName;
  readonly bytes: number;
  readonly atByte: number;
  readonly isQuick?: boolean;
}

const PAUSE_MS = 10_000;
/** Small calls consist mostly of headers, and one that has begun is waited for `headerTimeoutMs`: 5 s. */
const SMALL_PAUSE_MS = 4_000;
/** A lane counts `dataRateWindowMs`, 10 s, from the beginning of its body, which may be just before the pause. */
const BODY_PAUSE_MS = 9_000;
const pauseMs = (operation: OperationName): number => {
  if (operation === "small calls") return SMALL_PAUSE_MS;
  return operation.includes("bodies") ? BODY_PAUSE_MS : PAUSE_MS;
};
const ALL = Object.keys(OPERATIONS) as OperationName[]; // its own keys

const PAUSES: readonly Pause[] = [
  ...ALL.flatMap((operation) =>
    (["up", "down"] as const).map(
      (way): Pause => ({ operation, way, on: "200 kB/s", bytes: 1_200_000, atByte: 500_000 }),
    ),
  ),
  // Just after the beginning, and on a line where a text alone takes 10 s.
  ...(["text arguments", "text results", "bodies in chunks", "result bodies of one buffer"] as const).flatMap(
    (operation) =>
      [1_500, 100_000, 190_000].map(
        (atByte): Pause => ({ operation, way: "up", on: "20 kB/s", bytes: 200_000, atByte }),
      ),
  ),
  { operation: "bodies in chunks", way: "up", on: "200 kB/s", bytes: 400_000, atByte: 100_000, isQuick: true },
  { operation: "text results", way: "down", on: "200 kB/s", bytes: 400_000, atByte: 100_000, isQuick: true },
];

function pauseRow({ operation, way, on, bytes, atByte, isQuick = false }: Pause): Row {
  const line: Line = LINES[on];
  const { bytesPerSecond = 1 } = line;
  const forMs = pauseMs(operation);
  const seconds = bytes / bytesPerSecond + forMs / 1_000;
  return {
    name: `the line pauses for ${forMs / 1_000} s at byte ${atByte} of ${bytes}: ${operation}, ${on}, ${way}`,
    isQuick,
    seconds,
    run: async (scope) => {
      const paused: Line = { ...line, weather: { ...line.weather, stall: { atByte, forMs } } };
      const world = await World.open(scope, weathersOf(paused, way));
      try {
        await world.undisturbed(
          carry(world, OPERATIONS[operation], way, { id: "paused", bytes, bytesPerSecond: undefined }),
        );
        await world.link.call.twice({ n: 1 }, PATIENT);
        world.checkWhole();
      } catch (thrown) {
        throw new Error(`${explained(thrown)}; ${scope.told()}`);
      }
      return "whole";
    },
  };
}

export const STALL_ROWS: readonly Row[] = [
  ...STALLS.filter(({ isTls }) => isTls !== true || hasOpenssl).map(stallRow),
  ...BARE.map(bareRow),
  ...OTHERS.filter(({ needsOpenssl }) => needsOpenssl !== true || hasOpenssl).map(
    ({ name, isQuick = false, seconds, run }) => ({ name, isQuick, seconds, run }),
  ),
  ...PAUSES.map(pauseRow),
];
