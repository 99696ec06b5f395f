/**
 * Ledger: the calls of a world and what became of each: when it was made, where and how often it landed, how it ended.
 * Counts while it writes what may never be too many.
 */
import type { HbiError } from "hbi";
import type { History } from "./history.ts";
import type { CallPlan } from "./plan.ts";

export interface Landing {
  readonly call: number;
  readonly part: number;
  /** "A2f": the second connection of link A, its far end; "answer" for a script in an answer */
  readonly at: string;
  readonly beganAtMs: number;
  /** which of all landings of the world it is */
  readonly order: number;
  endedAtMs: number | undefined;
  /** the value given; or the code of what was thrown */
  outcome: string | undefined;
  givenUpAtMs: number | undefined;
}

export interface CallRecord {
  readonly id: number;
  readonly plan: CallPlan;
  /** "A" for the link, "a" for the service's end towards it */
  readonly from: string;
  readonly invokedAtMs: number;
  readonly timeoutMs: number;
  /** whether a connection was there when it was made */
  readonly wasConnected: boolean;
  readonly landings: Landing[];
  abortedAtMs: number | undefined;
  /** a post is on the wire; the result of an answer with raw data is there */
  answeredAtMs: number | undefined;
  settledAtMs: number | undefined;
  settlements: number;
  /** when it failed: how long its connection had been quiet, and nobody at work there */
  quietMs: number;
  value: unknown;
  error: HbiError | undefined;
}

export interface Budget {
  readonly maxInFlight: number;
  readonly maxPostedInFlight: number;
}

export class Ledger {
  readonly calls: CallRecord[] = [];
  readonly violations: string[] = [];
  readonly #history: History;
  readonly #now: () => number;
  /** handlers at work, by the end of a connection */
  readonly #working = new Map<string, Set<Landing>>();
  readonly #lastWorkedMs = new Map<string, number>();
  mostAtWork = 0;
  #landings = 0;

  constructor(history: History, now: () => number) {
    this.#history = history;
    this.#now = now;
  }

  get unsettled(): number {
    return this.calls.filter(({ settlements }) => settlements === 0).length;
  }

  violated(check: string, what: string): void {
    this.violations.push(`${check}: ${what}`);
    this.#history.add("CHECK", `${check}: ${what}`);
  }

  invoked(from: string, plan: CallPlan, timeoutMs: number, wasConnected: boolean): CallRecord {
    const record: CallRecord = {
      id: this.calls.length,
      plan,
      from,
      invokedAtMs: this.#now(),
      timeoutMs,
      wasConnected,
      landings: [],
      abortedAtMs: undefined,
      answeredAtMs: undefined,
      settledAtMs: undefined,
      settlements: 0,
      quietMs: 0,
      value: undefined,
      error: undefined,
    };
    this.calls.push(record);
    const { way, method, parts, size } = plan;
    this.#history.add(from, `invoke ${record.id} ${way} ${method} parts=${parts} size=${size} within ${timeoutMs}`);
    return record;
  }

  aborted(record: CallRecord): void {
    record.abortedAtMs = this.#now();
    this.#history.add(record.from, `abort ${record.id}`);
  }

  answered(record: CallRecord): void {
    record.answeredAtMs = this.#now();
    this.#history.add(record.from, `answered ${record.id}`);
  }

  ok(record: CallRecord, value: unknown): void {
    this.#settled(record);
    record.value = value;
    this.#history.add(record.from, `ok ${record.id} ${JSON.stringify(value)}`);
  }

  fail(record: CallRecord, error: HbiError, quietMs: number): void {
    this.#settled(record);
    record.quietMs = quietMs;
    record.error = error;
    const landed = error.mayHaveLanded === undefined ? "" : ` mayHaveLanded=${error.mayHaveLanded}`;
    this.#history.add(record.from, `fail ${record.id} ${error.code} ${error.reason ?? "of the peer"}${landed}`);
  }

  #settled(record: CallRecord): void {
    record.settlements += 1;
    record.settledAtMs = this.#now();
  }

  landed(call: number, part: number, at: string, budget: Budget | undefined): Landing {
    const landing: Landing = {
      call,
      part,
      at,
      beganAtMs: this.#now(),
      order: this.#landings++,
      endedAtMs: undefined,
      outcome: undefined,
      givenUpAtMs: undefined,
    };
    this.#history.add(at, `land ${call}.${part}`);
    const record = this.calls[call];
    if (record === undefined) this.violated("landed", `a call that nobody made: ${call}`);
    else record.landings.push(landing);
    if (budget !== undefined) this.#count(landing, budget);
    return landing;
  }

  #count(landing: Landing, { maxInFlight, maxPostedInFlight }: Budget): void {
    const working = this.#working.get(landing.at) ?? new Set();
    this.#working.set(landing.at, working.add(landing));
    this.mostAtWork = Math.max(this.mostAtWork, working.size);
    if (working.size > maxInFlight) {
      this.violated("maxInFlight", `${working.size} handlers at work at ${landing.at}, ${maxInFlight} are allowed`);
    }
    // One that was given up is answered, and its place on the poster's side free.
    const awaited = [...working].filter(({ givenUpAtMs }) => givenUpAtMs === undefined).length;
    if (awaited > maxPostedInFlight) {
      this.violated(
        "maxPostedInFlight",
        `${awaited} of the poster's at work at ${landing.at}, not ${maxPostedInFlight}`,
      );
    }
  }

  givenUp(landing: Landing): void {
    landing.givenUpAtMs = this.#now();
    this.#history.add(landing.at, `given up ${landing.call}.${landing.part}`);
  }

  /** How long no handler has been at work there, nor anybody at a body of an answer. */
  idleMs(ends: readonly string[], callers: readonly string[]): number {
    let lastMs = 0;
    for (const { from, answeredAtMs, settledAtMs } of this.calls) {
      if (answeredAtMs === undefined || !callers.includes(from)) continue;
      if (settledAtMs === undefined) return 0;
      lastMs = Math.max(lastMs, settledAtMs);
    }
    for (const at of ends) {
      if ((this.#working.get(at)?.size ?? 0) > 0) return 0;
      lastMs = Math.max(lastMs, this.#lastWorkedMs.get(at) ?? 0);
    }
    return this.#now() - lastMs;
  }

  ended(landing: Landing, outcome: string): void {
    landing.endedAtMs = this.#now();
    landing.outcome = outcome;
    this.#working.get(landing.at)?.delete(landing);
    this.#lastWorkedMs.set(landing.at, this.#now());
    this.#history.add(landing.at, `end ${landing.call}.${landing.part} ${outcome}`);
  }
}
