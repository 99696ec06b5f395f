/**
 * Lane: one direction of a proxied connection: bytes in, the same bytes out, in order, when the weather and whoever holds it let
 * them. Keeps what was read until it is passed on, and reads no more while that is much.
 */
import type { Socket } from "node:net";
import { Random } from "../simulation/random.ts";

export interface Weather {
  /** each chunk comes so much later */
  readonly latencyMs?: number;
  /** and up to so much more, by chance; never out of order */
  readonly jitterMs?: number;
  /** passed on in pieces of 1 to so many bytes, by chance */
  readonly sliceBytes?: number;
  readonly bytesPerSecond?: number;
}

interface Chunk {
  readonly bytes: Buffer;
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

const MUCH_BYTES = 1_000_000;

export class Lane {
  /** passed on */
  bytes = 0;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #weather: Weather;
  readonly #slices: Random;
  readonly #jitters: Random;
  readonly #watches = new Set<Watch>();
  #queue: Chunk[] = [];
  #received = 0;
  /** the end of what was received, in which a mark may have begun */
  #tail: Buffer = Buffer.alloc(0);
  #lastDueMs = 0;
  #freeAtMs = 0;
  #sliceEnd = 0;
  #isHeld = false;
  #isOver = false;
  #hasEnded = false;
  #wake: () => void = () => undefined;

  /** @param path of the lane's streams of chance */
  constructor(source: Socket, sink: Socket, weather: Weather, seed: number, ...path: readonly number[]) {
    this.#source = source;
    this.#sink = sink;
    this.#weather = weather;
    this.#slices = new Random(seed, ...path, 0);
    this.#jitters = new Random(seed, ...path, 1);
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
    this.#isOver = true;
    this.#queue = [];
    this.#source.resume();
    this.#wake();
  }

  /** Calls `onReached` when exactly `bytesBehind` bytes behind the first `mark` were passed on; behind what has come, if that is empty. */
  watchFor(mark: string, bytesBehind: number, onReached: () => boolean): void {
    const at = mark === "" ? this.#received + bytesBehind : undefined;
    this.#watches.add({ mark: Buffer.from(mark), bytesBehind, onReached, at });
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return;
    for (const watch of this.#watches) this.#look(watch, bytes);
    this.#received += bytes.length;
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-64);
    const { latencyMs = 0, jitterMs = 0 } = this.#weather;
    const jitter = jitterMs === 0 ? 0 : this.#jitters.between(0, jitterMs);
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + latencyMs + jitter);
    this.#queue.push({ bytes, dueMs: this.#lastDueMs });
    if (this.queuedBytes > MUCH_BYTES) this.#source.pause();
    this.#wake();
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
    while (!this.#isOver) {
      const chunk = this.#queue[0];
      const now = performance.now();
      if (this.#isHeld || (chunk === undefined && !this.#hasEnded)) await this.#woken();
      else if (Math.max(chunk?.dueMs ?? 0, this.#freeAtMs) > now + 1) {
        await this.#woken(Math.max(chunk?.dueMs ?? 0, this.#freeAtMs) - now);
      } else if (chunk === undefined) return void this.#sink.end();
      else await this.#pass(chunk);
    }
  }

  /** One slice of the chunk, not beyond a place that is watched for. */
  async #pass({ bytes, dueMs }: Chunk): Promise<void> {
    const end = this.bytes + bytes.length;
    const places = [...this.#watches].flatMap(({ at }) => (at === undefined ? [] : [at]));
    const until = Math.min(end, this.#nextSliceEnd(end), ...places);
    const slice = bytes.subarray(0, until - this.bytes);
    const rest = bytes.subarray(slice.length);
    if (rest.length > 0) this.#queue[0] = { bytes: rest, dueMs };
    else this.#queue.shift();
    this.bytes = until;
    const { bytesPerSecond } = this.#weather;
    if (bytesPerSecond !== undefined) {
      this.#freeAtMs = Math.max(this.#freeAtMs, performance.now()) + (slice.length * 1_000) / bytesPerSecond;
    }
    if (slice.length > 0) await new Promise<void>((taken) => this.#sink.write(slice, () => taken()));
    if (this.#weather.sliceBytes !== undefined) await new Promise(setImmediate); // else the next one joins it
    if (this.queuedBytes <= MUCH_BYTES) this.#source.resume();
    for (const watch of this.#watches) {
      if (watch.at === undefined || watch.at > this.bytes) continue;
      this.#watches.delete(watch);
      if (watch.onReached()) this.hold();
    }
  }

  #nextSliceEnd(end: number): number {
    const { sliceBytes, bytesPerSecond } = this.#weather;
    if (bytesPerSecond !== undefined) return Math.min(end, this.bytes + Math.ceil(bytesPerSecond / 100));
    if (sliceBytes === undefined) return end;
    while (this.#sliceEnd <= this.bytes) this.#sliceEnd += this.#slices.between(1, sliceBytes);
    return this.#sliceEnd;
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
