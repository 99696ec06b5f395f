/**
 * Pace: so often a second and no more, evenly.
 */
export class Pace {
  readonly #everyMs: number;
  #nextMs = 0;

  constructor(perSecond: number) {
    this.#everyMs = 1_000 / perSecond;
  }

  /** Whether it may be now. */
  take(): boolean {
    const now = performance.now();
    if (now < this.#nextMs) return false;
    this.#nextMs = now + this.#everyMs;
    return true;
  }
}
