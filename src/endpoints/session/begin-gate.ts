/**
 * BeginGate: decides whether a conversation of the peer may begin now. If not, its packet stays in the reader, and the
 * connection is pumped when it may. docs/errors-and-limits.md.
 */
import type { Timer } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { Token } from "../conversation/token.ts";
import type { Lane } from "../lane/lane.ts";
import type { Connection } from "./connection.ts";

export class BeginGate {
  readonly #connection: Connection;
  #isClosing = false;
  /** set while the peer has exceeded its rate of calls */
  #timer: Timer | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** New conversations wait while handlers are too many, while the peer does not read its answers and, if it is one that can't be told,
   *  while this side closes; but not while we wait for an answer, which may stand behind them.
   *  @throws HbiError resource_exhausted when a peer that has not authenticated has been sent enough */
  mayBegin({ wire }: Lane): boolean {
    const { env, hosting, limits, posting } = this.#connection;
    if (env.isPreAuth && wire.writtenBytes > limits.strangerSentBytes)
      throw failure("rate_exceeded", "authenticate first");
    if (!hosting.mayBegin) return false;
    const isHeldUp = wire.isAboveHighWater || (this.#isClosing && !posting.knowsExtension);
    return (!isHeldUp || hosting.mustReadOn) && this.mayCall();
  }

  /** Whether the rate of calls permits one more; if not, the connection is pumped when it does. */
  mayCall(): boolean {
    const waitMs = this.#connection.budgets.callWaitMs;
    if (waitMs > 0) {
      this.#timer ??= this.#connection.clock.after(waitMs, () => {
        this.#timer = undefined;
        this.#connection.pump();
      });
    }
    return waitMs === 0;
  }

  /** The refusal of a conversation that has begun while nothing new is landed. Nothing of it has run, so it may be sent
   *  elsewhere. */
  refusalOf({ isExtended }: Token): HbiError | undefined {
    if (!this.#isClosing || !isExtended || this.#connection.hosting.mustReadOn) return undefined;
    return failure("draining");
  }

  /** This side closes. */
  close(): void {
    this.#isClosing = true;
  }

  /** The connection has ended. */
  stop(): void {
    this.#timer?.cancel();
  }
}
