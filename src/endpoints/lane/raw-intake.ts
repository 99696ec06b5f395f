/**
 * RawIntake: the raw data of one conversation on its way from the wire to the receiver, and the one place that knows how
 * many raw bytes come before the next packet, and whether that is certain. Where the peer has promised a number, no more than it is
 * ever taken for raw data, and all of it is; a script that asks for more makes the number uncertain. Holds views of received chunks up to a bound, copies once when a buffer is filled, and not at all when chunks are
 * handed on. docs/protocol.md, "raw data".
 */
import { failure, HbiError } from "../../errors.ts";
import { CHUNK_COST_BYTES, type PacketReader } from "../../wire/packet-reader.ts";
import type { Account } from "../guard/account.ts";
import type { Wait } from "../waits.ts";

/** A receiver that waits for raw data: for the next chunk, or, given a target, until it is full. */
interface Reading {
  readonly wait: Wait<Uint8Array>;
  readonly maxBytes: number;
  readonly target: Uint8Array | undefined;
  filled: number;
}

export const DISCARDED = "its raw data was discarded";
const SPENT = new Uint8Array(0);
/** For the many that never queue anything; nothing is ever put into it. */
const NONE: Uint8Array[] = [];

export class RawIntake {
  /** raw bytes on the wire before the next packet */
  #pending = 0;
  /** how many of the next ones are thrown away */
  #skip = 0;
  /** bytes of the present body that are not read, queued or on the wire */
  #unread = 0;
  /** of the promise, what bodies have been made of so far, or was thrown away */
  #announced = 0;
  #promised: number | undefined;
  /** whether all that was said of the number agrees */
  #isCertain = true;
  #queue: Uint8Array[] = NONE;
  /** index of the first chunk not yet read: shifting would make a dripped body quadratic */
  #head = 0;
  #discards = 0;
  /** as entered in the account */
  #heldBytes = 0;
  #reading: Reading | undefined;
  readonly #maxQueuedBytes: number;
  readonly #account: Account;

  constructor(maxQueuedBytes: number, account: Account) {
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#account = account;
  }

  /** The next `bytes` of the wire are raw data, and no more is in this conversation; undefined: no promise was made. The first promise
   *  holds. A receiver that waits for what does not come fails. */
  promise(bytes: number | undefined): void {
    if (bytes === undefined || this.#promised !== undefined) return;
    if (this.#announced > 0) this.fail(new HbiError("out_of_range", `the peer sends ${bytes} raw bytes`));
    this.#announced = 0;
    this.#unread = 0;
    this.#promised = bytes;
    this.#pending = bytes;
  }

  /** A script says that so many more bytes are raw data. Beyond the promise one of the two is wrong, and what is read as a packet might be
   *  data of somebody else's making.
   *  @throws HbiError body_mismatch */
  expect(bytes: number): void {
    const left = this.unannouncedBytes;
    if (left === undefined || bytes <= left) return;
    this.#isCertain = false;
    throw failure("body_mismatch");
  }

  /** Raw bytes of which only the handler knows were asked for in vain: it may go on as if they were not there. */
  doubt(): void {
    if (this.#promised === undefined) this.#isCertain = false;
  }

  /** What is to be skipped when a script fails behind which `planned` bytes would have come; undefined: it is not known. */
  restAfter(planned: number | undefined): number | undefined {
    return this.#isCertain ? (this.unannouncedBytes ?? planned) : undefined;
  }

  /** Whatever is read as a packet passes here first. @throws HbiError position_lost when it may be raw data */
  check(): void {
    if (this.#pending > 0 || !this.#isCertain) throw failure("position_lost");
  }

  /** Of the promise, what no body has been made of; undefined without a promise. */
  get unannouncedBytes(): number | undefined {
    return this.#promised === undefined ? undefined : this.#promised - this.#announced;
  }

  /** Bytes of the present body that are not read. */
  get unreadBytes(): number {
    return this.#unread;
  }

  /** Bytes on the wire that come before the next packet. */
  get pendingBytes(): number {
    return this.#pending;
  }

  /** How many of them are thrown away. */
  get skippedBytes(): number {
    return this.#skip;
  }

  get wantsBytes(): boolean {
    if (this.#skip > 0) return true;
    return this.#pending > 0 && (this.#reading !== undefined || this.#hasRoom);
  }

  get #hasRoom(): boolean {
    return this.#heldBytes < this.#maxQueuedBytes;
  }

  /** The next `bytes` that are not spoken for are raw data of this conversation.
   *  @throws HbiError body_mismatch when the promise was another */
  announce(bytes: number): void {
    this.expect(bytes);
    if (this.#promised === undefined) this.#pending += bytes;
    this.#announced += bytes;
    this.#unread += bytes;
  }

  /** How often raw data was thrown away: a receiver that was reading it stops. */
  get discards(): number {
    return this.#discards;
  }

  /** Throws away what is unread of the present body, and `more` bytes behind it: of a promise what is left of it. */
  discard(more = 0): void {
    this.#discards += 1;
    if (this.#reading !== undefined) this.fail(failure("wrong_stage", DISCARDED));
    const behind = this.unannouncedBytes === undefined ? more : Math.min(more, this.unannouncedBytes);
    if (this.#promised === undefined) this.#pending += behind;
    this.#announced += behind;
    let left = this.#unread + behind;
    this.#unread = 0;
    while (left > 0) {
      const chunk = this.#shift(left);
      if (chunk === undefined) break;
      left -= chunk.length;
    }
    this.#skip += left;
  }

  /** No script makes a body of what is left of the promise: it is thrown away. */
  settle(): void {
    const left = this.unannouncedBytes ?? 0;
    if (left > 0) this.discard(left);
  }

  /** Moves what the reader has to the receiver that waits, or to the queue; false when it has nothing. */
  take(reader: PacketReader): boolean {
    if (this.#skip > 0) return this.#takeSkipped(reader);
    const reading = this.#reading;
    if (reading?.target !== undefined) return this.#fill(reading, reading.target, reader);
    const chunk = reader.raw(reading === undefined ? this.#pending : Math.min(this.#pending, reading.maxBytes));
    if (chunk === undefined) return false;
    this.#pending -= chunk.length;
    if (reading !== undefined) {
      this.#reading = undefined;
      this.#unread -= chunk.length;
      reading.wait.settle(compact(chunk));
    } else this.#push(compact(chunk));
    return true;
  }

  #fill(reading: Reading, target: Uint8Array, reader: PacketReader): boolean {
    const room = Math.min(target.length - reading.filled, this.#pending);
    const taken = reader.rawInto(target.subarray(reading.filled, reading.filled + room));
    this.#pending -= taken;
    this.#unread -= taken;
    reading.filled += taken;
    if (reading.filled === target.length) {
      this.#reading = undefined;
      reading.wait.settle(target);
    }
    return taken > 0;
  }

  /** Fills `target` from what is queued; the number of bytes. */
  fillNow(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const chunk = this.nextNow(target.length - filled);
      if (chunk === undefined) break;
      target.set(chunk, filled);
      filled += chunk.length;
    }
    return filled;
  }

  /** A queued chunk of at most `maxBytes`, which must not be more than what is unread. */
  nextNow(maxBytes: number): Uint8Array | undefined {
    const chunk = this.#shift(maxBytes);
    if (chunk !== undefined) this.#unread -= chunk.length;
    return chunk;
  }

  /** The next chunk as it arrives, of at most `maxBytes`; or `target`, when the rest of it is filled. Neither must be longer than what is
   *  unread. */
  later(wait: Wait<Uint8Array>, maxBytes: number, target?: Uint8Array, filled = 0): Promise<Uint8Array> {
    this.#reading = { wait, maxBytes, target, filled };
    wait.promise.catch(() => {
      if (this.#reading?.wait === wait) this.#reading = undefined;
    });
    return wait.promise;
  }

  /** Fails the receiver that waits. */
  fail(error: HbiError): void {
    this.#reading?.wait.fail(error);
    this.#reading = undefined;
  }

  /** Nothing of it is read any more. */
  drop(): void {
    this.#queue = NONE;
    this.#head = 0;
    this.#hold(-this.#heldBytes);
  }

  // --- the queue -----------------------------------------------------------------------------------------------------

  #push(chunk: Uint8Array): void {
    if (this.#queue === NONE) this.#queue = [];
    this.#queue.push(chunk);
    this.#hold(chunk.length + CHUNK_COST_BYTES);
  }

  /** What was read is let go at once; the array itself is cut when half of it is spent. */
  #shift(maxBytes: number): Uint8Array | undefined {
    const head = this.#queue[this.#head];
    if (head === undefined) return undefined;
    if (head.length > maxBytes) {
      const chunk = head.subarray(0, maxBytes);
      this.#queue[this.#head] = head.subarray(maxBytes);
      this.#hold(-maxBytes);
      return chunk;
    }
    this.#queue[this.#head] = SPENT;
    this.#head += 1;
    this.#hold(-head.length - CHUNK_COST_BYTES);
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return head;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#account.unread += bytes;
  }

  #takeSkipped(reader: PacketReader): boolean {
    const chunk = reader.raw(this.#skip);
    if (chunk === undefined) return false;
    this.#skip -= chunk.length;
    this.#pending -= chunk.length;
    return true;
  }
}

/** A small part of a large buffer of the platform would keep all of it: it is copied. */
function compact(chunk: Uint8Array): Uint8Array {
  return chunk.length * 4 < chunk.buffer.byteLength ? chunk.slice() : chunk;
}

/** Any view as its bytes: a `Float64Array` is filled as it is. @throws HbiError invalid_argument for what is not a view */
export function asBytes(view: ArrayBufferView): Uint8Array {
  if (view instanceof Uint8Array) return view;
  if (!ArrayBuffer.isView(view)) throw failure("bad_option", "raw data goes from and into an ArrayBufferView");
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export type Buffers = ArrayBufferView | Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
