/**
 * Replays one side of a transcript against a living peer, and takes apart what the peer says, by means of its own: nothing
 * here shares code with what it checks.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  BracketKeeper,
  type Brackets,
  bracketsOf,
  type Item,
  type PacketItem,
  type RawItem,
  type Side,
  type Transcript,
} from "./transcript.ts";

const WAIT_MS = 5_000;

export interface Replayed {
  readonly seen: Brackets;
  /** whether the peer ended the connection before this side was done */
  readonly peerEnded: boolean;
  /** what the peer should have said and did not, while something depended on it */
  readonly missing: string | undefined;
}

export async function replay(transcript: Transcript, side: Side, socket: Duplex): Promise<Replayed> {
  const listener = new Listener(bracketsOf(transcript, side === "client" ? "server" : "client"));
  socket.on("data", (chunk: Buffer) => listener.push(chunk));
  socket.on("end", () => listener.end());
  socket.on("close", () => listener.end());
  socket.on("error", () => listener.end());
  socket.resume(); // it may have been accepted paused

  const needed = new Map<string, number>();
  const keeper = new BracketKeeper();
  let missing: string | undefined;
  for (const item of transcript.items) {
    if (item.from === side) {
      if (item.kind === "end") {
        missing ??= await listener.until(needed);
        socket.end();
        continue;
      }
      missing ??= await listener.until(needed);
      if (missing !== undefined || listener.hasEnded) break;
      if (item.kind === "packet" && item.directive.endsWith("_begin")) socket.write(listener.answerToHello());
      socket.write(encode(listener.echoing(item)));
    } else if (item.kind !== "end") {
      const key = keeper.add(item);
      if (key !== "err") needed.set(key, (needed.get(key) ?? 0) + 1);
    }
  }
  missing ??= await listener.until(needed);
  const peerEnded = listener.hasEnded;
  if (!socket.writableEnded) socket.write(listener.answerToHello());
  socket.end();
  await listener.ended();
  if (!socket.destroyed) socket.destroy();
  return { seen: listener.keeper.brackets, peerEnded, missing };
}

function encode(item: Exclude<Item, { kind: "end" }>): Uint8Array {
  if (item.kind === "raw") return item.bytes;
  const payload = Buffer.from(item.payload, "utf8");
  return Buffer.concat([Buffer.from(`[${payload.length}#${item.directive}]`), payload]);
}

/** Splits what the peer sends. Where raw data stands and how long it is, the transcript's same bracket says. */
class Listener {
  readonly keeper = new BracketKeeper();
  readonly #recorded: Brackets;
  #buffer = Buffer.alloc(0);
  #wake: (() => void)[] = [];
  /** ids as the peer said them: a token is echoed whole, as the recorded programs would do */
  readonly #ids = new Map<string, string>();
  /** of the conversation by which a peer introduces itself: nothing is in it */
  #hello: string | undefined;
  hasEnded = false;

  constructor(recorded: Brackets) {
    this.#recorded = recorded;
  }

  push(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#takeOne());
    this.#notify();
  }

  end(): void {
    this.hasEnded = true;
    this.#notify();
  }

  echoing(item: Exclude<Item, { kind: "end" }>): Exclude<Item, { kind: "end" }> {
    if (item.kind === "raw" || !item.directive.startsWith("co_ack")) return item;
    return { ...item, payload: this.#ids.get(item.payload) ?? item.payload };
  }

  /** An empty answer, once, as the recorded programs give to a conversation without content. */
  answerToHello(): string {
    const hello = this.#hello;
    this.#hello = undefined;
    if (hello === undefined) return "";
    return `[${hello.length}#co_ack_begin]${hello}[${hello.length}#co_ack_end]${hello}`;
  }

  #takeOne(): boolean {
    const expected = this.#recorded.get(this.keeper.key)?.[this.keeper.openLength];
    if (expected?.kind === "raw") {
      if (this.#buffer.length < expected.bytes.length) return false;
      const bytes = Uint8Array.from(this.#buffer.subarray(0, expected.bytes.length));
      this.#buffer = this.#buffer.subarray(bytes.length);
      this.keeper.add({ ...expected, bytes } satisfies RawItem);
      return true;
    }
    const close = this.#buffer.indexOf("]");
    if (close < 0) return false;
    const header = /^\[(\d+)#([a-z_]*)\]$/.exec(this.#buffer.toString("latin1", 0, close + 1));
    if (header === null) throw new Error(`not a packet: ${this.#buffer.toString("latin1", 0, 80)}`);
    const end = close + 1 + Number(header[1]);
    if (this.#buffer.length < end) return false;
    const payload = this.#buffer.toString("utf8", close + 1, end);
    this.#buffer = this.#buffer.subarray(end);
    if (payload.startsWith("100;") && (header[2] === "co_begin" || header[2] === "co_end")) {
      if (header[2] === "co_end") this.#hello = payload;
      return true;
    }
    if (header[2] === "co_begin") this.#ids.set(payload.split(";")[0] ?? "", payload);
    this.keeper.add({ kind: "packet", from: "server", directive: header[2] ?? "", payload } satisfies PacketItem);
    return true;
  }

  /** Waits until every bracket has as many items as `needed`; tells what is missing after a while. */
  async until(needed: ReadonlyMap<string, number>): Promise<string | undefined> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const lacking = [...needed].find(([key, count]) => (this.keeper.brackets.get(key)?.length ?? 0) < count);
      if (lacking === undefined) return undefined;
      const said = this.keeper.brackets.get(lacking[0])?.length ?? 0;
      if (this.hasEnded || Date.now() > deadline) return `${lacking[0]}: ${said} of ${lacking[1]} items`;
      await this.#changed(deadline - Date.now());
    }
  }

  async ended(): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (!this.hasEnded && Date.now() < deadline) await this.#changed(deadline - Date.now());
  }

  #changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms); // a deadline: what comes sooner wakes it
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export async function connected(socket: Socket): Promise<Socket> {
  if (socket.connecting) await once(socket, "connect");
  return socket;
}
