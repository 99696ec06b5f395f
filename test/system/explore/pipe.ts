/**
 * Pipe: a connection whose bytes move when the scheduler says so. Each end is a transport of the library. What is on its way, and what
 * each side has read, is visible.
 */
import type { Connection, Transport, TransportSink } from "hbi";
import { connectionOf } from "../../support/connection-of.ts";
import type { Choice } from "./choice.ts";
import { type Piece, piecesOf, textOf, wordsOf } from "./wire-text.ts";
import { otherSide, type Side, type World } from "./world.ts";

/** An observer of the bytes. */
export interface PipeWatch {
  written(end: End, pieces: readonly Piece[]): void;
  delivered(end: End, pieces: readonly Piece[]): void;
}

export class Pipe {
  readonly number: number;
  readonly client: End;
  readonly server: End;

  /** @param endOfTurn when a transport that is not slow calls `onDrain` */
  constructor(number: number, world: World, watch: PipeWatch, endOfTurn: (() => void)[]) {
    this.number = number;
    this.client = new End("client", this, world, watch, endOfTurn);
    this.server = new End("server", this, world, watch, endOfTurn);
  }

  get ends(): readonly [End, End] {
    return [this.client, this.server];
  }
}

const FIN = "fin";

export class End implements Transport {
  readonly side: Side;
  readonly pipe: Pipe;
  readonly #world: World;
  readonly #watch: PipeWatch;
  readonly #endOfTurn: (() => void)[];
  #sink: TransportSink | undefined;
  /** written, and still in the buffer of this transport */
  #unsent: Uint8Array[] = [];
  /** between `cork` and `uncork` */
  #corked: Uint8Array[] | undefined;
  /** on its way from here to the other end */
  #underWay: (Uint8Array | typeof FIN)[] = [];
  #writtenBytes = 0;
  #read = "";
  #isPaused = false;
  #hasEnded = false;
  #hasReadEnd = false;
  /** closed without FIN: the other end finds out later */
  #isGone = false;
  #mustClose: "orderly" | "lost" | undefined;
  #isClosed = false;

  constructor(side: Side, pipe: Pipe, world: World, watch: PipeWatch, endOfTurn: (() => void)[]) {
    this.#endOfTurn = endOfTurn;
    this.side = side;
    this.pipe = pipe;
    this.#world = world;
    this.#watch = watch;
  }

  // --- as the library's transport --------------------------------------------------------------------------------------

  get localAddress(): string {
    return `${this.side}${this.pipe.number}`;
  }

  get remoteAddress(): string {
    return `${otherSide(this.side)}${this.pipe.number}`;
  }

  get bufferedBytes(): number {
    return this.#unsent.reduce((sum, { length }) => sum + length, 0);
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  write(chunk: Uint8Array | string): void {
    if (this.#hasEnded || this.#mustClose !== undefined || this.#isClosed) return;
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk.slice();
    if (bytes.length === 0) return;
    if (this.#corked === undefined) this.#add(bytes);
    else this.#corked.push(bytes);
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const corked = this.#corked;
    this.#corked = undefined;
    if (corked !== undefined && corked.length > 0) this.#add(concatenated(corked));
  }

  #add(bytes: Uint8Array): void {
    this.#writtenBytes += bytes.length;
    const pieces = piecesOf(bytes);
    this.#watch.written(this, pieces);
    this.#unsent.push(...(this.#world.pieces === "packets" ? pieces.map((piece) => piece.bytes) : [bytes]));
    if (this.#world.isSlow === true) return;
    this.#take();
    this.#endOfTurn.push(() => {
      if (!this.#isClosed) this.#sink?.onDrain();
    });
  }

  #take(): void {
    if (!this.other.#isDeaf) this.#underWay.push(...this.#unsent);
    this.#unsent = [];
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  end(): void {
    if (this.#hasEnded || this.#mustClose !== undefined || this.#isClosed) return;
    this.#hasEnded = true;
    if (this.#unsent.length === 0) this.#sendEnd();
  }

  #sendEnd(): void {
    if (!this.other.#isDeaf) this.#underWay.push(FIN);
    if (this.#hasReadEnd) this.#mustClose ??= "orderly";
  }

  destroy(): void {
    if (this.#mustClose !== undefined || this.#isClosed) return;
    this.#mustClose = "orderly";
    this.#isGone = true;
    this.#stopReading();
  }

  #stopReading(): void {
    this.#unsent = [];
    this.other.#underWay = [];
  }

  // --- for the scheduler -----------------------------------------------------------------------------------------------

  get other(): End {
    return this.side === "client" ? this.pipe.server : this.pipe.client;
  }

  get connection(): Connection | undefined {
    return connectionOf(this.#sink);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether it reads nothing more. */
  get #isDeaf(): boolean {
    return this.#isClosed || this.#isGone;
  }

  /** All that it has read, with a mark for FIN and one for the close. */
  get read(): string {
    return `${this.#read}${this.#hasReadEnd ? "|" : ""}${this.#isClosed ? "." : ""}`;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  choices(): Choice[] {
    const sink = this.#sink;
    if (this.#isClosed || sink === undefined) return [];
    const choices: Choice[] = [];
    const add = (label: string, run: () => void) => void choices.push({ label, sides: [this.side], run });
    const name = this.#name;
    if (this.#mustClose !== undefined) {
      add(`${this.side}: closed${name}`, () => this.#close(sink));
      return choices;
    }
    if (!this.#isPaused) this.#addReading(sink, add);
    if (this.#unsent.length > 0) add(`${this.side}: what was written is taken${name}`, () => this.#taken(sink));
    if (this.other.#isGone) add(`${this.side}: finds the connection lost${name}`, () => this.lose());
    return choices;
  }

  #addReading(sink: TransportSink, add: (label: string, run: () => void) => void): void {
    const items = this.other.#underWay;
    const arrow = `${this.other.side} -> ${this.side}${this.#name}`;
    const [next] = items;
    if (next === FIN) add(`${arrow}: end`, () => this.#readEnd(sink));
    else if (next !== undefined) add(`${arrow}: ${wordsOf(next)}`, () => this.#readNext(sink, 1));
    const count = items.at(-1) === FIN ? items.length - 1 : items.length;
    if (this.#world.pieces !== "joined" || count < 2) return;
    const words = items.slice(0, count).map((item) => wordsOf(item as Uint8Array)); // FIN can only be the last
    add(`${arrow}, joined: ${words.join(", ")}`, () => this.#readNext(sink, count));
  }

  /** Delivers that many writes in one chunk. */
  #readNext(sink: TransportSink, count: number): void {
    const chunks = this.other.#underWay.splice(0, count) as Uint8Array[]; // FIN is not among them
    const bytes = chunks.length === 1 ? (chunks[0] as Uint8Array) : concatenated(chunks);
    this.#read += textOf(bytes);
    sink.onData(bytes);
    this.#watch.delivered(this, piecesOf(bytes)); // after `onData`, which handles the parts of a chunk in their order
  }

  get #name(): string {
    return this.pipe.number === 1 ? "" : ` (connection ${this.pipe.number})`;
  }

  #readEnd(sink: TransportSink): void {
    this.other.#underWay.shift();
    this.#hasReadEnd = true;
    sink.onEnd();
    if (this.#hasEnded && this.#unsent.length === 0) this.#mustClose ??= "orderly";
  }

  #taken(sink: TransportSink): void {
    this.#take();
    if (this.#hasEnded) this.#sendEnd();
    sink.onDrain();
  }

  #close(sink: TransportSink): void {
    const isLost = this.#mustClose === "lost";
    this.#isClosed = true;
    this.#stopReading();
    sink.onClose(isLost ? new Error("connection reset") : undefined);
  }

  /** The connection is lost at this end. */
  lose(): void {
    if (this.#isClosed || this.#sink === undefined) return;
    this.#isGone = true;
    this.#mustClose = "lost";
    this.#close(this.#sink);
  }

  get fingerprint(): string {
    const { connection } = this;
    const underWay = this.#underWay.map((item) => (item === FIN ? FIN : textOf(item)));
    const flags = [this.#isPaused, this.#hasEnded, this.#isGone, this.#isClosed].map(Number).join("");
    const counts =
      connection === undefined
        ? ""
        : [
            connection.isOpen,
            connection.posting.liveCount,
            connection.posting.knowsExtension,
            connection.hosting.liveCount,
          ];
    return [this.read, this.#writtenBytes, this.bufferedBytes, underWay, flags, this.#mustClose, counts].join("\t");
  }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
