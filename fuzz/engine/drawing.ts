/**
 * Drawing: decisions and values drawn from the bytes of an input, so that a mutation of the bytes changes the run.
 * After the last byte, what is drawn derives from all bytes.
 */
import fc from "fast-check";

export class Drawing {
  readonly #bytes: Uint8Array;
  #at = 0;
  #state = 0x9e3779b9;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (const byte of bytes) this.#state = Math.imul(this.#state ^ byte, 0x01000193);
  }

  /** Whether bytes are left. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** 0 to 255 */
  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte !== undefined) {
      this.#at += 1;
      return byte;
    }
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state & 0xff;
  }

  /** From 0 to `bound` - 1; `bound` is at most 65,536. */
  below(bound: number): number {
    return (bound > 256 ? this.byte() * 256 + this.byte() : this.byte()) % bound;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  /** The rest of the input. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return rest;
  }

  /** A value of the arbitrary. */
  value<T>(arbitrary: fc.Arbitrary<T>): T {
    const uint32 = () => (this.byte() << 24) | (this.byte() << 16) | (this.byte() << 8) | this.byte();
    const source = { clone: () => source, next: uint32, getState: () => [] };
    return arbitrary.generate(new fc.Random(source as never), undefined).value; // has the interface of pure-rand's generators
  }
}
