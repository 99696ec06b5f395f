/**
 * CallRecord: what logs tell of one call, gathered while its conversation lasts. docs/handlers.md, "Logs".
 */
import { type HbiError, oneLine } from "../../errors.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import type { Lane } from "../lane/lane.ts";
import { type CallSummary, isOwnMessage } from "./call-log.ts";
import type { Connection } from "./connection.ts";

export class CallRecord {
  /** the methods of its last script; undefined without a script */
  method: string | undefined;
  /** why it failed */
  error: HbiError | undefined;
  readonly #connection: Connection;
  readonly #lane: Lane;
  readonly #direction: "in" | "out";
  readonly #conversation: string;
  readonly #beganAt: number;
  #readFrom: number;
  /** what was read in all; undefined until everything was */
  #bytesIn: number | undefined;

  /** @param beganAt when it arrived or was made */
  constructor(
    connection: Connection,
    lane: Lane,
    direction: "in" | "out",
    conversation: string,
    beganAt = connection.clock.now(),
  ) {
    this.#connection = connection;
    this.#lane = lane;
    this.#direction = direction;
    this.#conversation = conversation;
    this.#beganAt = beganAt;
    this.#readFrom = lane.reading.consumedBytes;
    if (direction === "out") this.#bytesIn = 0; // without an answer
  }

  /** The answer of a posted conversation begins here. */
  answerBegins(): void {
    this.#readFrom = this.#lane.reading.consumedBytes;
  }

  /** Everything was read. */
  readToEnd(): void {
    this.#bytesIn = this.#lane.reading.consumedBytes - this.#readFrom;
  }

  /** Notes why it failed first, and reports each failure. */
  failed(error: HbiError, bytesOut: number, env: HostingEnv): void {
    this.error ??= error;
    this.#connection.report(error, `conversation ${this.#conversation}`, this.#summary(bytesOut), env);
  }

  #summary(bytesOut: number): CallSummary {
    const { clock, remoteAddress } = this.#connection;
    return {
      direction: this.#direction,
      method: oneLine(this.method ?? ""),
      conversation: oneLine(this.#conversation),
      peer: oneLine(remoteAddress),
      durationMs: clock.now() - this.#beganAt,
      bytesIn: this.#bytesIn ?? this.#lane.reading.consumedBytes - this.#readFrom,
      bytesOut,
    };
  }

  /** Logs the call. Not a conversation without a script, and not a message of the library. */
  end(bytesOut: number, env: HostingEnv): void {
    if (this.method === undefined || isOwnMessage(this.method)) return;
    this.#connection.callEnded(this.#summary(bytesOut), this.error, env);
  }
}
