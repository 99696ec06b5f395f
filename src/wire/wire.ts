/**
 * Wire: the send side of a connection. Coalesces what is written within one turn of the event loop, and says honestly when
 * the peer does not keep up.
 */
import type { Clock, Timer } from "../clock.ts";
import { failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Transport } from "./transport.ts";

const FLUSH_BYTES = 64 * 1024;
/** The high-water mark while too much waits on all connections together. */
const TIGHT_BYTES = 64 * 1024;
/** Up to here raw data is copied into the pending output, so that the caller has its buffer back at once. */
const COPY_BYTES = 16 * 1024;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: HbiError) => void;
  readonly isBelow: () => boolean;
}

/** Whose wire it is. */
export interface WireHost {
  /** The peer does not read. */
  wireStuck(error: HbiError): void;
  /** More or less of what was written may wait for the peer now. */
  wireMoved(): void;
  /** Together with others so much waits that this one should not add to it. */
  readonly isTight: boolean;
}

export class Wire {
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #host: WireHost;
  /** raw data, and what goes before it; text behind it is in `#text` */
  #pending: (string | Uint8Array)[] | undefined;
  #text = "";
  #pendingBytes = 0;
  #writtenBytes = 0;
  #isScheduled = false;
  #isEnded = false;
  #waiters: Waiter[] | undefined;
  #stallTimer: Timer | undefined;
  #stallMark = 0;

  constructor(transport: Transport, limits: Limits, clock: Clock, host: WireHost) {
    this.#transport = transport;
    this.#limits = limits;
    this.#clock = clock;
    this.#host = host;
  }

  get bufferedBytes(): number {
    return this.#pendingBytes + this.#transport.bufferedBytes;
  }

  /** All that was ever handed to the transport; text by its characters. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Nobody begins to write any more until the peer has read. */
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
    this.#pendingBytes += text.length; // at least; exact for ASCII
    this.#appended();
  }

  /** Appends raw data. The caller may change the buffer when the promise resolved, or at once when there is none. */
  bytes(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isEnded) return this.#wait(() => false);
    if (chunk.length <= COPY_BYTES) {
      this.own(chunk.slice());
      return this.whenWritable();
    }
    this.#push(chunk);
    this.flush();
    return this.#whenTaken();
  }

  /** Appends raw data that nobody changes any more. */
  own(chunk: Uint8Array): void {
    if (this.#isEnded) return;
    this.#push(chunk);
    this.#appended();
  }

  /** Resolves when the peer has kept up: undefined when it has. @throws HbiError unavailable when the wire ends first */
  whenWritable(): Promise<void> | undefined {
    if (!this.isAboveHighWater) return undefined;
    return this.#wait(() => !this.isAboveHighWater);
  }

  /** Until the transport has nothing left of what was written up to now. */
  #whenTaken(): Promise<void> | undefined {
    if (this.bufferedBytes === 0) return undefined;
    return this.#wait(() => this.bufferedBytes === 0);
  }

  #wait(isBelow: () => boolean): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#isEnded) reject(failure("disconnected"));
      else {
        this.#waiters ??= [];
        this.#waiters.push({ resolve, reject, isBelow });
      }
    });
    promise.catch(() => undefined); // who sends without looking back must not end the process
    return promise;
  }

  flush(): void {
    const pieces = this.#pending;
    const text = this.#text;
    this.#pending = undefined;
    this.#text = "";
    this.#writtenBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
    if (pieces === undefined) {
      if (text !== "") this.#transport.write(text);
    } else {
      if (text !== "") pieces.push(text);
      this.#transport.cork?.();
      for (const piece of pieces) this.#transport.write(piece);
      this.#transport.uncork?.();
    }
    this.#host.wireMoved();
    this.#watchStall();
  }

  onDrain(): void {
    this.#host.wireMoved();
    this.#stallTimer?.cancel();
    this.#stallTimer = undefined;
    const waiters = this.#waiters;
    if (waiters === undefined) return;
    this.#waiters = undefined;
    for (const waiter of waiters) {
      if (waiter.isBelow()) waiter.resolve();
      else {
        this.#waiters ??= [];
        this.#waiters.push(waiter);
      }
    }
  }

  /** Writes what is pending, then FIN. */
  end(): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    this.#transport.end();
    this.#rejectAll();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#stallTimer?.cancel();
    this.#pending = undefined;
    this.#text = "";
    this.#pendingBytes = 0;
    this.#rejectAll();
    this.#transport.destroy();
  }

  #push(chunk: Uint8Array): void {
    this.#pending ??= [];
    if (this.#text !== "") this.#pending.push(this.#text);
    this.#text = "";
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
  }

  #appended(): void {
    if (this.bufferedBytes > this.#limits.maxSendBufferBytes) {
      this.#host.wireStuck(failure("slow_reader"));
      return;
    }
    if (this.#pendingBytes >= FLUSH_BYTES) this.flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#clock.endOfTurn(() => {
        this.#isScheduled = false;
        if (!this.#isEnded) this.flush();
      });
    }
  }

  #rejectAll(): void {
    const error = failure("disconnected");
    for (const waiter of this.#waiters?.splice(0) ?? []) waiter.reject(error);
  }

  /** No progress for so long while bytes wait: the peer does not read. */
  #watchStall(): void {
    if (this.#stallTimer !== undefined || this.#transport.bufferedBytes === 0) return;
    this.#stallMark = this.#transport.bufferedBytes;
    this.#stallTimer = this.#clock.after(this.#limits.sendStallTimeoutMs, () => {
      this.#stallTimer = undefined;
      if (this.#isEnded) return;
      const now = this.#transport.bufferedBytes;
      if (now > 0 && now >= this.#stallMark) this.#host.wireStuck(failure("slow_reader"));
      else this.#watchStall();
    });
  }
}
