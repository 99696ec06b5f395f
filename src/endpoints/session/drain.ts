/**
 * Drain: a connection that is about to close, on either side, and takes nothing new; what is in flight is answered first, what has not
 * begun goes back to where it came from. docs/protocol.md, section 6.
 */
import { failure, oneLine } from "../../errors.ts";
import { ignore, markHandled, type Wait } from "../waits.ts";
import type { BeginGate } from "./begin-gate.ts";
import { type Closing, NOT_LANDED } from "./closing.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { HoCo } from "./ho-co.ts";

export class Drain {
  readonly #connection: Connection;
  readonly #closing: Closing;
  readonly #beginGate: BeginGate;
  readonly #onGoAway: ConnectionOptions["onGoAway"];
  /** from when this side drains; made when somebody asks */
  #draining: AbortController | undefined;
  /** of the conversations at work that want to be told when either side does */
  #heeding: Set<AbortController> | undefined;
  #course: Promise<void> | undefined;
  /** the peer has said that it takes no more */
  #isPeerGoing = false;
  /** until what is in flight is over */
  #flight: Wait<void> | undefined;
  /** handlers that have asked for the drain and wait for it, as it would wait for them: until all else is over */
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

  /** Aborts it when this side begins to drain, or the peer says that it does: whoever works for it had better come to an end. One for each
   *  conversation, until it is over: what handlers add to a signal of the connection would be kept as long as that. */
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

  /** Handlers at work may begin conversations: a peer that drains waits for their answers, which may be made of just these.
   *  @throws HbiError unavailable while either side drains: what is not begun has not landed */
  check(): void {
    if (this.#connection.hosting.liveCount > 0) return;
    if (this.#isPeerGoing) throw failure("draining", "the peer is closing", NOT_LANDED);
    if (this.#course !== undefined) throw failure("draining", undefined, NOT_LANDED);
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

  /** Resolves when the connection is closed; to a handler that asks before it waits for anything, when all but itself is over. */
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
    if (this.#closing.state === "open" && !this.#isPeerGoing) await posting.sayGoAway(reason);
    this.#beginGate.close();
    this.#connection.pump(); // what stands there may be refused now
    if (this.#closing.isOpen && !this.#isOver(0)) {
      this.#flight = this.#wait();
      await this.#flight.promise.catch(ignore); // too late, or lost: it is closed either way
    }
    await this.#closing.part();
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

  /** A conversation of either side is over. */
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
    return hosting.liveCount <= others && posting.liveCount === 0;
  }
}
