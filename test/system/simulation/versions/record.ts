/**
 * Record: what was tried and what came of it. Only what the world itself has cut may be lost.
 */
import { HbiError } from "hbi";

/** So long after a cut either end may still hand things to the connection. */
const AFTERMATH_MS = 5_000;

export class Record {
  /** "ping: ok" */
  readonly counts = new Map<string, number>();
  readonly violations: string[] = [];
  readonly #now: () => number;
  /** when the connections of a link were cut */
  readonly #cuts = new Map<string, number[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  violated(what: string): void {
    if (this.violations.length < 50) this.violations.push(`${Math.round(this.#now())} ms, ${what}`);
  }

  cut(link: string): void {
    this.count("cut");
    this.#cuts.set(link, [...(this.#cuts.get(link) ?? []), this.#now()]);
  }

  /** Runs it. Never rejects.
   *  @param expected "ok", or the codes of failures, or "draining" */
  async attempt<T>(
    link: string,
    what: string,
    expected: readonly string[],
    value: T,
    run: () => Promise<T>,
  ): Promise<void> {
    const startMs = this.#now();
    let outcome = "ok";
    let told = "";
    try {
      const given = await run();
      if (given !== value) outcome = `${String(given)} instead of ${String(value)}`;
    } catch (thrown) {
      outcome = thrown instanceof HbiError ? outcomeOf(thrown) : String(thrown);
      told = thrown instanceof HbiError ? ` (${thrown.reason}: ${thrown.message})` : "";
    }
    const isCut = outcome === "unavailable" && this.#wasCut(link, startMs);
    this.count(`${what}: ${isCut ? "cut" : outcome}`);
    if (!isCut && !expected.includes(outcome)) {
      this.violated(`${link}: ${what}: ${outcome}${told}, begun at ${Math.round(startMs)} ms`);
    }
  }

  #wasCut(link: string, sinceMs: number): boolean {
    return (this.#cuts.get(link) ?? []).some((atMs) => atMs >= sinceMs - AFTERMATH_MS);
  }
}

const outcomeOf = ({ code, reason }: HbiError): string => (reason === "draining" ? reason : code);
