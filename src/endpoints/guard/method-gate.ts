/**
 * MethodGate: limits how many handlers of one method run at once, on all connections of a server. Further calls wait in
 * order of arrival. docs/services.md, "concurrency".
 */
import { Chain, type Chained } from "../../chain.ts";
import { failure } from "../../errors.ts";
import { isPromise } from "../../registry/promised.ts";

/** What the gate needs to know of a waiting call. */
export interface Gated {
  readonly signal: AbortSignal;
}

class Waiting implements Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly begin: () => void;
  constructor(begin: () => void) {
    this.begin = begin;
  }
}

export class MethodGate {
  readonly #most: number;
  readonly #waiting = new Chain<Waiting>();
  #running = 0;
  #isAdmitting = false;

  /** @throws HbiError invalid_argument unless `most` is a positive integer */
  constructor(name: string, most: number) {
    if (!Number.isSafeInteger(most) || most < 1)
      throw failure("bad_option", `concurrency.${name} must be a positive integer`);
    this.#most = most;
  }

  /** Runs the handler now or when a slot is free; does not run it if the call is cancelled meanwhile. */
  run(call: Gated, handler: () => unknown): unknown {
    const { signal } = call;
    if (signal.aborted) throw failure("cancelled", undefined, { cause: signal.reason });
    if (this.#running < this.#most) return this.#begin(handler);
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(() => {
        signal.removeEventListener("abort", giveUp);
        try {
          resolve(this.#begin(handler));
        } catch (thrown) {
          reject(thrown);
        }
      });
      const giveUp = (): void => {
        this.#waiting.remove(waiting);
        reject(failure("cancelled", undefined, { cause: signal.reason }));
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #begin(handler: () => unknown): unknown {
    this.#running += 1;
    let result: unknown;
    let isWaiting = false;
    try {
      result = handler();
      isWaiting = isPromise(result); // the check may run code of the handler's result
    } finally {
      if (!isWaiting) this.#end();
    }
    if (!isWaiting) return result;
    return Promise.resolve(result).finally(() => this.#end()); // it may be any thenable
  }

  /** A loop instead of a recursion, because thousands of waiting handlers may end at once. */
  #end(): void {
    this.#running -= 1;
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    while (this.#running < this.#most && this.#waiting.size > 0) this.#waiting.shift()?.begin();
    this.#isAdmitting = false;
  }
}
