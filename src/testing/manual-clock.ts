/**
 * A clock that stands still until the test advances it, so deadlines are tested without waiting. docs/testing.md.
 */

import { type Clock, systemClock, type Timer } from "../clock.ts";
import { failure } from "../errors.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  #heldUpMs = 0;
  readonly #timers = new Set<Due>();
  readonly #wakeListeners = new Set<() => void>();

  constructor(...options: readonly never[]) {
    if (options.length > 0) throw failure("bad_option", "ManualClock takes no options: it begins at 0");
  }

  now(): number {
    return this.#nowMs;
  }

  get heldUpMs(): number {
    return this.#heldUpMs;
  }

  /** Simulates an event loop that was blocked for this long, so that input was not handled. Does not advance the
   *  time. */
  holdUp(ms: number): void {
    this.#heldUpMs += ms;
  }

  onWake(listener: () => void): () => void {
    this.#wakeListeners.add(listener);
    return () => void this.#wakeListeners.delete(listener);
  }

  /** Simulates that the machine or the page has slept for this long: no timer has fired meanwhile, and those that are due fire after the
   *  links have learned of it. */
  async sleep(ms: number): Promise<void> {
    await quiet();
    this.#nowMs += ms;
    this.#heldUpMs += ms;
    for (const listener of [...this.#wakeListeners]) listener();
    await this.advance(0);
  }

  after(ms: number, run: () => void): Timer {
    const due = { atMs: this.#nowMs + ms, run };
    this.#timers.add(due);
    if (ms !== Number.POSITIVE_INFINITY) explainStandstill(this);
    return { cancel: () => this.#drop(due) };
  }

  #drop(due: Due): void {
    this.#timers.delete(due);
    if (this.#timers.size === 0) STANDING.delete(this);
  }

  soon(run: () => void): void {
    systemClock.soon(run);
  }

  endOfTurn(run: () => void): void {
    systemClock.endOfTurn(run);
  }

  /** The number of pending timers; completed work leaves none. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Advances the time, runs due timers in order, and lets their consequences happen. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (await quiet(); ; await quiet()) {
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#drop(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
    await quiet();
  }
}

/** What Node provides. */
interface Process {
  exitCode?: unknown;
  on(event: "exit", listener: () => void): void;
}

const { process }: { readonly process?: Process } = globalThis as never; // checked before it is used
/** The exit code of Node for a program whose `await` can never end. */
const NEVER_ENDS = 13;
/** Clocks with pending timers. */
const STANDING = new Set<ManualClock>();
let isExplaining = false;

/** A wait for a clock that nobody advances keeps no process alive. Node then ends it without a word. */
function explainStandstill(clock: ManualClock): void {
  STANDING.add(clock);
  if (isExplaining || typeof process?.on !== "function") return;
  isExplaining = true;
  process.on("exit", () => {
    const [standing] = STANDING;
    if (process.exitCode !== NEVER_ENDS || standing === undefined) return;
    console.error(
      `hbi/testing: the program waits for something that a ManualClock must end, and nobody advances it. ` +
        `Timers pending: ${standing.timerCount}. Call \`advance(ms)\` before you await.`,
    );
    process.exitCode = 1;
  });
}

/** Lets pending work in memory settle, for this many turns of the event loop. */
export async function quiet(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => systemClock.soon(resolve));
}
