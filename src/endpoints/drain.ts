/**
 * Drain: a connection that is about to close, on either side, and takes nothing new; what is in flight is answered first.
 * docs/protocol.md, section 6.
 */
import { failure } from "../errors.ts";
import type { BeginGate } from "./begin-gate.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { type Ending, NOT_LANDED, type WholeKeeper } from "./ending.ts";
import type { Wait } from "./waits.ts";

export class Drain {
  readonly #connection: WholeKeeper;
  readonly #ending: Ending;
  readonly #beginGate: BeginGate;
  readonly #onGoAway: ConnectionOptions["onGoAway"];
  /** this side begins nothing more, but for its handlers that are still at work */
  #isDraining = false;
  /** the peer has said that it takes no more */
  #isPeerGoing = false;
  /** until what is in flight is over */
  #flight: Wait<void> | undefined;

  constructor(connection: WholeKeeper, ending: Ending, beginGate: BeginGate, onGoAway: ConnectionOptions["onGoAway"]) {
    this.#connection = connection;
    this.#ending = ending;
    this.#beginGate = beginGate;
    this.#onGoAway = onGoAway;
  }

  /** Handlers at work may begin conversations: a peer that drains waits for their answers, which may be made of just these.
   *  @throws HbiError unavailable while either side drains: what is not begun has not landed */
  check(): void {
    if (this.#connection.hosting.liveCount > 0) return;
    if (this.#isPeerGoing) throw failure("draining", "the peer is closing", NOT_LANDED);
    if (this.#isDraining) throw failure("draining", undefined, NOT_LANDED);
  }

  peerGoesAway(reason: string | undefined): void {
    this.#isPeerGoing = true;
    this.#onGoAway?.(reason);
  }

  /** Resolves when the connection is closed. */
  async begin(reason: string | undefined): Promise<void> {
    const { limits, posting, waits } = this.#connection;
    this.#isDraining = true;
    if (this.#ending.state === "open") await posting.sayGoAway(reason);
    this.#beginGate.close();
    if (this.#ending.isOpen && !this.#isOver) {
      this.#flight ??= waits.start({ timeoutMs: limits.handlerTimeoutMs });
      try {
        await this.#flight.promise;
      } catch {
        // too late, or lost: it is closed either way
      }
    }
    await this.#ending.disconnect();
  }

  /** A conversation of either side is over. */
  conversationEnded(): void {
    if (this.#flight !== undefined && this.#isOver) this.#flight.settle();
  }

  get #isOver(): boolean {
    return this.#connection.hosting.liveCount === 0 && this.#connection.posting.liveCount === 0;
  }
}
