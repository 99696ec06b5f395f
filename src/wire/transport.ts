/**
 * The transport contract: an ordered, reliable stream of bytes in both directions, with half-close. Everything that
 * touches a platform (sockets, message ports) stays behind it; above it nothing knows what carries the bytes.
 */
import type { PeerIdentity } from "./peer-identity.ts";

export interface TransportSink {
  /** Bytes arrived. The chunk belongs to the receiver, which may keep views of it. */
  onData(chunk: Uint8Array): void;
  /** Some of what was written has left: `bufferedBytes` has come down. */
  onDrain(): void;
  /** The peer will send no more. */
  onEnd(): void;
  /** Closed in both directions; called exactly once, last. `error` when it was not orderly. */
  onClose(error?: Error): void;
}

export interface Transport {
  /** "127.0.0.1:3232", a socket path, or "memory". */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Who the other side is, where the transport has verified it. */
  readonly identity?: PeerIdentity | undefined;
  /** Bytes written and not yet taken by the platform. */
  readonly bufferedBytes: number;
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
