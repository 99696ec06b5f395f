/**
 * HostingEnd: where conversations of the peer are hosted. docs/protocol.md, "the host".
 */
import { Chain, type Chained } from "../chain.ts";
import type { HbiError } from "../errors.ts";
import type { Bracket } from "./bracket.ts";
import { HoCo } from "./ho-co.ts";
import type { HostingDesk, Keeper } from "./keeper.ts";
import { type Held, processLoad } from "./process-load.ts";
import { opaqueToken, TokenReader } from "./token.ts";

export class HostingEnd implements HostingDesk, Held {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  placeCount = 0;
  readonly #connection: Keeper;
  readonly #tokens = new TokenReader();
  /** begun, and the handler or the answer has not ended */
  readonly #live = new Chain<HoCo>();
  /** answers to seed-era posters, which must come in the order of the questions */
  #seedAnswers: readonly Bracket[] = NONE;
  /** those of them that have something to say */
  #seedEntering: Set<Bracket> | undefined;
  #co: HoCo | undefined;

  constructor(connection: Keeper) {
    this.#connection = connection;
  }

  get netIdent(): string {
    return this.#connection.netIdent;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** The conversation whose script is being landed. Read it before the handler's first `await`: later it is another's. */
  get co(): HoCo | undefined {
    return this.#co;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Says why, if a reason is given, and closes the connection. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  /** One more than `maxInFlight` has begun, as the library's own messages must get through: its script is looked at. */
  get isOverfull(): boolean {
    return this.#live.size > this.most;
  }

  /** How many it may host at once: one, for a peer that has yet to authenticate. */
  get most(): number {
    return this.#connection.env.isLobby ? 1 : this.#connection.limits.maxInFlight;
  }

  enterProcess(): boolean {
    const isIn = processLoad.enter(this, this.#connection.limits.maxProcessInFlight);
    if (isIn) this.placeCount += 1;
    return isIn;
  }

  placeFree(): void {
    this.#connection.pump();
  }

  begin(id: string): HoCo {
    const token = this.#connection.isExtended ? this.#tokens.read(id) : opaqueToken(id);
    if (token.isExtended) this.#connection.posting.extensionSeen();
    const co = new HoCo(this.#connection, this.#connection.env, token);
    this.#live.add(co);
    return co;
  }

  enter(co: HoCo): HoCo | undefined {
    const outer = this.#co;
    this.#co = co;
    return outer;
  }

  leave(outer: HoCo | undefined): void {
    this.#co = outer;
  }

  /** The peer waits no more for the answer to one of its conversations. */
  cancel(seq: string): void {
    const excess = this.#connection.budgets.cancelled();
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    for (const co of this.#live.toArray()) if (co.coSeq === seq) co.cancel(); // at most `maxInFlight`
  }

  /** The peer asks whether this side is there. */
  pinged(): void {
    const excess = this.#connection.budgets.pinged();
    if (excess !== undefined) this.#connection.cut(excess);
  }

  peerGoesAway(reason: string | undefined): void {
    this.#connection.peerGoesAway(reason);
  }

  ended(co: HoCo, hadPlace: boolean): void {
    this.#live.remove(co);
    if (hadPlace) {
      this.placeCount -= 1;
      processLoad.leave();
    }
    this.#connection.conversationEnded();
  }

  loseAll(error: HbiError): void {
    processLoad.forget(this);
    for (const co of this.#live.toArray()) co.lose(error);
  }

  // --- seed-era posters: docs/protocol.md, "seed-era ids" ------------------------------------------------------------

  queueSeedAnswer(bracket: Bracket): void {
    this.#seedAnswers = [...this.#seedAnswers, bracket]; // as many as are in flight
  }

  /** Asks for the send turn, when the answers to the questions before are closed. */
  enterSeedAnswer(bracket: Bracket): void {
    this.#seedEntering ??= new Set();
    this.#seedEntering.add(bracket);
    this.#admitSeedAnswer();
  }

  seedAnswerClosed(bracket: Bracket): void {
    this.#seedEntering?.delete(bracket);
    this.#seedAnswers = this.#seedAnswers.filter((other) => other !== bracket);
    this.#admitSeedAnswer();
  }

  #admitSeedAnswer(): void {
    const [head] = this.#seedAnswers;
    if (head !== undefined && this.#seedEntering?.delete(head) === true) this.#connection.turn.request(head);
  }
}

const NONE: readonly Bracket[] = [];
