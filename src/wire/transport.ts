/**
 * The transport contract: an ordered, reliable stream of bytes in both directions. Everything that touches a platform (sockets, message
 * ports) stays behind it; above it nothing knows what carries the bytes. docs/transports.md.
 */
import type { PeerIdentity } from "./peer-identity.ts";

export interface TransportSink {
  /** Bytes arrived. The chunk belongs to the receiver, which may keep views of it. */
  onData(chunk: Uint8Array): void;
  /** Some of what was written has left: `bufferedBytes` has come down. A transport with `lowWaterBytes` may call it less often. */
  onDrain(): void;
  /** The peer will send no more. Only of a transport with half-close. */
  onEnd(): void;
  /** Closed in both directions; called exactly once, last. `error` when it was not orderly. */
  onClose(error?: Error): void;
}

/** The request that a connection began as, such as a WebSocket upgrade. Everything in it is the peer's word: nothing vouches for it. */
export interface TransportRequest {
  /** as requested, with the query: "/hbi?tenant=7" */
  readonly path: string;
  /** by name in lower case; the values of a name that came several times are joined by ", " */
  readonly headers: ReadonlyMap<string, string>;
}

export interface Transport {
  /** "127.0.0.1:3232", a socket path, or "memory". */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Who the other side is, where the transport has verified it. */
  readonly identity?: PeerIdentity | undefined;
  /** The request that the connection began as, where there was one. */
  readonly request?: TransportRequest | undefined;
  /** False: it can't end one direction alone. Then `end` sends what was written and closes both, and the peer's end is an `onClose` without
   *  an error. Default: true. */
  readonly canHalfClose?: boolean | undefined;
  /** False: it can't stop the peer, so `pause` and `resume` do nothing. Then a connection is cut (`buffer_full`) when it would have to hold
   *  more than `maxBufferedBytes`. Default: true. */
  readonly canPause?: boolean | undefined;
  /** Bytes written and not yet taken by the platform. Text may be counted by its characters. */
  readonly bufferedBytes: number;
  /** All bytes that the platform has ever taken, counted as `bufferedBytes` counts them; never comes down. A peer whose count stands still for
   *  `sendStallTimeoutMs` is taken for one that does not read. Without it, every `onDrain` is progress. */
  readonly takenBytes?: number | undefined;
  /** Set by the connection before `start`. A transport that has it calls `onDrain` when `bufferedBytes` has come down to it and when nothing is
   *  left, and may leave out all other calls. Without it, `onDrain` is called each time that some has left. */
  lowWaterBytes?: number | undefined;
  /** Starts delivery to `sink`; nothing is delivered before, nothing inside this call. */
  start(sink: TransportSink): void;
  /** Takes the bytes, and may look at the chunk for as long as `bufferedBytes` counts it. Text is written as UTF-8. */
  write(chunk: Uint8Array | string): void;
  /** Between the two, what is written may go out together. */
  cork?(): void;
  uncork?(): void;
  /** Stops and resumes `onData`. A chunk that is already under way may still arrive. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then says that no more will come. Receiving goes on. */
  end(): void;
  /** Closes at once, in both directions; `onClose` follows. */
  destroy(): void;
}
