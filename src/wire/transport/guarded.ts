/**
 * GuardedTransport: a transport that never throws. If a method of an application's transport throws, its connection
 * ends like a lost connection. The connection writes from timers and events, where an exception would end the process.
 */
import type { Clock } from "../../clock.ts";
import type { PeerIdentity } from "../peer-identity.ts";
import type { Transport, TransportRequest, TransportSink } from "../transport.ts";

export class GuardedTransport implements Transport {
  // Read once: they are also reported after the transport has failed.
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly identity: PeerIdentity | undefined;
  readonly request: TransportRequest | undefined;
  readonly canHalfClose: boolean;
  readonly canPause: boolean;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #failed: (thrown: unknown) => void;
  #sink: TransportSink | undefined;
  #hasFailed = false;

  /** @param failed called once, when the transport throws for the first time */
  constructor(transport: Transport, clock: Clock, failed: (thrown: unknown) => void) {
    this.localAddress = transport.localAddress;
    this.remoteAddress = transport.remoteAddress;
    this.identity = transport.identity;
    this.request = transport.request;
    this.canHalfClose = transport.canHalfClose !== false;
    this.canPause = transport.canPause !== false;
    this.#transport = transport;
    this.#clock = clock;
    this.#failed = failed;
  }

  get bufferedBytes(): number {
    if (this.#hasFailed) return 0;
    try {
      return this.#transport.bufferedBytes;
    } catch (thrown) {
      this.#fail(thrown);
      return 0;
    }
  }

  get takenBytes(): number | undefined {
    if (this.#hasFailed) return undefined;
    try {
      return this.#transport.takenBytes;
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  get lowWaterBytes(): number | undefined {
    return this.#transport.lowWaterBytes;
  }

  set lowWaterBytes(bytes: number) {
    try {
      this.#transport.lowWaterBytes = bytes;
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Nothing is delivered inside this call, except that the transport has failed. */
  start(sink: TransportSink): void {
    this.#sink = sink;
    try {
      this.#transport.start(sink);
    } catch (thrown) {
      this.#end(thrown);
      sink.onClose(asError(thrown));
    }
  }

  write(chunk: Uint8Array | string): void {
    if (this.#hasFailed) return;
    try {
      this.#transport.write(chunk);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  cork(): void {
    this.#do("cork");
  }

  uncork(): void {
    this.#do("uncork");
  }

  pause(): void {
    this.#do("pause");
  }

  resume(): void {
    this.#do("resume");
  }

  end(): void {
    this.#do("end");
  }

  destroy(): void {
    this.#do("destroy");
  }

  #do(what: "cork" | "uncork" | "pause" | "resume" | "end" | "destroy"): void {
    if (this.#hasFailed) return;
    try {
      this.#transport[what]?.();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Reported later, like any loss, because the caller is in the middle of an operation. */
  #fail(thrown: unknown): void {
    if (this.#hasFailed) return;
    this.#end(thrown);
    this.#clock.soon(() => this.#sink?.onClose(asError(thrown)));
  }

  #end(thrown: unknown): void {
    this.#hasFailed = true;
    destroyQuietly(this.#transport);
    this.#failed(thrown);
  }
}

/** Ends a transport that is not served, or has failed. Exceptions are ignored. */
export function destroyQuietly(transport: Transport): void {
  try {
    transport.destroy();
  } catch {
    // it is discarded in any case
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error("the transport threw", { cause: thrown });
}
