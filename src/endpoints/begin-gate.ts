/**
 * BeginGate: whether a conversation of the peer may begin now. Where it may not, its packet stays where it is, and the connection
 * is pumped when it may. docs/errors-and-limits.md.
 */
import type { Timer } from "../clock.ts";
import { failure } from "../errors.ts";
import type { Keeper } from "./keeper.ts";

export class BeginGate {
  readonly #connection: Keeper;
  #isClosing = false;
  /** while the peer has begun more than its share */
  #timer: Timer | undefined;

  constructor(connection: Keeper) {
    this.#connection = connection;
  }

  /** New conversations wait while handlers are too many, while the peer does not read its answers, and while this side closes;
   *  but the latter two not while we wait for an answer, which may lie behind them.
   *  @throws HbiError resource_exhausted for a stranger that has been answered enough */
  mayBegin(): boolean {
    const { env, hosting, limits, posting, wire } = this.#connection;
    if (env.isLobby && wire.writtenBytes > limits.strangerSentBytes)
      throw failure("rate_exceeded", "authenticate first");
    if (hosting.isOverfull) return false;
    const isHeldUp = this.#isClosing || wire.isAboveHighWater;
    return (!isHeldUp || posting.liveCount > 0) && this.#isWithinRate();
  }

  #isWithinRate(): boolean {
    const { budgets, clock } = this.#connection;
    const waitMs = budgets.beginWaitMs();
    if (waitMs > 0) {
      this.#timer ??= clock.after(waitMs, () => {
        this.#timer = undefined;
        this.#connection.pump();
      });
    }
    return waitMs === 0;
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
