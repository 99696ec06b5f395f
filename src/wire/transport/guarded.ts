/**
 * GuardedTransport: a transport that never throws, and counts in numbers. If a method of an application's transport
 * throws, its connection ends like a lost connection. The connection writes from timers and events, where an exception
 * would end the process, and its counts are added to those of the whole process.
 *
 * A transport may report events inside a call, as one that delivers at once does. The caller is then in the middle of an
 * operation, so the receiver passes such an event to `hold`, and gets it later.
 */
import type { Clock } from "../../clock.ts";
import { HbiError } from "../../errors.ts";
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
  /** calls to the transport in progress */
  #calls = 0;
  /** events reported inside a call, and all that were reported after them */
  #held: (() => void)[] | undefined;
  #isReleasing = false;

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
      return checkedCount(this.#transport.bufferedBytes);
    } catch (thrown) {
      this.#fail(thrown);
      return 0;
    }
  }

  get takenBytes(): number | undefined {
    if (this.#hasFailed) return undefined;
    try {
      const { takenBytes } = this.#transport;
      return takenBytes === undefined ? undefined : checkedCount(takenBytes);
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  get lowWaterBytes(): number | undefined {
    try {
      return this.#transport.lowWaterBytes;
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  set lowWaterBytes(bytes: number) {
    try {
      this.#transport.lowWaterBytes = bytes;
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  // --- events --------------------------------------------------------------------------------------------------------

  /** Whether an event that is reported now must be passed to `hold`. */
  get isHolding(): boolean {
    return this.#calls > 0 || (this.#held !== undefined && !this.#isReleasing);
  }

  /** Runs `event` in a later turn, in order. */
  hold(event: () => void): void {
    if (this.#held === undefined) {
      this.#held = [];
      this.#clock.soon(() => this.#release());
    }
    this.#held.push(event);
  }

  /** Those that are reported meanwhile have a turn of their own. */
  #release(): void {
    const held = this.#held ?? [];
    const { length } = held;
    this.#isReleasing = true;
    for (const event of held.slice(0, length)) event();
    this.#isReleasing = false;
    held.splice(0, length);
    if (held.length === 0) this.#held = undefined;
    else this.#clock.soon(() => this.#release());
  }

  // --- calls ---------------------------------------------------------------------------------------------------------

  /** Nothing is delivered inside this call, except that the transport has failed. */
  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#calls += 1;
    try {
      this.#transport.start(sink);
      this.#calls -= 1;
    } catch (thrown) {
      this.#calls -= 1;
      this.#hasFailed = true;
      sink.onClose(asError(thrown));
      this.#end(thrown);
    }
  }

  write(chunk: Uint8Array | string): void {
    if (this.#hasFailed) return;
    this.#calls += 1;
    try {
      this.#transport.write(chunk);
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#calls -= 1;
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

  endsFor(reason: HbiError): void {
    if (this.#hasFailed) return;
    try {
      this.#transport.endsFor?.(reason);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  end(): void {
    this.#do("end");
  }

  /** `onClose` may be reported inside this call. */
  destroy(): void {
    if (this.#hasFailed) return;
    try {
      this.#transport.destroy();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #do(what: "cork" | "uncork" | "pause" | "resume" | "end"): void {
    if (this.#hasFailed) return;
    this.#calls += 1;
    try {
      this.#transport[what]?.();
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#calls -= 1;
  }

  /** Reported later, like any loss, because the caller is in the middle of an operation. */
  #fail(thrown: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.hold(() => this.#sink?.onClose(asError(thrown)));
    this.#end(thrown);
  }

  #end(thrown: unknown): void {
    this.#calls += 1;
    destroyQuietly(this.#transport);
    this.#calls -= 1;
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

/** @throws Error if it is not a number of bytes */
function checkedCount(bytes: number): number {
  if (Number.isFinite(bytes) && bytes >= 0) return bytes;
  throw new Error(`the transport counts ${bytes} bytes`);
}

/** An HbiError of a transport would say that its peer has broken a rule. */
function asError(thrown: unknown): Error {
  return thrown instanceof Error && !(thrown instanceof HbiError)
    ? thrown
    : new Error("the transport threw", { cause: thrown });
}
