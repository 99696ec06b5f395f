/**
 * A server whose event loop is busy while a deadline passes: what its peer sent in time lies in the socket, so the peer is not blamed.
 * The server is a process of its own.
 */
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import type { LimitOptions } from "hbi";
import { connect } from "hbi/node";
import { conversation, packet } from "hbi/testing";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { ChaosProxy, type ProxiedConnection, type Weathers } from "../../support/chaos-proxy.ts";
import type { Row, Scope } from "../../support/rows.ts";
import { Content, checksum, readExactly } from "../chaos/content.ts";
import { PeerProcess } from "../chaos/peer-process.ts";
import { type BusyOptions, busy, guarded } from "./busy-service.ts";
import { passed } from "./world.ts";

const BUSY_MS = 6_000;
/** Deadlines that pass in a loop of 6 s, so that little depends on when it begins. */
const SHORT: LimitOptions = {
  headerTimeoutMs: 5_000,
  payloadTimeoutMs: 4_000, // and a second for what is missing
  gapTimeoutMs: 5_000,
  dataRateWindowMs: 5_000,
  connectTimeoutMs: 5_000,
  sendStallTimeoutMs: 5_000,
};
const TOKEN = new Content("token").next(4).toString("hex");
const PATIENT = { limits: { connectTimeoutMs: 60_000 }, log: () => undefined };

/** When the loop begins: now, or shortly before a deadline of the default limits. */
interface When {
  readonly afterMs: number;
  readonly limits: LimitOptions;
}

class BusyServer {
  readonly address: string;
  readonly #process: PeerProcess;

  private constructor(process: PeerProcess, address: string) {
    this.#process = process;
    this.address = address;
  }

  static async start(scope: Scope, options: BusyOptions): Promise<BusyServer> {
    const process = new PeerProcess("busy", "test/system/programs/busy-server.ts", [JSON.stringify(options)]);
    scope.add(async () => {
      process.signal("SIGKILL");
      await process.exited;
    });
    return new BusyServer(process, await process.heard("listening on"));
  }

  /** Resolves when the loop has begun. */
  async isBusy({ afterMs }: When): Promise<void> {
    this.#process.say(`busy ${afterMs} ${BUSY_MS}`);
    await this.#process.heard("busy");
  }

  /** @throws Error when its operator was told anything */
  async blamesNobody(): Promise<void> {
    this.#process.say("log");
    const told = JSON.parse(await this.#process.heard("log")) as string[]; // as the program writes it
    if (told.length > 0) throw new Error(`its operator was told: ${told.join("; ")}`);
  }
}

// --- peers of bare bytes -----------------------------------------------------------------------------------------------

class BarePeer {
  readonly #socket: Socket;
  #heard = "";
  #isOver = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.#heard += text;
    });
    socket.on("error", () => undefined); // a reset is an end as well
    socket.on("close", () => {
      this.#isOver = true;
      socket.emit("data", "");
    });
  }

  static async connect(scope: Scope, address: string): Promise<BarePeer> {
    const [host = "", port = ""] = address.split(":");
    const socket = connectSocket({ host, port: Number(port) });
    scope.add(() => socket.destroy());
    await once(socket, "connect");
    return new BarePeer(socket);
  }

  say(...pieces: readonly (string | Uint8Array)[]): void {
    this.#socket.write(Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)))); // in one segment, if it is small
  }

  /** @throws Error when it is told that it is to blame, or the connection ends */
  async hears(what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = what.exec(this.#heard);
      if (found !== null) return found;
      if (this.#isOver || this.#heard.includes("#err]")) throw new Error(`it heard ${this.#heard.slice(-200)}`);
      await once(this.#socket, "data");
    }
  }
}

interface Halves {
  readonly first: string | Uint8Array;
  readonly rest: string | Uint8Array;
  /** the answer */
  readonly hears: RegExp;
}

/** Its answer says that what came with it has been read as well. */
const MARK = conversation("101;x;n", "twice(1)");
const HAS_READ = /#co_ack_end\]101/;

const SMALL = conversation("102;x;n", "twice(21)");
const TEXT = conversation("102;x;n", `take("${"x".repeat(900)}")`);
const BEGIN = packet("co_begin", "102;x;n");
const SIZE = 300_000;
const PUT = packet("co_begin", `102;x;b=${SIZE}`) + packet("", `put("up", ${SIZE})`);
const DATA = new Content("up").next(SIZE);

const cut = (text: string, at: number): Pick<Halves, "first" | "rest"> => ({
  first: text.slice(0, at),
  rest: text.slice(at),
});

const HALVES = {
  "a header": { ...cut(SMALL, 7), hears: /#co_recv\]42/ },
  "a payload": { ...cut(TEXT, TEXT.length / 2), hears: /#co_recv\]900/ },
  "a conversation": { ...cut(SMALL, BEGIN.length), hears: /#co_recv\]42/ },
  "a body": {
    first: Buffer.concat([Buffer.from(PUT), DATA.subarray(0, 1_000)]),
    rest: Buffer.concat([DATA.subarray(1_000), Buffer.from(packet("co_end", "102"))]),
    hears: new RegExp(`#co_recv\\]"${checksum("up", SIZE)}"`),
  },
} satisfies Record<string, Halves>;

async function runHalves(scope: Scope, { first, rest, hears }: Halves, when: When): Promise<string> {
  const server = await BusyServer.start(scope, when);
  const peer = await BarePeer.connect(scope, server.address);
  peer.say(MARK, first);
  await peer.hears(HAS_READ);
  await server.isBusy(when);
  peer.say(rest);
  await peer.hears(hears);
  await server.blamesNobody();
  return "answered";
}

/** The peer is asked, and answers in two parts. */
async function runAnswer(scope: Scope, when: When): Promise<string> {
  const server = await BusyServer.start(scope, when);
  const peer = await BarePeer.connect(scope, server.address);
  peer.say(conversation("100;x;n", "ask(7)"));
  const [, id = ""] = await peer.hears(/#co_begin\](\d+)[^[]*\[\d+#\]asked\(7\)\[\d+#co_end\]/);
  const answer = packet("co_ack_begin", id) + packet("co_recv", "49") + packet("co_ack_end", id);
  const { first, rest } = cut(answer, packet("co_ack_begin", id).length);
  peer.say(MARK, first);
  await peer.hears(HAS_READ);
  await server.isBusy(when);
  peer.say(rest);
  await peer.hears(/#co_recv\]49/);
  await server.blamesNobody();
  return "answered";
}

// --- links -------------------------------------------------------------------------------------------------------------

/** Calls on a connection of its own until the server must have taken whatever others have sent before. */
async function roundTrips(address: string, options: Parameters<typeof connect<typeof busy>>[3] = {}): Promise<void> {
  const link = await connect(busy, address, { asked: ({ n }) => n }, { ...PATIENT, ...options });
  for (let n = 0; n < 3; n++) await link.call.twice({ n });
  await link.disconnect();
}

const STALL: Weathers = { up: { stall: { atByte: 20 } }, down: {} };

async function stalledProxy(scope: Scope, address: string): Promise<ChaosProxy> {
  const proxy = await ChaosProxy.listen(address, 1, STALL);
  scope.add(() => proxy.close());
  return proxy;
}

async function stalled(proxy: ChaosProxy): Promise<ProxiedConnection> {
  const line = await proxy.whenConnected();
  await passed(line, "up", 20);
  return line;
}

/** This machine was too slow to show anything: much of the deadline had passed before the loop began. */
class TooSlow extends Error {}

const MOST_MS = 2_000;
const ATTEMPTS = 5;

const untilInTime =
  (run: Run): Run =>
  async (scope, when) => {
    for (let i = 1; ; i++) {
      try {
        return await run(scope, when);
      } catch (thrown) {
        if (!(thrown instanceof TooSlow) || i === ATTEMPTS) throw thrown;
      }
    }
  };

function checkInTime(startMs: number, { afterMs }: When): void {
  if (afterMs === 0 && performance.now() - startMs > MOST_MS) throw new TooSlow("the machine is too slow");
}

async function runHandshake(scope: Scope, when: When): Promise<string> {
  const authority = new Authority("busy");
  const { key, cert } = authority.server();
  const { cert: ca } = authority;
  authority.remove();
  const server = await BusyServer.start(scope, { ...when, tls: { key: String(key), cert: String(cert) } });
  const proxy = await stalledProxy(scope, server.address);
  const startMs = performance.now();
  const connecting = connect(busy, proxy.address, { asked: ({ n }) => n }, { ...PATIENT, tls: { ca } });
  connecting.catch(() => undefined); // it is looked at below
  const line = await stalled(proxy);
  await roundTrips(server.address, { tls: { ca } });
  await server.isBusy(when);
  checkInTime(startMs, when);
  line.release();
  const link = await connecting;
  scope.add(() => link.disconnect());
  await link.call.twice({ n: 1 });
  await server.blamesNobody();
  return "connected";
}

async function runAuthentication(scope: Scope, when: When): Promise<string> {
  const server = await BusyServer.start(scope, { ...when, isGuarded: true });
  const proxy = await stalledProxy(scope, server.address);
  const startMs = performance.now();
  const credentials = { token: TOKEN };
  const options = { ...PATIENT, credentials };
  const connecting = connect(guarded, proxy.address, { asked: ({ n }) => n }, options);
  connecting.catch(() => undefined); // it is looked at below
  const line = await stalled(proxy);
  const other = await connect(guarded, server.address, { asked: ({ n }) => n }, options);
  for (let n = 0; n < 3; n++) await other.call.twice({ n });
  await other.disconnect();
  await server.isBusy(when);
  checkInTime(startMs, when);
  line.release();
  const link = await connecting;
  scope.add(() => link.disconnect());
  await link.call.twice({ n: 1 });
  await server.blamesNobody();
  return "let in";
}

/** The peer reads all the time: what it has taken shows when the loop goes on. */
async function runReader(scope: Scope, when: When): Promise<string> {
  const server = await BusyServer.start(scope, when);
  const proxy = await ChaosProxy.listen(server.address, 1, { bytesPerSecond: 4_000_000, bufferBytes: 64_000 });
  scope.add(() => proxy.close());
  const link = await connect(busy, proxy.address, { asked: ({ n }) => n }, PATIENT);
  scope.add(() => link.disconnect());
  const id = "down";
  const size = 30_000_000;
  const { body } = await link.call.get({ id, size }, { timeoutMs: 60_000 });
  const line = await proxy.whenConnected();
  const read = readExactly(id, size, body);
  read.catch(() => undefined); // it is looked at below
  await Promise.race([passed(line, "down", 8_000_000), read]);
  await server.isBusy(when);
  if ((await read) !== checksum(id, size)) throw new Error("the body is damaged");
  await server.blamesNobody();
  return "whole";
}

/** A call that comes in time is no silence. */
async function runIdle(scope: Scope, when: When): Promise<string> {
  const server = await BusyServer.start(scope, when);
  const link = await connect(busy, server.address, { asked: ({ n }) => n }, PATIENT);
  scope.add(() => link.disconnect());
  await link.call.twice({ n: 1 });
  await server.isBusy(when);
  if ((await link.call.twice({ n: 21 })) !== 42) throw new Error("a wrong answer");
  await server.blamesNobody();
  return "answered";
}

// --- rows --------------------------------------------------------------------------------------------------------------

type Run = (scope: Scope, when: When) => Promise<string>;

const halves =
  (name: keyof typeof HALVES): Run =>
  (scope, when) =>
    runHalves(scope, HALVES[name], when);

const RUNS: Readonly<Record<string, Run>> = {
  "a header": halves("a header"),
  "a payload": halves("a payload"),
  "a conversation, between two packets": halves("a conversation"),
  "a body": halves("a body"),
  "its answer": runAnswer,
  "a TLS handshake": untilInTime(runHandshake),
  "showing its credentials": untilInTime(runAuthentication),
  "reading a result body": runReader,
};

/** At default limits: the loop begins so long after the deadline began to count, and ends behind it. */
const DEFAULTS: Readonly<Record<string, number>> = {
  "a header": 1_000, // of 5 s
  "a payload": 6_500, // of 11 s
  "a conversation, between two packets": 25_500, // of 30 s
  "a body": 6_000, // of 10 s
  "its answer": 25_500,
  "a TLS handshake": 6_000, // of 10 s
  "showing its credentials": 6_000,
};

const needed = (name: string): boolean => hasOpenssl || !name.includes("TLS");

export const BUSY_ROWS: readonly Row[] = [
  ...Object.entries(RUNS)
    .filter(([name]) => needed(name))
    .map(([name, run]): Row => {
      const row = (scope: Scope) => run(scope, { afterMs: 0, limits: SHORT });
      return {
        name: `the server is busy for 6 s, a peer is in the middle of ${name}`,
        isQuick: true,
        seconds: 9,
        run: row,
      };
    }),
  {
    name: "the server is busy for 6 s, a call comes before idleTimeoutMs has passed",
    isQuick: true,
    seconds: 7,
    run: (scope) => runIdle(scope, { afterMs: 0, limits: { idleTimeoutMs: 4_500 } }),
  },
  ...Object.entries(DEFAULTS)
    .filter(([name]) => needed(name))
    .map(([name, afterMs]): Row => {
      const run = (scope: Scope) => RUNS[name]?.(scope, { afterMs, limits: {} }) ?? Promise.reject(new Error(name));
      const seconds = (afterMs + BUSY_MS) / 1_000;
      return {
        name: `the server is busy for 6 s, a peer is in the middle of ${name}, default limits`,
        isQuick: false,
        seconds,
        run,
      };
    }),
];
