/**
 * PeerHello: the peer's hello, a conversation without a script, which is only acknowledged. It takes the place of a HoCo
 * as long as what hosts scripts is not loaded; at the first packet that a hello does not have, a HoCo takes over.
 * docs/protocol.md, section 7.
 */
import type { Chained } from "../../chain.ts";
import { failure } from "../../errors.ts";
import type { OnDemand } from "../../on-demand.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { encodePacket, type Packet } from "../../wire/packet.ts";
import { answerId, HELLO_SEQ, type Token } from "../conversation/token.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import { CONVERSING } from "./conversing.ts";
import type { Hosted, HostingEnd } from "./hosting-end.ts";

export class PeerHello implements Hosted, BracketReader {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly placeBytes: undefined;
  readonly owesAnswer = true;
  readonly lane: Lane;
  readonly token: Token;
  readonly env: HostingEnv;
  readonly #hosting: HostingEnd;
  readonly #answer: TurnTaker;
  #isOver = false;

  /** @param env lands what follows, if anything does */
  constructor(hosting: HostingEnd, lane: Lane, env: HostingEnv, token: Token) {
    this.lane = lane;
    this.token = token;
    this.env = env;
    this.#hosting = hosting;
    this.#answer = {
      chain: undefined,
      before: undefined,
      behind: undefined,
      label: `answer ${token.seq}`,
      granted: () => this.#acknowledge(),
    };
  }

  get coSeq(): string {
    return this.token.seq;
  }

  get wantsRaw(): boolean {
    return false;
  }

  get wantsPacket(): boolean {
    return true;
  }

  checkPosition(): void {}

  takeRaw(): boolean {
    return false;
  }

  missingFor({ directive }: Packet): OnDemand<unknown> | undefined {
    return directive === "co_end" || CONVERSING.part !== undefined ? undefined : CONVERSING;
  }

  onPacket(packet: Packet): boolean {
    const { directive, text } = packet;
    if (directive !== "co_end") return this.#hosting.goOn(this).onPacket(packet);
    if (text !== this.token.text && text !== this.token.seq) throw failure("bad_state", "co_end of another id");
    this.lane.reading.release(this);
    const { turn } = this.lane;
    turn.request(this.#answer);
    if (this.#answer.chain !== undefined && !turn.isClosed) this.lane.answerHeld();
    return true;
  }

  #acknowledge(): void {
    const { isExtended, seq, text } = this.token;
    const [begin, end] = isExtended ? [answerId(this.token, false, false), seq] : [text, text];
    const { turn, wire } = this.lane;
    wire.text(encodePacket("co_ack_begin", begin) + encodePacket("co_ack_end", end));
    this.#end();
    turn.release(this.#answer);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hosting.ended(this);
  }

  /** Nothing of it runs. */
  cancel(): void {}

  lose(): void {
    this.lane.turn.withdraw(this.#answer);
    this.#end();
  }
}

/** Whether the id is that of a hello. */
export function isHello(id: string): boolean {
  return id.startsWith(`${HELLO_SEQ};`);
}
