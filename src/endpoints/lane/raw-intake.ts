/**
 * RawIntake: the raw data of one conversation on its way from the wire to the receiver, and the only place that knows
 * how many raw bytes precede the next packet, and whether that is certain. If the peer has promised a number, exactly
 * that many bytes are taken as raw data; a script that requires more makes the number uncertain. If it has promised
 * `TO_THE_END`, everything up to the end of the lane is raw data, which is counted as it arrives. Views of received
 * chunks are held up to a bound. Filling a buffer copies once; passing chunks on copies nothing. docs/protocol.md, "raw
 * data".
 */

import { failure, HbiError } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import { CHUNK_COST_BYTES, type PacketReader } from "../../wire/packet-reader.ts";
import type { Account } from "../guard/account.ts";
import type { Wait } from "../waits.ts";

/** A conversation, which may get another lane before it begins. Each lane bounds what is held of its bytes. */
interface OnLane {
  readonly lane: { readonly session: { readonly limits: Limits } };
}

/** A receiver that waits for raw data: for the next chunk, or, with a target, until it is full. */
interface Reading {
  readonly wait: Wait<Uint8Array>;
  readonly maxBytes: number;
  readonly target: Uint8Array | undefined;
  filled: number;
}

export const DISCARDED = "its raw data was discarded";
/** What a receiver gets when the lane has ended. */
const NO_MORE = new Uint8Array(0);
const SPENT = new Uint8Array(0);
/** Shared by all that never queue anything; never modified. */
const NONE: Uint8Array[] = [];

export class RawIntake {
  /** raw bytes on the wire before the next packet */
  #pending = 0;
  /** the number of the next bytes to be discarded */
  #skip = 0;
  #dropped = 0;
  /** unread bytes of the current body, queued or on the wire */
  #unread = 0;
  /** the part of the promise that bodies have used so far, or that was discarded */
  #announced = 0;
  #promised: number | undefined;
  /** whether all declarations of the number agree */
  #isCertain = true;
  /** whether the lane has ended, with which the raw data ends; the bytes up to it so far, and the most there may be */
  #isAtEnd = false;
  #arrived = 0;
  most = TO_THE_END;
  #queue: Uint8Array[] = NONE;
  #queuedBytes = 0;
  /** index of the first unread chunk; shifting the array would make a body in tiny chunks quadratic */
  #head = 0;
  #discards = 0;
  /** as entered in the account */
  #heldBytes = 0;
  #reading: Reading | undefined;
  readonly #owner: OnLane;
  readonly #account: Account;

  constructor(owner: OnLane, account: Account) {
    this.#owner = owner;
    this.#account = account;
  }

  /** The next `bytes` on the wire are the only raw data of this conversation; undefined if there is no promise. Only
   *  the first promise counts. A receiver that waits for more fails. */
  promise(bytes: number | undefined): void {
    if (bytes === undefined || this.#promised !== undefined) return;
    if (this.#announced > 0) this.fail(new HbiError("out_of_range", `the peer sends ${bytes} raw bytes`));
    this.#announced = 0;
    this.#unread = 0;
    this.#promised = bytes;
    this.#pending = bytes;
  }

  /** A script declares `bytes` more raw bytes. Beyond the promise, one of the two is wrong, and what is read as a
   *  packet might be forged.
   *  @throws HbiError body_mismatch */
  expect(bytes: number): void {
    const left = this.unannouncedBytes;
    if (left === undefined || bytes <= left || bytes === TO_THE_END) return; // only the peer would know how many these are
    this.#isCertain = false;
    throw failure("body_mismatch");
  }

  /** Raw bytes that only the handler knows of were requested and did not come; the handler may continue as if there
   *  were none. */
  doubt(): void {
    if (this.#promised === undefined) this.#isCertain = false;
  }

  /** The number of bytes to skip after a failed script that `planned` bytes would have followed; undefined if
   *  unknown. */
  restAfter(planned: number | undefined): number | undefined {
    return this.#isCertain ? (this.unannouncedBytes ?? planned) : undefined;
  }

  /** Called for everything that is read as a packet. @throws HbiError position_lost if it may be raw data */
  check(): void {
    if (this.#pending > 0 || !this.#isCertain) throw failure("position_lost");
  }

  /** The part of the promise that no body has used; undefined without a promise. */
  get unannouncedBytes(): number | undefined {
    if (this.#promised !== TO_THE_END)
      return this.#promised === undefined ? undefined : this.#promised - this.#announced;
    return this.#announced === TO_THE_END ? 0 : TO_THE_END;
  }

  /** Whether everything up to the end of the lane is raw data. */
  get isOpenEnded(): boolean {
    return this.#promised === TO_THE_END;
  }

  /** Whether the lane has ended, so that nothing more arrives. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Whether more has arrived than may. */
  get isTooBig(): boolean {
    return this.#arrived > this.most;
  }

  /** The lane has ended, and with it the raw data. */
  end(): void {
    if (!this.isOpenEnded || this.#isAtEnd) return;
    this.#isAtEnd = true;
    this.#pending = 0;
    this.#skip = 0;
    if (this.#announced === TO_THE_END) this.#unread = this.#queuedBytes;
    const reading = this.#reading;
    if (reading?.target !== undefined) this.fail(tooFew(reading.target.length, reading.filled));
    else {
      this.#reading = undefined;
      reading?.wait.settle(NO_MORE);
    }
  }

  /** The number of unread bytes of the current body. */
  get unreadBytes(): number {
    return this.#unread;
  }

  /** The number of bytes on the wire before the next packet. */
  get pendingBytes(): number {
    return this.#pending;
  }

  /** The number of them that will be discarded. */
  get skippedBytes(): number {
    return this.#skip;
  }

  get wantsBytes(): boolean {
    if (this.#skip > 0) return true;
    return this.#pending > 0 && (this.#reading !== undefined || this.#hasRoom);
  }

  get #hasRoom(): boolean {
    return this.#heldBytes < this.#owner.lane.session.limits.maxBufferedBytes;
  }

  /** The next `bytes` that no body has claimed are raw data of this conversation.
   *  @throws HbiError body_mismatch if the promise differs */
  announce(bytes: number): void {
    this.expect(bytes);
    if (this.#isAtEnd) {
      this.#announced = TO_THE_END;
      this.#unread = this.#queuedBytes;
      return;
    }
    if (this.#promised === undefined) this.#pending += bytes;
    this.#announced += bytes;
    this.#unread += bytes;
  }

  /** How often raw data was discarded: a receiver that was reading it stops. */
  get discards(): number {
    return this.#discards;
  }

  /** Discards the unread part of the current body and `more` bytes behind it, within the promise. */
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
    if (!this.#isAtEnd) this.#skip += left;
  }

  /** No script uses the rest of the promise: it is discarded. */
  settle(): void {
    const left = this.unannouncedBytes ?? 0;
    if (left > 0) this.discard(left);
  }

  /** Moves available data to the waiting receiver or to the queue; false if there is none. */
  take(reader: PacketReader): boolean {
    if (this.#skip > 0) return this.#takeSkipped(reader);
    const reading = this.#reading;
    const room = Math.min(this.#pending, this.most - this.#arrived);
    if (room <= 0) return this.#exceed(reader);
    if (reading?.target !== undefined) return this.#fill(reading, reading.target, room, reader);
    const chunk = reader.raw(reading === undefined ? room : Math.min(room, reading.maxBytes));
    if (chunk === undefined) return false;
    this.#took(chunk.length);
    if (reading !== undefined) {
      this.#reading = undefined;
      this.#unread -= chunk.length;
      reading.wait.settle(compact(chunk));
    } else this.#push(compact(chunk));
    return true;
  }

  #took(bytes: number): void {
    this.#pending -= bytes;
    if (this.isOpenEnded) this.#arrived += bytes;
  }

  /** One byte more than there may be. */
  #exceed(reader: PacketReader): boolean {
    if (this.#pending === 0) return false;
    const chunk = reader.raw(1);
    this.#arrived += chunk?.length ?? 0;
    return chunk !== undefined;
  }

  #fill(reading: Reading, target: Uint8Array, most: number, reader: PacketReader): boolean {
    const room = Math.min(target.length - reading.filled, most);
    const taken = reader.rawInto(target.subarray(reading.filled, reading.filled + room));
    this.#took(taken);
    this.#unread -= taken;
    reading.filled += taken;
    if (reading.filled === target.length) {
      this.#reading = undefined;
      reading.wait.settle(target);
    }
    return taken > 0;
  }

  /** Fills `target` from the queue; returns the number of bytes. */
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

  /** A queued chunk of at most `maxBytes`, which must not exceed the unread bytes. */
  nextNow(maxBytes: number): Uint8Array | undefined {
    const chunk = this.#shift(maxBytes);
    if (chunk !== undefined) this.#unread -= chunk.length;
    return chunk;
  }

  /** The next chunk on arrival, of at most `maxBytes`; or `target`, when the rest of it is filled. Neither may exceed
   *  the unread bytes. */
  later(wait: Wait<Uint8Array>, maxBytes: number, target?: Uint8Array, filled = 0): Promise<Uint8Array> {
    this.#reading = { wait, maxBytes, target, filled };
    wait.promise.catch(() => {
      if (this.#reading?.wait === wait) this.#reading = undefined;
    });
    return wait.promise;
  }

  /** Fails the waiting receiver. */
  fail(error: HbiError): void {
    this.#reading?.wait.fail(error);
    this.#reading = undefined;
  }

  /** Drops everything; nothing more is read. */
  drop(): void {
    this.#queue = NONE;
    this.#queuedBytes = 0;
    this.#head = 0;
    this.#hold(-this.#heldBytes);
  }

  // --- the queue -----------------------------------------------------------------------------------------------------

  #push(chunk: Uint8Array): void {
    if (this.#queue === NONE) this.#queue = [];
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.#hold(chunk.length + CHUNK_COST_BYTES);
  }

  /** A consumed chunk is released at once; the array is trimmed when half of it is consumed. */
  #shift(maxBytes: number): Uint8Array | undefined {
    const head = this.#queue[this.#head];
    if (head === undefined) return undefined;
    if (head.length > maxBytes) {
      const chunk = head.subarray(0, maxBytes);
      this.#queue[this.#head] = head.subarray(maxBytes);
      this.#queuedBytes -= maxBytes;
      this.#hold(-maxBytes);
      return chunk;
    }
    this.#queue[this.#head] = SPENT;
    this.#queuedBytes -= head.length;
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

  /** The number of bytes that arrived to be discarded. */
  get droppedBytes(): number {
    return this.#dropped;
  }

  #takeSkipped(reader: PacketReader): boolean {
    const chunk = reader.raw(this.#skip);
    if (chunk === undefined) return false;
    this.#dropped += chunk.length;
    this.#skip -= chunk.length;
    this.#took(chunk.length);
    return true;
  }
}

/** More was requested than there is. */
export function tooFew(requested: number, left: number): HbiError {
  return new HbiError("out_of_range", `${requested} raw bytes requested, ${left} are left`);
}

/** A small view would retain a large buffer of the platform, so it is copied. */
function compact(chunk: Uint8Array): Uint8Array {
  return chunk.length * 4 < chunk.buffer.byteLength ? chunk.slice() : chunk;
}
