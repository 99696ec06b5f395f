/**
 * Scratch: a buffer into which borrowed raw data is copied before the platform gets it. All wires share a few: the platform
 * usually takes data at once, so a buffer is free again and still in the processor's cache, and the copy costs almost
 * nothing.
 */

/** Kept for the next use. */
const MOST_SPARE = 3;
const spare: ArrayBuffer[] = [];

export class Scratch {
  readonly #size: number;
  #buffer: ArrayBuffer | undefined;
  #used = 0;

  /** @param size in bytes; the same for all */
  constructor(size: number) {
    this.#size = size;
  }

  get room(): number {
    return this.#size - this.#used;
  }

  get isFull(): boolean {
    return this.#used === this.#size;
  }

  /** @param view at most as long as there is room */
  copyOf(view: Uint8Array): Uint8Array {
    this.#buffer ??= spare.pop() ?? new ArrayBuffer(this.#size);
    const copy = new Uint8Array(this.#buffer, this.#used, view.length);
    copy.set(view);
    this.#used += view.length;
    return copy;
  }

  /** Its content is no longer used. */
  giveBack(): void {
    if (this.#buffer !== undefined && spare.length < MOST_SPARE) spare.push(this.#buffer);
    this.#buffer = undefined;
  }
}
