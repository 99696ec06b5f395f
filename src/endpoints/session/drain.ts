/**
 * Drain: a connection that is about to close, on either side, and accepts nothing new. What is in flight is answered
 * first; what has not begun returns to its origin. docs/protocol.md, section 6.
 */
import { failure, oneLine } from "../../errors.ts";
import { ignore, markHandled, type Wait } from "../waits.ts";
import type { BeginGate } from "./begin-gate.ts";
import { type Closing, NOT_LANDED } from "./closing.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { HoCo } from "./ho-co.ts";

const STRANDED = "the other side has refused raw data, and its rest is not sent";

export class Drain {
  readonly #connection: Connection;
  readonly #closing: Closing;
  readonly #beginGate: BeginGate;
  readonly #onGoAway: ConnectionOptions["onGoAway"];
  /** aborts when this side drains; created on demand */
  #draining: AbortController | undefined;
  /** of running conversations that want to know when either side drains */
  #heeding: Set<AbortController> | undefined;
  #course: Promise<void> | undefined;
  #isStranded = false;
  /** the peer has said goaway */
  #isPeerGoing = false;
  /** until nothing is in flight */
  #flight: Wait<void> | undefined;
  /** handlers that have requested the drain and wait for it, while it would wait for them */
  #asking: Map<HoCo, Wait<void>> | undefined;

  constructor(connection: Connection, closing: Closing, beginGate: BeginGate, onGoAway: ConnectionOptions["onGoAway"]) {
    this.#connection = connection;
    this.#closing = closing;
    this.#beginGate = beginGate;
    this.#onGoAway = onGoAway;
  }

  get isBegun(): boolean {
    return this.#course !== undefined;
  }

  /** Aborts when this side begins to drain. */
  get signal(): AbortSignal {
    this.#draining ??= this.#connection.abortController();
    if (this.#course !== undefined) this.#draining.abort();
    return this.#draining.signal;
  }

  /** Aborts the controller when this side begins to drain, or when the peer says goaway, so that handlers of the
   *  conversation end soon. One per conversation, until it ends: listeners on a signal of the connection would be
   *  retained as long as the connection. */
  tells(controller: AbortController): void {
    this.#heeding ??= new Set();
    this.#heeding.add(controller);
    if (this.#course !== undefined || this.#isPeerGoing) this.#tell();
  }

  tellsNoMore(controller: AbortController): void {
    this.#heeding?.delete(controller);
  }

  #tell(): void {
    const heeding = this.#heeding;
    this.#heeding = undefined;
    for (const controller of heeding ?? []) controller.abort(failure("draining"));
  }

  /** Running handlers may begin conversations: a draining peer waits for their answers, which may depend on these.
   *  @throws HbiError unavailable while either side drains; what has not begun has not landed */
  check(): void {
    if (this.#isStranded) throw failure("draining", STRANDED, NOT_LANDED);
    if (this.#connection.hosting.liveCount > 0) return;
    if (this.#isPeerGoing) throw failure("draining", "the peer is closing", NOT_LANDED);
    if (this.#course !== undefined) throw failure("draining", undefined, NOT_LANDED);
  }

  /** This side can send nothing more: the rest of refused raw data would have to be sent first. Answers are still
   *  received. */
  strand(): void {
    if (this.#isStranded) return;
    this.#isStranded = true;
    this.peerGoesAway(undefined);
    this.#turnAway(); // also what handlers have begun
    void this.begin(undefined);
  }

  peerGoesAway(reason: string | undefined): void {
    if (this.#isPeerGoing) return;
    this.#isPeerGoing = true;
    this.#turnAway();
    this.#tell();
    const onGoAway = this.#onGoAway;
    if (onGoAway !== undefined)
      this.#connection.hear(() => onGoAway(reason === undefined ? undefined : oneLine(reason)), "onGoAway");
  }

  #turnAway(): void {
    this.#connection.posting.turnAway(failure("draining", "the peer is closing", NOT_LANDED));
  }

  /** Resolves when the connection has closed. For a handler that calls it before it waits for anything else, resolves
   *  when everything else has ended. */
  begin(reason: string | undefined): Promise<void> {
    const asking = this.#connection.hosting.co;
    this.#course ??= markHandled(this.#run(reason));
    this.#draining?.abort();
    this.#tell();
    return asking === undefined ? this.#course : this.#others(asking);
  }

  async #run(reason: string | undefined): Promise<void> {
    const { posting } = this.#connection;
    // A peer that goes itself knows, and what its handlers still begin is landed.
    if (this.#closing.isLanding && !this.#isPeerGoing) await posting.sayGoAway(reason);
    this.#beginGate.close();
    this.#connection.pump(); // waiting packets may now be refused
    if (this.#closing.isOpen && !this.#isOver(0)) {
      this.#flight = this.#wait();
      await this.#flight.promise.catch(ignore); // too late or lost: it closes in any case
    }
    if (this.#isStranded) this.#closing.end(failure("disconnected", STRANDED));
    else await this.#closing.part();
  }

  #others(asking: HoCo): Promise<void> {
    this.#asking ??= new Map();
    const wait = this.#asking.get(asking) ?? this.#wait();
    this.#asking.set(asking, wait);
    this.#tellAsking();
    return markHandled(wait.promise.catch(ignore));
  }

  #wait(): Wait<void> {
    const { limits, waits } = this.#connection;
    return waits.start({ timeoutMs: limits.handlerTimeoutMs });
  }

  /** A conversation of either side has ended. */
  conversationEnded(): void {
    if (this.#isPeerGoing && this.#connection.hosting.liveCount === 0) this.#turnAway(); // what the last handler has left waiting
    if (this.#asking !== undefined) this.#tellAsking();
    if (this.#flight !== undefined && this.#isOver(0)) this.#flight.settle();
  }

  #tellAsking(): void {
    const waits = this.#asking ?? new Map<HoCo, Wait<void>>();
    if (this.#isOver(waits.size)) for (const wait of waits.values()) wait.settle();
  }

  #isOver(others: number): boolean {
    const { hosting, posting } = this.#connection;
    if (this.#isStranded) return !posting.isAwaitingAnswers; // handlers cannot be answered
    return hosting.liveCount <= others && posting.liveCount === 0;
  }
}
