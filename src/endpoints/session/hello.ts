/**
 * Hello: the conversation with which a peer introduces itself. It contains only a token, which declares the extension
 * and what this side accepts. Any host acknowledges it. docs/protocol.md, section 7.
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import { encodePacket, type Packet } from "../../wire/packet.ts";
import { HELLO_SEQ, helloToken, seqOf } from "../conversation/token.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import type { Wait, WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import { typedLayerOf } from "./hosting-env.ts";

export class Hello implements BracketReader, TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly label = "hello";
  readonly wantsRaw = false;
  readonly wantsPacket = true;
  readonly #connection: Connection;
  #state: "waiting" | "sent" | "answering" | "done" = "waiting";
  #waits: Wait<void>[] | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Whether the peer has acknowledged it, or never will. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  say(): void {
    this.#connection.lane.turn.request(this);
  }

  granted(): void {
    const { env, lane, limits, offersLanes } = this.#connection;
    const mostPacketBytes = this.#connection.mostPacketBytes();
    const id = helloToken(limits, mostPacketBytes, typedLayerOf(env)?.definition?.(), offersLanes);
    this.#state = "sent";
    lane.wire.text(encodePacket("co_begin", id) + encodePacket("co_end", id));
    lane.turn.release(this);
  }

  /** Resolves when it is acknowledged. */
  async acknowledged(options: WaitOptions): Promise<void> {
    if (this.isDone) return;
    const wait = this.#connection.waits.start<void>(options, { isHearing: true });
    this.#waits ??= [];
    this.#waits.push(wait);
    await wait.promise;
  }

  answerBegins(): void {
    if (this.#state !== "sent") throw failure("bad_state", "co_ack_begin of an unknown id");
    this.#state = "answering";
  }

  checkPosition(): void {}

  takeRaw(): boolean {
    return false;
  }

  onPacket({ directive, text }: Packet): boolean {
    // The error of a peer that refuses even this, which is no reason to close.
    if (directive === "co_recv") return true;
    if (directive !== "co_ack_end" || seqOf(text) !== String(HELLO_SEQ)) {
      throw failure("bad_state", `${directive === "" ? "code" : directive} in the answer to the hello`);
    }
    this.#connection.lane.reading.release(this);
    this.#end();
    return true;
  }

  lose(error: HbiError): void {
    this.#connection.lane.turn.withdraw(this);
    for (const wait of this.#waits ?? []) wait.fail(error);
    this.#waits = undefined;
    this.#state = "done";
  }

  #end(): void {
    this.#state = "done";
    for (const wait of this.#waits ?? []) wait.settle();
    this.#waits = undefined;
    this.#connection.posting.introduced();
  }
}
