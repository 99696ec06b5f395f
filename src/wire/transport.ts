/**
 * The transport contract: an ordered, reliable stream of bytes in both directions. Everything that touches a platform
 * (sockets, message ports) is behind it; nothing above it knows what carries the bytes. docs/transports.md.
 */
import type { HbiError } from "../errors.ts";
import type { PeerIdentity } from "./peer-identity.ts";

/** The receiver of a transport's events. An event that is reported inside a call to the transport is handled after it,
 *  in order with those that follow. */
export interface TransportSink {
  /** Bytes arrived. The chunk belongs to the receiver, which may keep views of it. */
  onData(chunk: Uint8Array): void;
  /** The platform has taken some bytes: `bufferedBytes` has decreased. A transport with `lowWaterBytes` may call it
   *  less often. */
  onDrain(): void;
  /** The peer has half-closed: it will send no more. Only if the transport supports half-close. */
  onEnd(): void;
  /** Closed in both directions. Called exactly once, last; with `error` unless the close was orderly. An HbiError says
   *  that the peer has broken a rule of the transport: it goes to the log, and is the reason of the loss. */
  onClose(error?: Error): void;
}

/** The request with which a connection began, such as a WebSocket upgrade. Everything in it comes from the peer and is
 *  unverified. */
export interface TransportRequest {
  /** as requested, including the query: "/hbi?tenant=7" */
  readonly path: string;
  /** by lower-case name; several values of a name are joined by ", " */
  readonly headers: ReadonlyMap<string, string>;
  /** from the header `cookie`, decoded; the first value of each name */
  readonly cookies?: ReadonlyMap<string, string> | undefined;
}

export interface Transport {
  /** "127.0.0.1:3232", a socket path, or "memory". */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** The peer's identity, if the transport has verified it. */
  readonly identity?: PeerIdentity | undefined;
  /** The request with which the connection began, if there was one. */
  readonly request?: TransportRequest | undefined;
  /** False: the transport cannot end one direction only. `end` then sends what was written and closes both directions,
   *  and the end of the peer is an `onClose` without an error. Default: true. */
  readonly canHalfClose?: boolean | undefined;
  /** False: the transport cannot stop the peer, so `pause` and `resume` do nothing. A connection is then cut
   *  (`buffer_full`) if it would have to hold more than `maxBufferedBytes`. Default: true. */
  readonly canPause?: boolean | undefined;
  /** Bytes written and not yet taken by the platform. Text may be counted by its characters. If this or `takenBytes` is
   *  no finite number, or negative, the transport has failed, and its connection ends. */
  readonly bufferedBytes: number;
  /** All bytes that the platform has ever taken, counted like `bufferedBytes`; never decreases. If it does not grow for
   *  `sendStallTimeoutMs`, the peer is considered a slow reader. Without it, every `onDrain` is progress. */
  readonly takenBytes?: number | undefined;
  /** Set by the connection before `start`. A transport that has this member must call `onDrain` when `bufferedBytes`
   *  has decreased to it and when nothing is left, and may omit all other calls. Without it, `onDrain` is called each
   *  time that bytes were taken. */
  lowWaterBytes?: number | undefined;
  /** Starts delivery to `sink`. Nothing is delivered before, or inside this call; if the transport has already
   *  closed, `onClose` follows. */
  start(sink: TransportSink): void;
  /** Takes the bytes; may read the chunk as long as `bufferedBytes` includes it. Text is written as UTF-8. An empty
   *  chunk sends nothing. What is written after `end` or after closing is dropped. */
  write(chunk: Uint8Array | string): void;
  /** Writes between the two may be sent together. */
  cork?(): void;
  uncork?(): void;
  /** Stops and resumes `onData`. A chunk that is already being delivered may still arrive. */
  pause(): void;
  resume(): void;
  /** Told before `end` or `destroy`, unless the close is orderly: why the connection ends. For a transport that can say
   *  so, as a WebSocket does by its close code. */
  endsFor?(reason: HbiError): void;
  /** Sends what was written, then half-closes. Receiving continues. */
  end(): void;
  /** Closes both directions at once and drops what is under way; `onClose` follows. */
  destroy(): void;
}
