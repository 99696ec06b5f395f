/**
 * HostingEnd: where conversations of the peer are hosted. docs/protocol.md, "the host".
 */
import { Chain } from "../chain.ts";
import type { HbiError } from "../errors.ts";
import type { Bracket } from "./bracket.ts";
import { HoCo } from "./ho-co.ts";
import type { HostingDesk, Keeper } from "./keeper.ts";
import { opaqueToken, TokenReader } from "./token.ts";

export class HostingEnd implements HostingDesk {
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
    return this.#live.size > this.#connection.limits.maxInFlight;
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
    for (const co of this.#live.toArray()) if (co.coSeq === seq) co.cancel(); // at most `maxInFlight`
  }

  peerGoesAway(reason: string | undefined): void {
    this.#connection.peerGoesAway(reason);
  }

  ended(co: HoCo): void {
    this.#live.remove(co);
    this.#connection.conversationEnded();
  }

  loseAll(error: HbiError): void {
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
