/**
 * Ledger: what became of every call: who has run it, what its caller was told. The counts must add up, and `mayHaveLanded` be true.
 */
import { HbiError } from "hbi";
import { explained } from "../../support/rows.ts";

interface Entry {
  /** handlers that have run it */
  runs: number;
  outcome: "open" | "answered" | "refused" | "failed";
  mayHaveLanded: boolean | undefined;
  words: string;
}

export interface Rules {
  /** so many may fail at the most, truthfully; by default none */
  readonly mayFail?: number;
  /** more are begun than a bounded queue takes: some may be refused */
  readonly mayBeRefused?: boolean;
  /** calls that were on the wire when a network went: what was told of them need not have run */
  readonly mayBeUnknown?: number;
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #damage: string[] = [];
  /** told of each call that a handler begins */
  onRun: (id: string) => void = () => undefined;
  #settled = 0;
  #waiting: { readonly until: number; readonly tell: () => void }[] = [];

  get settled(): number {
    return this.#settled;
  }

  /** By its handler. */
  ran(id: string): void {
    this.#entry(id).runs += 1;
    this.onRun(id);
  }

  /** Makes the call, and writes down what it is told. Never rejects. */
  async make(id: string, call: () => Promise<unknown>): Promise<void> {
    const entry = this.#entry(id);
    try {
      await call();
      entry.outcome = "answered";
    } catch (thrown) {
      entry.outcome = thrown instanceof HbiError && thrown.code === "resource_exhausted" ? "refused" : "failed";
      entry.words = explained(thrown);
      if (thrown instanceof HbiError) entry.mayHaveLanded = thrown.mayHaveLanded;
      else this.#damage.push(`${id}: ${entry.words}`);
    }
    this.#settled += 1;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ until }) => until > this.#settled);
    for (const { until, tell } of waiting) if (until <= this.#settled) tell();
  }

  /** Resolves when so many calls have been settled. */
  whenSettled(count: number): Promise<void> {
    if (this.#settled >= count) return Promise.resolve();
    return new Promise((tell) => this.#waiting.push({ until: count, tell }));
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { runs: 0, outcome: "open", mayHaveLanded: undefined, words: "" };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  /** @throws Error what does not add up */
  verify({ mayFail = 0, mayBeRefused = false, mayBeUnknown = 0 }: Rules = {}): string {
    const counts = new Map<string, number>();
    const wrong = new Map<string, number>();
    const add = (to: Map<string, number>, what: string): void => void to.set(what, (to.get(what) ?? 0) + 1);
    let failed = 0;
    let unknown = 0;
    for (const { outcome, runs, mayHaveLanded, words } of this.#entries.values()) {
      add(counts, outcome === "failed" ? `failed, mayHaveLanded ${mayHaveLanded}, ran ${runs} times` : outcome);
      if (outcome === "open") add(wrong, "never settled");
      if (runs > 1) add(wrong, `ran ${runs} times`);
      if (outcome === "answered" && runs === 0) add(wrong, "answered, and never ran");
      if (outcome === "refused" && !mayBeRefused) add(wrong, `refused: ${words}`);
      if (outcome !== "failed") continue;
      failed += 1;
      if (mayHaveLanded !== true && runs > 0) add(wrong, `said that it has not landed, and ran: ${words}`);
      if (mayHaveLanded === true && runs === 0 && ++unknown > mayBeUnknown) {
        add(wrong, `said that it may have landed, and no handler ran: ${words}`);
      }
      if (failed > mayFail) add(wrong, `lost: ${words}`);
    }
    const list = (of: Map<string, number>): string => [...of].map(([what, count]) => `${count} ${what}`).join(", ");
    const total = `${this.#entries.size} calls: ${list(counts)}`;
    if (this.#damage.length > 0) throw new Error(`${total}; ${this.#damage.slice(0, 3).join("; ")}`);
    if (wrong.size > 0) throw new Error(`${total}; ${list(wrong)}`);
    return total;
  }
}
