/**
 * Lane: one direction of a proxied connection: bytes in, the same bytes out, in order, as late and as slowly as its weather says.
 * Keeps little: while its own buffer is full it does not read, so the sender meets the same backpressure as on a slow network.
 */
import type { Socket } from "node:net";
import { Random } from "../system/simulation/random.ts";

/** All of it combines. */
export interface Weather {
  /** each byte arrives so much later; the rate stays what it is */
  readonly latencyMs?: number;
  /** and up to so much more, by chance; never out of order */
  readonly jitterMs?: number;
  /** passed on in pieces of 1 to so many bytes, by chance */
  readonly sliceBytes?: number;
  /** a steady rate, metered in steps of 50 ms */
  readonly bytesPerSecond?: number;
  /** kept here beside what is travelling; above it the source is not read. One chunk of the source (64 KiB) may come on top. */
  readonly bufferBytes?: number;
  /** stops when so many bytes were passed on: for so long, or for good */
  readonly stall?: { readonly atByte: number; readonly forMs?: number };
  /** the network goes when so many bytes were passed on: both directions fall silent, without FIN or reset */
  readonly goneAtByte?: number;
}

interface Chunk {
  readonly bytes: Buffer;
  /** when its first byte is due */
  readonly dueMs: number;
}

interface Watch {
  readonly mark: Buffer;
  readonly bytesBehind: number;
  /** Whether the lane is to be held here. */
  readonly onReached: () => boolean;
  /** place in the stream; unknown before the mark has come */
  at: number | undefined;
}

const STEP_MS = 50;
const BUFFER_BYTES = 1_000_000;
/** With latency and no rate, as much may be travelling: 40 MB/s at 400 ms. */
const TRAVELLING_BYTES = 16_000_000;

export class Lane {
  /** passed on */
  bytes = 0;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #weather: Weather;
  readonly #slices: Random;
  readonly #jitters: Random;
  readonly #watches = new Set<Watch>();
  /** read from the source and not passed on: the source is paused above it */
  readonly #mostQueuedBytes: number;
  #queue: Chunk[] = [];
  #received = 0;
  /** the end of what was received, in which a mark may have begun */
  #tail: Buffer = Buffer.alloc(0);
  #lastDueMs = 0;
  /** when the last byte that was received will have passed the meter */
  #meteredUntilMs = 0;
  #sliceEnd = 0;
  #isHeld = false;
  #isOver = false;
  #hasEnded = false;
  #stallTimer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  /** @param path of the lane's streams of chance */
  constructor(source: Socket, sink: Socket, weather: Weather, seed: number, ...path: readonly number[]) {
    this.#source = source;
    this.#sink = sink;
    this.#weather = weather;
    this.#slices = new Random(seed, ...path, 0);
    this.#jitters = new Random(seed, ...path, 1);
    const { bufferBytes = BUFFER_BYTES, bytesPerSecond, latencyMs = 0, stall } = weather;
    const travelling = bytesPerSecond === undefined ? TRAVELLING_BYTES : (bytesPerSecond * latencyMs) / 1_000;
    this.#mostQueuedBytes = bufferBytes + (latencyMs === 0 ? 0 : travelling);
    if (stall !== undefined) this.watchAt(stall.atByte, () => this.#stall(stall.forMs));
    source.on("data", (chunk: Buffer) => this.#take(chunk));
    source.on("end", () => this.#end());
    source.resume();
    void this.#run();
  }

  get queuedBytes(): number {
    return this.#received - this.bytes;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#wake();
  }

  /** The end of this direction here and now: FIN to whoever receives; what comes later is read and dropped. */
  cut(): void {
    this.drop();
    this.#sink.end();
  }

  /** Nothing more is passed on. */
  drop(): void {
    this.#stop();
    this.#source.resume();
  }

  /** Nothing more is passed on, nor read: the sender's data fills what room it finds, as on a network that has gone. */
  fallSilent(): void {
    this.#stop();
    this.#source.pause();
  }

  #stop(): void {
    this.#isOver = true;
    this.#queue = [];
    clearTimeout(this.#stallTimer);
    this.#wake();
  }

  /** Calls `onReached` when exactly `bytesBehind` bytes behind the first `mark` were passed on; behind what has come, if that is empty. */
  watchFor(mark: string, bytesBehind: number, onReached: () => boolean): void {
    const at = mark === "" ? this.#received + bytesBehind : undefined;
    this.#watches.add({ mark: Buffer.from(mark), bytesBehind, onReached, at });
  }

  /** Calls `onReached` when exactly so many bytes of the stream were passed on. */
  watchAt(byte: number, onReached: () => boolean): void {
    this.#watches.add({ mark: Buffer.alloc(0), bytesBehind: 0, onReached, at: Math.max(byte, this.bytes) });
  }

  /** @returns true: the lane is held */
  #stall(forMs: number | undefined): boolean {
    if (forMs !== undefined) this.#stallTimer = setTimeout(() => this.release(), forMs);
    return true;
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return;
    for (const watch of this.#watches) this.#look(watch, bytes);
    this.#received += bytes.length;
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-64);
    this.#queue.push({ bytes, dueMs: this.#dueMs(bytes.length) });
    if (this.queuedBytes > this.#mostQueuedBytes) this.#source.pause();
    this.#wake();
  }

  /** The meter comes first and the latency behind it, so that the latency does not take from the rate. */
  #dueMs(length: number): number {
    const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = this.#weather;
    const jitter = jitterMs === 0 ? 0 : this.#jitters.between(0, jitterMs);
    const now = performance.now();
    if (bytesPerSecond === undefined) {
      this.#lastDueMs = Math.max(this.#lastDueMs, now + latencyMs + jitter);
      return this.#lastDueMs;
    }
    const from = Math.max(this.#meteredUntilMs, now);
    this.#meteredUntilMs = from + (length * 1_000) / bytesPerSecond;
    this.#lastDueMs = Math.max(this.#lastDueMs, from + latencyMs + jitter);
    return this.#lastDueMs;
  }

  #look(watch: Watch, bytes: Buffer): void {
    if (watch.at !== undefined) return;
    const seen = Buffer.concat([this.#tail, bytes]);
    const found = seen.indexOf(watch.mark);
    if (found < 0) return;
    const at = this.#received - this.#tail.length + found + watch.mark.length + watch.bytesBehind;
    watch.at = Math.max(at, this.bytes);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    this.#reach(); // what is watched for may be the first byte
    while (!this.#isOver) {
      const chunk = this.#queue[0];
      if (this.#isHeld || (chunk === undefined && !this.#hasEnded)) await this.#woken();
      else if (chunk === undefined) return void this.#sink.end();
      else {
        const waitMs = this.#dueMsOf(chunk, this.#stepBytes(chunk)) - performance.now();
        if (waitMs > 1) await this.#woken(waitMs);
        else await this.#pass(chunk, this.#dueBytes(chunk));
      }
    }
  }

  /** No smaller piece is passed on: a rate in single bytes would keep the processor busy. */
  #stepBytes({ bytes }: Chunk): number {
    const { bytesPerSecond } = this.#weather;
    if (bytesPerSecond === undefined) return bytes.length;
    return Math.min(bytes.length, Math.ceil((bytesPerSecond * STEP_MS) / 1_000));
  }

  /** When so many bytes of the chunk have passed the meter and arrived. */
  #dueMsOf({ dueMs }: Chunk, length: number): number {
    const { bytesPerSecond } = this.#weather;
    return bytesPerSecond === undefined ? dueMs : dueMs + (length * 1_000) / bytesPerSecond;
  }

  /** As many of its bytes as are due, and a step at least. */
  #dueBytes(chunk: Chunk): number {
    const { bytesPerSecond } = this.#weather;
    if (bytesPerSecond === undefined) return chunk.bytes.length;
    const due = Math.floor(((performance.now() - chunk.dueMs) * bytesPerSecond) / 1_000);
    return Math.min(Math.max(due, this.#stepBytes(chunk)), chunk.bytes.length);
  }

  /** One slice of the chunk, not beyond a place that is watched for. */
  async #pass(chunk: Chunk, dueBytes: number): Promise<void> {
    const { bytes } = chunk;
    const places = [...this.#watches].flatMap(({ at }) => (at === undefined ? [] : [at]));
    const until = Math.min(this.#nextSliceEnd(this.bytes + dueBytes), ...places);
    const slice = bytes.subarray(0, until - this.bytes);
    const rest = bytes.subarray(slice.length);
    if (rest.length > 0) this.#queue[0] = { bytes: rest, dueMs: this.#dueMsOf(chunk, slice.length) };
    else this.#queue.shift();
    this.bytes = until;
    if (slice.length > 0) await new Promise<void>((taken) => this.#sink.write(slice, () => taken()));
    if (this.#weather.sliceBytes !== undefined) await new Promise(setImmediate); // else the next one joins it
    if (!this.#isOver && this.queuedBytes <= this.#mostQueuedBytes) this.#source.resume();
    this.#reach();
  }

  #reach(): void {
    for (const watch of this.#watches) {
      if (watch.at === undefined || watch.at > this.bytes) continue;
      this.#watches.delete(watch);
      if (watch.onReached()) this.hold();
    }
  }

  #nextSliceEnd(end: number): number {
    const { sliceBytes } = this.#weather;
    if (sliceBytes === undefined) return end;
    while (this.#sliceEnd <= this.bytes) this.#sliceEnd += this.#slices.between(1, sliceBytes);
    return Math.min(end, this.#sliceEnd);
  }

  #woken(withinMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs); // the delay that the lane is there for
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
