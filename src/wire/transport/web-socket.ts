/**
 * A WebSocket as a transport: the byte stream in binary messages, whose borders mean nothing. For the standard
 * `WebSocket` of browsers, Deno, Bun and Node, and for that of the package ws, which can also pause its peer.
 * docs/websocket.md.
 */
import { type Clock, systemClock } from "../../clock.ts";
import { type Code, failure, type HbiError, oneLine } from "../../errors.ts";
import { aClock, anObject, anything, aPositiveInteger, aString, checkOptions, type OptionsOf } from "../../options.ts";
import type { PeerIdentity } from "../peer-identity.ts";
import type { Transport, TransportRequest, TransportSink } from "../transport.ts";

/** What is used of an event of a WebSocket. */
export interface WebSocketEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly message?: string;
  readonly error?: unknown;
}

/** What is used of a WebSocket. The standard class has it in every environment, as does that of the package ws. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly url?: string | undefined;
  readonly protocol: string;
  binaryType: string;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketEvent) => void): void;
}

/** What the package ws adds. */
interface PausableSocket extends WebSocketLike {
  send(data: Uint8Array<ArrayBuffer>, taken?: (error?: Error | null) => void): void;
  pause(): void;
  resume(): void;
  terminate(): void;
  on(event: "ping" | "pong", listener: () => void): void;
}

export interface WebSocketTransportOptions {
  readonly clock?: Clock | undefined;
  /** "203.0.113.7:51034". Default: what is known of it */
  readonly localAddress?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly identity?: PeerIdentity | undefined;
  readonly request?: TransportRequest | undefined;
  /** The most bytes of a message, for the error that names them. */
  readonly maxPayload?: number | undefined;
  /** The most bytes that are held before `start` and while paused. Default: 1 MiB and `maxPayload` */
  readonly maxHeldBytes?: number | undefined;
}

const OPTIONS: OptionsOf<WebSocketTransportOptions> = {
  clock: aClock,
  localAddress: aString,
  remoteAddress: aString,
  identity: anything, // of the package's own transports
  request: anObject,
  maxPayload: aPositiveInteger,
  maxHeldBytes: aPositiveInteger,
};

/** The subprotocol that clients offer and servers select. */
export const SUBPROTOCOL = "hbi";

const OPEN = 1;
const CLOSING = 2;
/** Longer writes are split, so that both sides can take and count them in parts. */
const MESSAGE_BYTES = 64 * 1024;
const HELD_BYTES = 1024 * 1024;
const LOOK_MS = 20;
/** Looks at `bufferedAmount` in consecutive turns of the event loop before it is looked at less often. */
const QUICK_LOOKS = 16;
/** Pings, pongs and empty messages cost a turn of the event loop, and no limit of bytes counts them. */
const EMPTY_AT_ONCE = 1_000;
const EMPTY_PER_SECOND = 100;
/** For the closing handshake of a peer that has violated the rules, and what is read until then. */
const FAREWELL_MS = 1_000;
const FAREWELL_MESSAGES = 64;

/** Takes over an open WebSocket. Nobody else may use it afterwards.
 *  @throws HbiError failed_precondition while it is still connecting */
export function webSocketTransport(socket: WebSocketLike, options: WebSocketTransportOptions = {}): Transport {
  checkOptions(options, "webSocketTransport", OPTIONS);
  if (socket.readyState < OPEN) throw failure("wrong_stage", "the WebSocket is not open yet: wait for its open event");
  return new WebSocketTransport(socket, options);
}

function isPausable(socket: WebSocketLike): socket is PausableSocket {
  const { pause, resume, terminate, on } = socket as Partial<PausableSocket>;
  return [pause, resume, terminate, on].every((member) => typeof member === "function");
}

class WebSocketTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly identity: PeerIdentity | undefined;
  readonly request: TransportRequest | undefined;
  readonly canHalfClose = false;
  readonly canPause: boolean;
  lowWaterBytes = Number.POSITIVE_INFINITY;
  readonly #socket: WebSocketLike;
  /** the same, if it is one of the package ws */
  readonly #pausable: PausableSocket | undefined;
  readonly #clock: Clock;
  readonly #maxPayload: number | undefined;
  readonly #maxHeldBytes: number;
  #sink: TransportSink | undefined;
  #writtenBytes = 0;
  #takenBytes = 0;
  /** the bytes taken at the last report to the sink */
  #toldBytes = 0;
  #isLooking = false;
  #quickLooks = 0;
  /** received before `start` or while paused */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isReleasing = false;
  #isPaused = false;
  #isEnding = false;
  #isClosed = false;
  /** an orderly close that follows what is held */
  #hasPeerClosed = false;
  #error: Error | undefined;
  #reason: HbiError | undefined;
  #emptyFrames = 0;
  #ignoredMessages = 0;
  #emptySinceMs: number;

  constructor(socket: WebSocketLike, options: WebSocketTransportOptions) {
    const { clock = systemClock, maxPayload, maxHeldBytes = HELD_BYTES + (maxPayload ?? 0) } = options;
    this.#socket = socket;
    this.#pausable = isPausable(socket) ? socket : undefined;
    this.#clock = clock;
    this.#maxPayload = maxPayload;
    this.#maxHeldBytes = maxHeldBytes;
    this.#emptySinceMs = clock.now();
    this.canPause = this.#pausable !== undefined;
    this.localAddress = options.localAddress ?? "";
    this.remoteAddress = options.remoteAddress ?? placeOf(socket.url ?? "");
    this.identity = options.identity;
    this.request = options.request;
    this.#isClosed = socket.readyState >= CLOSING; // its close event may be over
    socket.binaryType = this.#pausable === undefined ? "arraybuffer" : "nodebuffer"; // which is not copied
    socket.addEventListener("message", ({ data }) => this.#onMessage(data));
    socket.addEventListener("error", ({ error }) => this.#onError(error));
    socket.addEventListener("close", ({ code }) => this.#onClose(code));
    this.#pausable?.on("ping", () => this.#onEmptyFrame());
    this.#pausable?.on("pong", () => this.#onEmptyFrame());
    this.#pausable?.pause(); // until `start`
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    this.#look();
    return this.#isClosed ? 0 : this.#writtenBytes - this.#takenBytes;
  }

  get takenBytes(): number {
    this.#look();
    return this.#takenBytes;
  }

  /** A standard WebSocket only says how much is left; that of ws calls back. Some count the headers of messages too. */
  #look(): void {
    if (this.#pausable !== undefined) return;
    this.#takenBytes = Math.max(this.#takenBytes, this.#writtenBytes - this.#socket.bufferedAmount);
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#isEnding || this.#socket.readyState !== OPEN) return;
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    for (let at = 0; at < bytes.length; at += MESSAGE_BYTES)
      this.#send(unshared(bytes.subarray(at, at + MESSAGE_BYTES)));
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    this.#writtenBytes += message.length;
    if (this.#pausable === undefined) {
      this.#socket.send(message);
      this.#quickLooks = 0;
      this.#lookLater();
      return;
    }
    const { length } = message;
    this.#pausable.send(message, () => {
      this.#takenBytes += length;
      this.#tellTaken();
    });
  }

  /** A standard WebSocket has no event for this. */
  #lookLater(): void {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    const look = (): void => {
      this.#isLooking = false;
      const before = this.#takenBytes;
      this.#look();
      if (this.#takenBytes > before) this.#quickLooks = 0;
      this.#tellTaken();
      if (this.#takenBytes < this.#writtenBytes) this.#lookLater();
    };
    this.#quickLooks += 1;
    if (this.#quickLooks <= QUICK_LOOKS) this.#clock.soon(look);
    else this.#clock.after(LOOK_MS, look);
  }

  #tellTaken(): void {
    const leftBytes = this.#writtenBytes - this.#takenBytes;
    if (this.#isClosed || leftBytes > this.lowWaterBytes || this.#takenBytes === this.#toldBytes) return;
    this.#toldBytes = this.#takenBytes;
    this.#sink?.onDrain();
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) {
      this.#clock.soon(() => sink.onClose(this.#error));
      return;
    }
    this.#releaseSoon();
    if (!this.#isPaused) this.#pausable?.resume();
  }

  #onMessage(data: unknown): void {
    if (this.#isClosed) {
      this.#ignore();
      return;
    }
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      this.#violated(failure("bad_frame", "a text message of a WebSocket: HBI is sent in binary messages"), 1003);
      return;
    }
    if (bytes.length === 0) {
      this.#onEmptyFrame();
      return;
    }
    if (this.#sink !== undefined && !this.#isPaused && this.#held.length === 0) {
      this.#sink.onData(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    // What ws had already read when it was paused, or a server that talks before it is listened to.
    if (this.#heldBytes > this.#maxHeldBytes) this.#violated(failure("buffer_full"), 1009);
    else this.#releaseSoon();
  }

  /** Delivers what is held, in a later turn of the event loop. */
  #releaseSoon(): void {
    if (this.#isReleasing || this.#isPaused || this.#sink === undefined) return;
    if (this.#held.length === 0 && !this.#hasPeerClosed) return;
    this.#isReleasing = true;
    this.#clock.soon(() => {
      this.#isReleasing = false;
      this.#release();
    });
  }

  #release(): void {
    const held = this.#held;
    let at = 0;
    while (at < held.length && !this.#isPaused && !this.#isClosed) {
      const chunk = held[at] as Uint8Array; // at is below the length
      at += 1;
      this.#heldBytes -= chunk.length;
      this.#sink?.onData(chunk);
    }
    held.splice(0, at);
    if (held.length > 0) this.#releaseSoon();
    else if (this.#hasPeerClosed && !this.#isPaused) this.#closed(undefined);
  }

  /** The peer goes on sending instead of closing. */
  #ignore(): void {
    this.#ignoredMessages += 1;
    if (this.#ignoredMessages > FAREWELL_MESSAGES) this.#pausable?.pause();
  }

  #onEmptyFrame(): void {
    if (this.#isClosed) {
      this.#ignore();
      return;
    }
    const nowMs = this.#clock.now();
    const forgiven = ((nowMs - this.#emptySinceMs) * EMPTY_PER_SECOND) / 1_000;
    this.#emptyFrames = Math.max(this.#emptyFrames - forgiven, 0) + 1;
    this.#emptySinceMs = nowMs;
    if (this.#emptyFrames > EMPTY_AT_ONCE)
      this.#violated(failure("rate_exceeded", "pings and empty messages of a WebSocket"), 1008);
  }

  pause(): void {
    if (this.#pausable === undefined) return;
    this.#isPaused = true;
    this.#pausable.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#releaseSoon();
    if (this.#sink !== undefined) this.#pausable?.resume();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  endsFor(reason: HbiError): void {
    this.#reason = reason;
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#close(this.#reason === undefined ? 1000 : closeCodeOf(this.#reason));
    this.#pausable?.resume(); // the peer's answer must be read
  }

  #close(code: number): void {
    if (this.#socket.readyState > OPEN) return;
    const words = this.#reason === undefined ? "" : oneLine(this.#reason.message, MOST_REASON_BYTES);
    // The standard forbids the codes of the protocol to applications.
    const permitted = this.#pausable !== undefined || code === 1000 || code >= 3000 ? code : code + 3000;
    this.#socket.close(permitted, words);
  }

  destroy(): void {
    if (this.#isClosed) return;
    if (this.#pausable === undefined) this.#close(this.#reason === undefined ? 1000 : closeCodeOf(this.#reason));
    else this.#pausable.terminate();
    this.#clock.soon(() => this.#closed(undefined));
  }

  /** The peer has broken a rule of this transport. */
  #violated(error: HbiError, code: number): void {
    if (this.#isClosed) return;
    this.#reason = error;
    this.#close(code);
    this.#isEnding = true;
    this.#pausable?.resume();
    this.#clock.after(FAREWELL_MS, () => this.#pausable?.terminate());
    this.#closed(error);
  }

  /** Of ws; it has sent a close code if the peer's message is the reason. A standard WebSocket says nothing. */
  #onError(cause: unknown): void {
    const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (typeof code !== "string" || !(code.startsWith("WS_ERR_") || code.startsWith("Z_"))) {
      this.#error ??= cause instanceof Error ? cause : undefined; // `close` follows and reports it
      return;
    }
    if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" || code === "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH")
      this.#violated(failure("packet_too_big", `a WebSocket message of more than ${this.#maxPayload} bytes`), 1009);
    else if (code === "WS_ERR_TOO_MANY_BUFFERED_PARTS")
      this.#violated(failure("packet_too_big", "a WebSocket message in too many fragments"), 1008);
    else this.#violated(failure("bad_frame", "an invalid frame of a WebSocket"), 1002);
  }

  #onClose(code: number | undefined): void {
    if (this.#isClosed) return;
    if (this.#isEnding && this.#error === undefined) {
      this.#closed(undefined);
      return;
    }
    this.#error ??= closeError(code);
    this.#hasPeerClosed = true;
    if (this.#error !== undefined || (this.#held.length === 0 && !this.#isReleasing)) this.#closed(this.#error);
  }

  #closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#held = [];
    this.#sink?.onClose(error);
  }
}

/** The standard refuses memory that is shared. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice(); // checked in this line
}

const MOST_REASON_BYTES = 123;

/** Why a connection ends, as a close code: of RFC 6455, or registered with IANA. */
function closeCodeOf({ code, reason }: HbiError): number {
  if (reason === "packet_too_big" || reason === "buffer_full") return 1009;
  return CLOSE_CODES[code] ?? 1011;
}

const CLOSE_CODES: Partial<Readonly<Record<Code, number>>> = {
  aborted: 1000, // the peer has said why
  cancelled: 1000,
  unavailable: 1001,
  invalid_argument: 1002,
  failed_precondition: 1002,
  data_loss: 1002,
  resource_exhausted: 1008,
  unauthenticated: 3000,
  permission_denied: 3003,
  deadline_exceeded: 3008,
};

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [1002, "a protocol error"],
  [1003, "data that it does not accept"],
  [1006, "lost without a closing handshake"],
  [1007, "invalid data"],
  [1008, "a violated rule"],
  [1009, "a message that is too big"],
  [1010, "a missing extension"],
  [1011, "an internal error"],
  [1012, "a restart"],
  [1013, "try again later"],
  [1014, "a bad gateway"],
  [3000, "unauthorized"],
  [3003, "forbidden"],
  [3008, "a timeout"],
]);

/** Undefined for an orderly close. The text of the peer is left out: HBI has sent the reason before. */
function closeError(code = 1006): Error | undefined {
  if (code === 1000 || code === 1001 || code === 1005) return undefined;
  const meaning = MEANINGS.get(code >= 4000 && code < 4015 ? code - 3000 : code);
  return new Error(`the WebSocket was closed: ${code}${meaning === undefined ? "" : `, ${meaning}`}`);
}

/** A URL without its query, which may contain secrets. */
export function placeOf(url: string): string {
  return oneLine(url.replace(/[?#].*$/s, "").replace(/\/\/[^/@]*@/, "//"));
}
