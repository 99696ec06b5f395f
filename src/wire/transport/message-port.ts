/**
 * A message port as a transport, or a worker: the byte stream in transferred buffers, whose borders mean nothing. A port
 * has no backpressure of its own, so each side tells how much it has consumed. docs/message-port.md.
 */
import { type Clock, systemClock } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import { aBoolean, aClock, aString, checkOptions, type OptionsOf } from "../../options.ts";
import type { Transport, TransportSink } from "../transport.ts";
import {
  isMessagePort,
  listenTo,
  type MessagePortEvent,
  type MessagePortEventType,
  type MessagePortLike,
} from "./port-events.ts";

export interface MessagePortOptions {
  readonly clock?: Clock | undefined;
  /** Ends a `Worker` together with the connection. Default: false */
  readonly terminate?: boolean | undefined;
  /** What logs and `peer.remoteAddress` show. Default: "message port" */
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

export const MESSAGE_PORT_OPTIONS: OptionsOf<MessagePortOptions> = {
  clock: aClock,
  terminate: aBoolean,
  remoteAddress: aString,
  localAddress: aString,
};

/** Takes over a port, or a worker. Nobody else may use it afterwards, and it carries one connection only.
 *  @throws HbiError invalid_argument for what is no port */
export function messagePortTransport(port: MessagePortLike, options: MessagePortOptions = {}): Transport {
  return new MessagePortTransport(port, options, "messagePortTransport");
}

// Bytes are sent as an ArrayBuffer, and a number says how much of them was consumed. Everything else is one of these.
const OPEN = "hbi open";
/** The answer: what was sent before its receiver listened is lost. */
const OPENED = "hbi opened";
const END = "hbi end";
const ABORT = "hbi abort";

/** The most that is under way in one direction, including the cost of messages. */
const WINDOW_BYTES = 1024 * 1024;
/** What a message costs apart from its bytes, so that small ones are bounded too. */
const MESSAGE_COST_BYTES = 256;
/** Longer writes are split, so that both sides can count them in parts. */
const MESSAGE_BYTES = 64 * 1024;
/** Waits for more credit rather than send less than this of what is queued. */
const LEAST_BYTES = 16 * 1024;

/** Bytes to be sent. */
interface Piece {
  bytes: Uint8Array;
  /** Nobody else has its buffer. */
  readonly isOwn: boolean;
}

export class MessagePortTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  lowWaterBytes = Number.POSITIVE_INFINITY;
  readonly #port: MessagePortLike;
  readonly #clock: Clock;
  readonly #terminates: boolean;
  #sink: TransportSink | undefined;
  /** Each removes a listener. */
  readonly #unlisten: readonly (() => void)[];
  // sending
  #queue: Piece[] = [];
  #queuedBytes = 0;
  #takenBytes = 0;
  /** what the peer has room for */
  #credit = 0;
  #isCorked = false;
  #isTelling = false;
  #end: "open" | "asked" | "sent" = "open";
  // receiving
  readonly #heard = new Set<string>();
  #roomBytes = WINDOW_BYTES;
  /** since credit was last granted */
  #consumedBytes = 0;
  #held: Uint8Array[] = [];
  #isPaused = false;
  #isReleasing = false;
  #hasPeerEnded = false;
  #isEndDelivered = false;
  // closing
  #isClosed = false;
  #error: Error | undefined;
  /** why its worker will end */
  #failure: HbiError | undefined;
  #whenOpen: ((error?: Error) => void) | undefined;

  constructor(port: MessagePortLike, options: MessagePortOptions, owner: string) {
    checkOptions(options, owner, MESSAGE_PORT_OPTIONS);
    const { clock = systemClock, terminate = false, remoteAddress = PLACE, localAddress = PLACE } = options;
    checkPort(port, terminate);
    this.#port = port;
    this.#clock = clock;
    this.#terminates = terminate;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
    this.#unlisten = EVENTS.map((type) => listenTo(port, type, (event) => this.hear(type, event)));
    port.start?.();
    this.#post(OPEN);
  }

  /** An event of the port. */
  hear(type: MessagePortEventType, event: Partial<MessagePortEvent>): void {
    if (this.#isClosed) return;
    if (type === "message") this.#onMessage(event.data, event.ports);
    else if (type === "messageerror") this.#violated("a message that cannot be read");
    else if (type === "error") this.#onError(event);
    else if (type === "exit") this.#lost(this.#failure ?? this.#workerError(`has exited with code ${event.data}`));
    else this.#lost(this.#failure ?? new Error(CLOSED));
  }

  /** Resolves when the other end has answered. @throws Error if it closes first */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      if (this.#isClosed) settle(this.#error ?? new Error(CLOSED));
      else if (this.#heard.size > 0) settle();
      else this.#whenOpen = settle;
    });
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#end !== "open" || chunk.length === 0) return;
    const isText = typeof chunk === "string";
    const bytes = isText ? encoder.encode(chunk) : chunk;
    this.#queue.push({ bytes, isOwn: isText && bytes.length === bytes.buffer.byteLength });
    this.#queuedBytes += bytes.length;
    if (!this.#isCorked) this.#flush();
  }

  cork(): void {
    this.#isCorked = true;
  }

  uncork(): void {
    this.#isCorked = false;
    this.#flush();
  }

  end(): void {
    if (this.#isClosed || this.#end !== "open") return;
    this.#end = "asked";
    this.#flush();
  }

  #flush(): void {
    while (this.#queuedBytes > 0) {
      const most = Math.min(this.#queuedBytes, MESSAGE_BYTES, this.#credit - MESSAGE_COST_BYTES);
      if (most < Math.min(this.#queuedBytes, LEAST_BYTES)) return;
      const buffer = this.#take(most);
      if (buffer === undefined || !this.#post(buffer, [buffer])) return;
      this.#queuedBytes -= most;
      this.#takenBytes += most;
      this.#credit -= most + MESSAGE_COST_BYTES;
      this.#tellTaken();
    }
    if (this.#end !== "asked" || this.#heard.size === 0) return;
    this.#end = "sent";
    this.#post(END);
    this.#closeWhenBothEnded();
  }

  /** So many bytes of the queue, in a buffer that may be detached. */
  #take(length: number): ArrayBuffer | undefined {
    const [first] = this.#queue;
    if (first?.isOwn === true && first.bytes.length === length) {
      this.#queue.shift();
      return first.bytes.buffer as ArrayBuffer; // it was made here
    }
    const taken = new Uint8Array(length);
    let filled = 0;
    let head = 0;
    while (filled < length) {
      const piece = this.#queue[head];
      if (piece === undefined || piece.bytes.length === 0) {
        this.#fail(new Error("a buffer was detached while it was being sent"));
        return undefined;
      }
      const part = piece.bytes.subarray(0, length - filled);
      taken.set(part, filled);
      filled += part.length;
      if (part.length === piece.bytes.length) head += 1;
      else this.#queue[head] = { bytes: piece.bytes.subarray(part.length), isOwn: false };
    }
    this.#queue.splice(0, head);
    return taken.buffer;
  }

  /** False if the port has failed. */
  #post(message: unknown, transfer: ArrayBuffer[] = []): boolean {
    try {
      this.#port.postMessage(message, transfer);
    } catch (thrown) {
      this.#closed(thrown instanceof Error ? thrown : new Error("the message port has failed", { cause: thrown }));
    }
    return !this.#isClosed;
  }

  #tellTaken(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#clock.soon(() => {
      this.#isTelling = false;
      if (!this.#isClosed && this.#queuedBytes <= this.lowWaterBytes) this.#sink?.onDrain();
    });
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) this.#clock.soon(() => sink.onClose(this.#error));
    else this.#releaseSoon();
  }

  #onMessage(data: unknown, ports: readonly unknown[] = []): void {
    if (ports.length > 0) {
      for (const port of ports) if (isMessagePort(port)) port.close?.(); // nobody else knows it
      this.#violated("a message with other ports");
    } else if (isBuffer(data)) this.#onBytes(new Uint8Array(data));
    else if (typeof data === "number") this.#onCredit(data);
    else if (data === ABORT) this.#lost(new Error("the other end of the message port has ended the connection"));
    else if (data === END) this.#onEnd();
    else if (data === OPEN || data === OPENED) this.#onOpen(data);
    else this.#violated(`${typeof data}, but HBI is sent as ArrayBuffer: does something else use this port?`);
  }

  #onOpen(how: typeof OPEN | typeof OPENED): void {
    const isFirst = this.#heard.size === 0;
    if (this.#heard.has(how)) {
      this.#violated("opened twice");
      return;
    }
    this.#heard.add(how);
    if (how === OPEN && !this.#post(OPENED)) return;
    if (!isFirst) return;
    this.#whenOpen?.();
    this.#credit = WINDOW_BYTES;
    this.#flush();
  }

  #onCredit(bytes: number): void {
    if (!(Number.isSafeInteger(bytes) && bytes > 0 && bytes <= WINDOW_BYTES - this.#credit) || this.#heard.size === 0) {
      this.#violated("credit for more than was sent");
      return;
    }
    this.#credit += bytes;
    this.#flush();
  }

  #onBytes(bytes: Uint8Array): void {
    this.#roomBytes -= costOf(bytes);
    if (bytes.length === 0) this.#violated("an empty message");
    else if (this.#hasPeerEnded) this.#violated("data behind its end");
    else if (this.#roomBytes < 0) this.#violated("more than its window");
    else if (this.#sink === undefined || this.#isPaused || this.#held.length > 0) {
      this.#held.push(bytes);
      this.#releaseSoon();
    } else this.#deliver(this.#sink, bytes);
  }

  #onEnd(): void {
    if (this.#hasPeerEnded) {
      this.#violated("ended twice");
      return;
    }
    this.#hasPeerEnded = true;
    if (this.#held.length === 0 && !this.#isPaused && this.#sink !== undefined) this.#deliverEnd(this.#sink);
    else this.#releaseSoon();
  }

  #deliver(sink: TransportSink, bytes: Uint8Array): void {
    this.#consumedBytes += costOf(bytes);
    sink.onData(bytes);
    if (this.#consumedBytes * 2 < WINDOW_BYTES || this.#isClosed) return;
    const consumed = this.#consumedBytes;
    this.#roomBytes += consumed;
    this.#consumedBytes = 0;
    this.#post(consumed);
  }

  #deliverEnd(sink: TransportSink): void {
    this.#isEndDelivered = true;
    sink.onEnd();
    this.#closeWhenBothEnded();
  }

  /** Delivers what is held, in a later turn of the event loop. */
  #releaseSoon(): void {
    if (this.#isReleasing || this.#isPaused || this.#sink === undefined) return;
    if (this.#held.length === 0 && (!this.#hasPeerEnded || this.#isEndDelivered)) return;
    this.#isReleasing = true;
    this.#clock.soon(() => {
      this.#isReleasing = false;
      if (this.#sink !== undefined) this.#release(this.#sink);
    });
  }

  #release(sink: TransportSink): void {
    const held = this.#held;
    let at = 0;
    while (at < held.length && !this.#isPaused && !this.#isClosed) {
      const bytes = held[at] as Uint8Array; // at is below the length
      at += 1;
      this.#deliver(sink, bytes);
    }
    held.splice(0, at);
    if (this.#isPaused || this.#isClosed) return;
    if (held.length > 0) this.#releaseSoon();
    else if (this.#hasPeerEnded && !this.#isEndDelivered) this.#deliverEnd(sink);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#releaseSoon();
  }

  // --- closing -------------------------------------------------------------------------------------------------------

  destroy(): void {
    if (!this.#isClosed) this.#fail(undefined);
  }

  #closeWhenBothEnded(): void {
    if (this.#isEndDelivered && this.#end === "sent") this.#clock.soon(() => this.#closed(undefined));
  }

  /** The other end is gone. If both have ended, this side only has to deliver the rest. */
  #lost(error: Error): void {
    if (this.#hasPeerEnded && this.#end === "sent") return;
    this.#closed(this.#hasPeerEnded ? undefined : error);
  }

  /** A worker of Node exits next; one of a browser has not been loaded, or goes on. */
  #onError({ message = "its script cannot be loaded, or has thrown", error: cause }: Partial<MessagePortEvent>): void {
    this.#failure = this.#workerError(`has failed: ${message}`, cause);
    if (this.#heard.size === 0) this.#closed(this.#failure);
  }

  /** It is logged, as the application must know it. */
  #workerError(what: string, cause?: unknown): HbiError {
    const reason = this.#heard.size === 0 ? "connect_failed" : "disconnected";
    return failure(reason, `the worker ${what}`, { cause });
  }

  #violated(what: string): void {
    this.#fail(failure("bad_frame", `of a message port: ${what}`));
  }

  #fail(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#post(ABORT);
    this.#closed(error);
  }

  #closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#held = [];
    for (const unlisten of this.#unlisten) unlisten();
    if (this.#port.start !== undefined) this.#port.close?.(); // `close` of a worker's `self` would end the worker
    if (this.#terminates) this.#port.terminate?.();
    this.#whenOpen?.(error ?? new Error(CLOSED));
    const sink = this.#sink;
    if (sink !== undefined) this.#clock.soon(() => sink.onClose(error));
  }
}

const EVENTS = ["message", "messageerror", "error", "close", "exit"] as const;
const PLACE = "message port";
const CLOSED = "the message port was closed";
const encoder = new TextEncoder();

function costOf(bytes: Uint8Array): number {
  return bytes.length + MESSAGE_COST_BYTES;
}

/** Also of another realm. What is shared could change after it was checked. */
function isBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === "[object ArrayBuffer]";
}

/** @throws HbiError invalid_argument */
function checkPort(port: unknown, terminate: boolean): void {
  const { postMessage, addEventListener, on, document, terminate: end } = Object(port) as Record<string, unknown>;
  const hasEvents = typeof addEventListener === "function" || typeof on === "function";
  if (typeof postMessage !== "function" || !hasEvents)
    throw failure("bad_option", "a message port must have postMessage, and addEventListener or on");
  if (document !== undefined)
    throw failure("bad_option", "a window is no message port: send it one of a MessageChannel");
  if (terminate && typeof end !== "function")
    throw failure("bad_option", "terminate is for a Worker: a message port has nothing to end");
}
