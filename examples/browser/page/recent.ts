/**
 * The values of the last seconds, for rates and percentiles.
 */
export class Recent {
  readonly #windowMs: number;
  #entries: { readonly at: number; readonly value: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(value: number): void {
    this.#entries.push({ at: performance.now(), value });
  }

  get values(): number[] {
    const since = performance.now() - this.#windowMs;
    this.#entries = this.#entries.filter(({ at }) => at >= since);
    return this.#entries.map(({ value }) => value);
  }

  perSecond(): number {
    return this.values.reduce((sum, value) => sum + value, 0) / (this.#windowMs / 1_000);
  }

  /** @param share 0.99 for p99 @returns undefined if there are no values */
  quantile(share: number): number | undefined {
    const sorted = this.values.sort((a, b) => a - b);
    return sorted[Math.ceil(sorted.length * share) - 1];
  }
}
