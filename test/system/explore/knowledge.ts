/**
 * Knowledge: whether `mayHaveLanded: true` was justified. All that a caller's side knows is what it has read and written. If the handler
 * ran in none of the runs in which that side has read and written the same, the call has provably not landed, and the error should have
 * said so.
 */
import type { Run } from "./run.ts";

interface Claim {
  /** the first state in which it was made */
  readonly state: number;
  readonly what: string;
  isPossible: boolean;
}

export class Knowledge {
  readonly #claims = new Map<string, Claim>();

  /** Adds a state. */
  learn({ ledger, world: { plain } }: Run, state: number): void {
    if (plain !== undefined) return; // without the extension nothing is known of how the peer ends a connection
    for (const { id, name, knowledge, landings, plan } of ledger.calls) {
      // Nobody can know that a handler always returns at once, so that a missing answer would prove that it never began.
      if (knowledge === undefined || plan.handler?.[0] !== "wait") continue;
      const key = `${id}\n${knowledge}`;
      let claim = this.#claims.get(key);
      if (claim === undefined) {
        claim = {
          state,
          what: `${name} has landed in no run that looks the same to its caller`,
          isPossible: false,
        };
        this.#claims.set(key, claim);
      }
      claim.isPossible ||= landings.length > 0;
    }
  }

  falsehoods(): [state: number, what: string][] {
    return [...this.#claims.values()].filter(({ isPossible }) => !isPossible).map(({ state, what }) => [state, what]);
  }
}
