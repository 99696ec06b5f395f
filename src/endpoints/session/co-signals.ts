/**
 * The signals of a conversation, for its handlers. Created on first use: most handlers need none.
 */
import type { HbiError } from "../../errors.ts";
import type { Connection } from "./connection.ts";

export class CoSignals {
  readonly #connection: Connection;
  #cancelled: AbortController | undefined;
  #draining: AbortController | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @param failure why the conversation has failed, if it has */
  cancelled(failure: HbiError | undefined): AbortSignal {
    this.#cancelled ??= this.#connection.abortController();
    if (failure !== undefined) this.#cancelled.abort(failure);
    return this.#cancelled.signal;
  }

  /** @param isOver the conversation has ended */
  draining(isOver: boolean): AbortSignal {
    this.#draining ??= this.#connection.heedDraining();
    if (isOver) this.end();
    return this.#draining.signal;
  }

  /** The conversation has failed. */
  cancel(error: HbiError): void {
    this.#cancelled?.abort(error);
  }

  /** The conversation has ended: it heeds draining no more. */
  end(): void {
    if (this.#draining !== undefined) this.#connection.forgetDraining(this.#draining);
  }
}
