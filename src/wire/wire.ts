/**
 * Wire: the sending side of a connection. It collects what is written within one turn of the event loop, passes a
 * bounded amount to the platform at a time, and measures progress by what the platform takes, so that a slow but steady
 * reader is never considered stalled.
 */
import { type Clock, heldUpMs, type Timer } from "../clock.ts";
import { failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { Scratch } from "./scratch.ts";
import { Transit } from "./transit.ts";
import type { Transport } from "./transport.ts";
import type { TurnWriter } from "./turn-writer.ts";

/** The most bytes that the platform holds at a time. Kept small, because what the platform holds cannot be
 *  withdrawn. */
const WINDOW_BYTES = 256 * 1024;
/** Written at once; text is split into pieces of this many characters. */
const PIECE_BYTES = 64 * 1024;
/** The high-water mark while all connections together hold too much, and the remaining part of the window at which it
 *  is refilled. */
const TIGHT_BYTES = 64 * 1024;
/** Raw data up to this size is copied into the collected data, so that its caller can reuse the buffer at once. */
const SMALL_BYTES = 16 * 1024;
/** The overhead of a queued piece. */
const PIECE_COST_BYTES = 64;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: HbiError) => void;
  readonly isDone: () => boolean;
}

/** Raw data in the queue. */
interface Raw {
  readonly bytes: Uint8Array;
  /** the length of its content; a buffer that collects small pieces has room for more */
  length: number;
  /** its caller may change it after it was handed over, so the platform gets a copy */
  readonly isBorrowed: boolean;
}

/** The owner of a wire. */
export interface WireHost {
  /** The peer does not read. */
  wireStuck(error: HbiError): void;
  /** The amount that waits for the peer has changed. */
  wireMoved(): void;
  /** All connections together hold so much that this one should not add to it. */
  readonly isTight: boolean;
}

/** A transport, or a lane of one. */
interface WireTransport extends Transport {
  /** How much raw data may be written now; the rest waits here, where it need not be copied. */
  readonly roomBytes?: number;
  /** There is more raw data: `writeInTurn` is called when there is room. */
  askForTurn?(writer: TurnWriter): void;
  /** The scratch is given back when the platform has taken what was written from it, if that is soon. */
  giveBackLater?(scratch: Scratch): void;
}

export class Wire implements TurnWriter {
  readonly #transport: WireTransport;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #host: WireHost;
  /** what waits to be handed over; text behind it is in `#text` */
  #queue: (string | Raw)[] | undefined;
  #text = "";
  /** the size of both, including the overhead of pieces */
  #queuedBytes = 0;
  /** the part in buffers of callers, who wait to reuse them */
  #borrowedBytes = 0;
  #writtenBytes = 0;
  #handedBytes = 0;
  #isScheduled = false;
  #isEnded = false;
  /** whether nobody waits for it any more */
  #isClosed = false;
  #isEndHandedOver = false;
  #waiters: Waiter[] | undefined;
  readonly #transit = new Transit();
  #stallTimer: Timer | undefined;
  /** at the last progress: the bytes that the platform had taken in total, if it counts them; the time; the time
   *  allowed until the next progress; the total time for which the event loop had been blocked */
  #takenBytes: number | undefined;
  #progressMs = 0;
  #patienceMs = 0;
  #heldUpMs = 0;

  constructor(transport: WireTransport, limits: Limits, clock: Clock, host: WireHost) {
    this.#transport = transport;
    this.#limits = limits;
    this.#clock = clock;
    this.#host = host;
    if (transport.lowWaterBytes !== undefined) {
      // Senders may wait for any of these.
      transport.lowWaterBytes = Math.min(TIGHT_BYTES, limits.sendHighWaterBytes, limits.maxSendBufferBytes / 2);
    }
  }

  /** Bytes written and not taken by the platform, except those in buffers of callers. */
  get bufferedBytes(): number {
    return this.#queuedBytes - this.#borrowedBytes + this.#transport.bufferedBytes;
  }

  /** All bytes ever written here, text by its characters: the position after the last write. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** How much of it was passed to the transport, or will be if nothing more is written. Nothing beyond it can reach the
   *  peer. */
  get handedBytes(): number {
    return this.#isEnded && !this.#isEndHandedOver ? this.#writtenBytes : this.#handedBytes;
  }

  /** When the platform last took something, as far as is known. */
  get progressMs(): number {
    this.#lookForProgress(false);
    return this.#progressMs;
  }

  /** How long what the platform has taken may need to reach a slow but steady reader. */
  get transitMs(): number {
    return this.#transit.ms(this.#clock.now());
  }

  /** Nothing new may be sent until the peer has read. */
  get isCongested(): boolean {
    return this.bufferedBytes * 2 > this.#limits.maxSendBufferBytes;
  }

  get isAboveHighWater(): boolean {
    const bytes = this.bufferedBytes;
    return bytes > this.#limits.sendHighWaterBytes || (bytes > TIGHT_BYTES && this.#host.isTight);
  }

  /** Appends text. */
  text(text: string): void {
    if (this.#isEnded) return;
    this.#text += text;
    this.#writtenBytes += text.length;
    this.#queuedBytes += text.length; // a lower bound; exact for ASCII
    this.#appended();
  }

  /** Appends raw data. The caller may change the buffer when the promise has resolved, or at once if there is none. */
  bytes(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isEnded) return this.#wait(() => false);
    if (chunk.length === 0) return this.whenWritable(); // its owner may have detached it
    if (chunk.length <= SMALL_BYTES) {
      this.#collect(chunk);
      this.#appended();
      return this.whenWritable();
    }
    this.#borrowedBytes += chunk.length;
    this.#push({ bytes: chunk, length: chunk.length, isBorrowed: true });
    const end = this.#writtenBytes;
    this.flush();
    if (this.#handedBytes >= end) return this.whenWritable();
    return this.#wait(() => this.#handedBytes >= end && !this.isAboveHighWater);
  }

  /** Appends raw data that will not change. */
  own(chunk: Uint8Array): void {
    if (this.#isEnded) return;
    this.#push({ bytes: chunk, length: chunk.length, isBorrowed: false });
    this.#appended();
  }

  /** Resolves when the peer has kept up; undefined if it already has. @throws HbiError unavailable if the wire ends
   *  first */
  whenWritable(): Promise<void> | undefined {
    if (!this.isAboveHighWater) return undefined;
    return this.#wait(() => !this.isAboveHighWater);
  }

  /** Resolves when the transport has what was written so far; undefined if it already has. @throws HbiError unavailable
   *  if the wire ends first */
  whenHandedOver(): Promise<void> | undefined {
    this.flush();
    const end = this.#writtenBytes;
    return this.#handedBytes >= end ? undefined : this.#wait(() => this.#handedBytes >= end);
  }

  #wait(isDone: () => boolean): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#isClosed) reject(failure("disconnected"));
      else {
        this.#waiters ??= [];
        this.#waiters.push({ resolve, reject, isDone });
      }
    });
    promise.catch(() => undefined); // an ignored rejection must not end the process
    return promise;
  }

  /** Passes as much to the platform as it may hold. */
  flush(): void {
    this.#handOver();
    this.#host.wireMoved();
    this.#watchStall();
  }

  /** The platform has taken some of it. */
  onDrain(): void {
    if (this.#queuedBytes > 0 && !this.#isScheduled) this.#handOver();
    this.#lookForProgress(true);
    if (!this.#isWaiting) {
      this.#stallTimer?.cancel();
      this.#stallTimer = undefined;
    } else this.#watchStall();
    this.#host.wireMoved();
    const waiters = this.#waiters;
    if (waiters === undefined) return;
    this.#waiters = undefined;
    for (const waiter of waiters) {
      if (waiter.isDone()) waiter.resolve();
      else {
        this.#waiters ??= [];
        this.#waiters.push(waiter);
      }
    }
  }

  /** Sends what is queued, then FIN. */
  end(): void {
    if (this.#isClosed) return;
    this.finish();
    this.#isClosed = true;
    this.keepBorrowed(); // still sent, but callers may now change their buffers
    this.#rejectAll();
  }

  /** Nothing more is written: FIN follows what is queued. Whoever waits until that was sent goes on waiting. */
  finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.flush();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#isClosed = true;
    this.#isEndHandedOver = true;
    this.#stallTimer?.cancel();
    this.#forgetQueue();
    this.#rejectAll();
    this.#transport.destroy();
  }

  // --- the queue -----------------------------------------------------------------------------------------------------

  #push(raw: Raw): void {
    this.#queue ??= [];
    if (this.#text !== "") {
      this.#queue.push(this.#text);
      this.#text = "";
      this.#queuedBytes += PIECE_COST_BYTES;
    }
    this.#queue.push(raw);
    this.#writtenBytes += raw.length;
    this.#queuedBytes += raw.length + PIECE_COST_BYTES;
  }

  /** Small pieces of raw data share a buffer, so that a body in tiny chunks does not cost an object per chunk. */
  #collect(chunk: Uint8Array): void {
    const last = this.#text === "" ? this.#queue?.at(-1) : undefined;
    if (last === undefined || typeof last === "string" || last.isBorrowed) {
      this.#push({ bytes: chunk.slice(), length: chunk.length, isBorrowed: false });
      return;
    }
    const length = last.length + chunk.length;
    if (length > last.bytes.length) {
      const bytes = new Uint8Array(Math.min(Math.max(last.bytes.length * 2, length), PIECE_BYTES));
      if (length > bytes.length) {
        this.#push({ bytes: chunk.slice(), length: chunk.length, isBorrowed: false });
        return;
      }
      bytes.set(last.bytes.subarray(0, last.length));
      this.#queue?.splice(-1, 1, { bytes, length: last.length, isBorrowed: false });
    }
    const collecting = this.#queue?.at(-1) as Raw; // the last one, or its successor
    collecting.bytes.set(chunk, last.length);
    collecting.length = length;
    this.#writtenBytes += chunk.length;
    this.#queuedBytes += chunk.length;
  }

  #appended(): void {
    if (this.bufferedBytes > this.#limits.maxSendBufferBytes) {
      this.#host.wireStuck(failure("slow_reader"));
      return;
    }
    if (this.#queuedBytes >= PIECE_BYTES) this.flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#clock.endOfTurn(() => {
        this.#isScheduled = false;
        if (!this.#isEndHandedOver) this.flush();
      });
    }
  }

  // --- handing over --------------------------------------------------------------------------------------------------

  #handOver(): void {
    const transport = this.#transport;
    if (this.#queuedBytes > 0) {
      const before = this.#handedBytes;
      if (this.#queue === undefined && this.#text.length <= PIECE_BYTES) {
        if (transport.bufferedBytes < WINDOW_BYTES) this.#writeText();
      } else this.#writePieces();
      if (this.#handedBytes > before) this.#transit.add(this.#handedBytes - before, this.#clock.now());
    }
    if (this.#isEnded && !this.#isEndHandedOver && this.#queuedBytes === 0) {
      this.#isEndHandedOver = true;
      transport.end();
    } else if (this.#queuedBytes > 0 && transport.roomBytes === 0) transport.askForTurn?.(this);
  }

  writeInTurn(): void {
    if (this.#queuedBytes > 0) this.#handOver();
  }

  #hasRoom(piece: string | Raw | undefined): boolean {
    const transport = this.#transport;
    return transport.bufferedBytes < WINDOW_BYTES && (typeof piece === "string" || transport.roomBytes !== 0);
  }

  /** The usual case: one text, one write. */
  #writeText(): void {
    const text = this.#text;
    this.#text = "";
    this.#queuedBytes = 0;
    this.#handedBytes += text.length;
    this.#transport.write(text);
  }

  #writePieces(): void {
    const transport = this.#transport;
    const queue = this.#queue ?? [];
    if (this.#text !== "") {
      queue.push(this.#text);
      this.#text = "";
      this.#queuedBytes += PIECE_COST_BYTES;
    }
    let head = 0;
    let isTakenAway = false;
    while (head < queue.length && this.#hasRoom(queue[head]) && !isTakenAway) {
      const scratch = new Scratch(PIECE_BYTES);
      transport.cork?.();
      while (head < queue.length && this.#hasRoom(queue[head]) && !scratch.isFull) {
        const piece = queue[head] as string | Raw; // head is below the length
        isTakenAway = isTaken(piece);
        if (isTakenAway) break;
        const rest = this.#writePiece(piece, scratch);
        if (rest === undefined) {
          head += 1;
          this.#queuedBytes -= PIECE_COST_BYTES;
        } else queue[head] = rest;
      }
      transport.uncork?.();
      if (transport.bufferedBytes === 0) scratch.giveBack();
      else transport.giveBackLater?.(scratch);
    }
    queue.splice(0, head);
    this.#queue = queue.length === 0 ? undefined : queue;
    if (isTakenAway) this.#giveUp();
  }

  /** The peer waits for raw data that no longer exists; it would misread anything else. */
  #giveUp(): void {
    this.#forgetQueue();
    this.#host.wireStuck(failure("body_failed", "a buffer was detached or shrunk while it was being sent"));
  }

  #forgetQueue(): void {
    this.#queue = undefined;
    this.#text = "";
    this.#queuedBytes = 0;
    this.#borrowedBytes = 0;
  }

  /** Writes as much of a piece as goes out at once, and returns the rest. */
  #writePiece(piece: string | Raw, scratch: Scratch): string | Raw | undefined {
    if (typeof piece === "string") {
      const end = endOfPiece(piece);
      this.#handed(end);
      this.#transport.write(end === piece.length ? piece : piece.slice(0, end));
      return end === piece.length ? undefined : piece.slice(end);
    }
    const { bytes, length, isBorrowed } = piece;
    const { roomBytes = PIECE_BYTES } = this.#transport;
    const view = bytes.subarray(0, Math.min(length, roomBytes, isBorrowed ? scratch.room : PIECE_BYTES));
    if (isBorrowed) this.#borrowedBytes -= view.length;
    this.#handed(view.length);
    this.#transport.write(isBorrowed ? scratch.copyOf(view) : view);
    if (view.length === length) return undefined;
    return { bytes: bytes.subarray(view.length), length: length - view.length, isBorrowed };
  }

  #handed(bytes: number): void {
    this.#handedBytes += bytes;
    this.#queuedBytes -= bytes;
  }

  /** The number of bytes that were written and are not passed to the transport. */
  get queuedBytes(): number {
    return this.#writtenBytes - this.#handedBytes;
  }

  /** Drops what is not passed to the transport. The peer would misread anything that is written behind it. */
  dropQueue(error: HbiError): void {
    this.#forgetQueue();
    this.#writtenBytes = this.#handedBytes;
    this.#host.wireMoved();
    for (const waiter of this.#waiters?.splice(0) ?? []) waiter.reject(error);
  }

  /** Copies queued data in buffers of callers, so that they may change them now. */
  keepBorrowed(): void {
    this.#queue = this.#queue?.map((piece) =>
      typeof piece === "string" || !piece.isBorrowed || isTaken(piece)
        ? piece
        : { bytes: piece.bytes.slice(0, piece.length), length: piece.length, isBorrowed: false },
    );
    this.#borrowedBytes = 0;
  }

  #rejectAll(): void {
    const error = failure("disconnected");
    for (const waiter of this.#waiters?.splice(0) ?? []) waiter.reject(error);
  }

  // --- progress ------------------------------------------------------------------------------------------------------

  /** Whether bytes wait for the platform, or for room at the peer. */
  get #isWaiting(): boolean {
    return this.#transport.bufferedBytes > 0 || (this.#queuedBytes > 0 && this.#transport.roomBytes === 0);
  }

  /** If bytes wait without progress for long enough, the peer does not read. */
  #watchStall(): void {
    if (this.#stallTimer !== undefined || !this.#isWaiting) return;
    this.#noteProgress(this.#transport.takenBytes);
    this.#stallAfter(this.#patienceMs);
  }

  /** A transport may report nothing while much is left. Only a count that grows is progress.
   *  @param isTold for transports that do not count taken bytes */
  #lookForProgress(isTold: boolean): void {
    const takenBytes = this.#transport.takenBytes;
    if (takenBytes === undefined ? isTold : takenBytes > (this.#takenBytes ?? -1)) this.#noteProgress(takenBytes);
  }

  /** A platform that holds much data takes more only after a third of it has gone. */
  #noteProgress(takenBytes: number | undefined): void {
    this.#takenBytes = takenBytes;
    this.#progressMs = this.#clock.now();
    this.#patienceMs = this.#limits.sendStallTimeoutMs + Math.floor(this.transitMs / 3);
    this.#heldUpMs = heldUpMs(this.#clock);
  }

  #stallAfter(ms: number): void {
    this.#stallTimer = this.#clock.after(ms, () => {
      this.#stallTimer = undefined;
      if (!this.#isWaiting) return;
      this.#lookForProgress(false);
      const heldUp = heldUpMs(this.#clock) - this.#heldUpMs; // time in which this side could not look is not the peer's fault
      const leftMs = this.#progressMs + this.#patienceMs + heldUp - this.#clock.now();
      if (leftMs > 0) this.#stallAfter(leftMs);
      else this.#host.wireStuck(failure("slow_reader"));
    });
  }
}

/** Whether its owner has detached or shrunk a buffer that it had lent. */
function isTaken(piece: string | Raw): boolean {
  return typeof piece !== "string" && piece.bytes.length < piece.length;
}

/** Where to split a text: not inside a surrogate pair. */
function endOfPiece(text: string): number {
  if (text.length <= PIECE_BYTES) return text.length;
  const isHigh = (text.charCodeAt(PIECE_BYTES - 1) & 0xfc00) === 0xd800;
  return isHigh ? PIECE_BYTES - 1 : PIECE_BYTES;
}
