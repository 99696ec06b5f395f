/**
 * GivenUp: posted conversations that were cancelled on the wire and have not ended. A peer that supports cancellation is
 * told; a peer that answers none of them is unresponsive.
 */
import { afterHearing, type Timer } from "../../clock.ts";
import { failure } from "../../errors.ts";
import { ignore } from "../waits.ts";
import { CANCEL } from "./builtin-names.ts";
import type { Connection } from "./connection.ts";
import type { PostedCo } from "./posted-co.ts";

export class GivenUp {
  readonly #connection: Connection;
  readonly #all = new Set<PostedCo>();
  /** runs while they occupy all slots, and the peer answers none */
  #silence: Timer | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add(co: PostedCo): void {
    if (this.#all.has(co)) return;
    this.#all.add(co);
    this.#watchSilence();
    if (this.#connection.posting.knowsExtension) this.#cancel(co);
  }

  /** It has ended. */
  remove(co: PostedCo): void {
    this.#all.delete(co);
  }

  /** The peer supports cancellation, as it turns out: nothing of them was told before. */
  tellAll(): void {
    for (const co of this.#all) this.#cancel(co);
  }

  #cancel({ seq }: PostedCo): void {
    if (this.#connection.isOpen) this.#connection.posting.say("cancel", `${CANCEL}("${seq}")`).catch(ignore); // the call was cancelled in any case
  }

  /** The peer has answered a conversation, or the connection is lost. */
  endSilence(): void {
    this.#silence?.cancel();
    this.#silence = undefined;
  }

  /** All slots are occupied by cancelled conversations. A peer that answers none of them within the time of a handler
   *  and of a gap is unresponsive.
   *  What has not been sent yet cannot be answered; the wire watches that. */
  #watchSilence(): void {
    const { clock, lane, limits, posting } = this.#connection;
    if (this.#all.size < posting.mostInFlight || this.#silence !== undefined) return;
    this.#silence = afterHearing(clock, limits.handlerTimeoutMs + limits.gapTimeoutMs, () => {
      this.#silence = undefined;
      if (lane.wire.bufferedBytes > 0) this.#watchSilence();
      else this.#connection.cut(failure("unresponsive"));
    });
  }
}
