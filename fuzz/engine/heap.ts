/**
 * Heap: the heap bytes per character that a long text takes after it was read. They are bounded regardless of the text.
 */

import { heldBytes } from "../../test/support/heap.ts";
import { Random } from "../../test/system/simulation/random.ts";
import { mutated } from "./mutation.ts";
import type { Held, Target } from "./target.ts";

/** What any text may take in addition: the engine stores shapes of objects, code and names. */
const FREE_BYTES = 65_536;

export class Heap {
  readonly #target: Target;
  readonly #words: readonly Uint8Array[];
  #looks = 0;
  /** The most bytes per character so far, and their input. */
  worst: { readonly input: Uint8Array; readonly bytesPerChar: number } | undefined;

  constructor(target: Target) {
    this.#target = target;
    const encoder = new TextEncoder();
    this.#words = target.words.map((word) => encoder.encode(word));
  }

  /** Measures the input, and a mutation of the worst one so far, so that the search climbs. Returns an input that
   *  exceeds the bound. */
  look(input: Uint8Array, seed: number): { readonly input: Uint8Array; readonly why: string } | undefined {
    this.#looks += 1;
    const changed = this.worst && mutated(new Random(seed, this.#looks, 3), this.worst.input, input, this.#words);
    for (const candidate of changed === undefined ? [input] : [input, changed]) {
      const held = this.#target.held?.(candidate);
      if (held === undefined) continue;
      const bytes = measured(held, this.worst?.bytesPerChar ?? 0);
      const bytesPerChar = Math.max(bytes - FREE_BYTES, 0) / held.chars;
      if (bytesPerChar > (this.worst?.bytesPerChar ?? -1)) this.worst = { input: candidate.slice(), bytesPerChar };
      const most = this.#target.maxBytesPerChar ?? 0;
      const why = `${bytes} bytes are held of ${held.chars} characters, ${most} each are allowed`;
      if (bytesPerChar > most) return { input: candidate, why };
    }
    return undefined;
  }
}

/** The minimum of several measurements for a new maximum, because the engine may have kept data of its own. */
function measured({ chars, read }: Held, most: number): number {
  let least = heldBytes(read);
  for (let i = 0; i < 2 && least > FREE_BYTES + most * chars; i++) least = Math.min(least, heldBytes(read));
  return least;
}

/** The repeated text, up to `most` characters, as an array; undefined if it is not a value or too long. */
export function inArray(text: string, most = 32_768): string | undefined {
  const count = Math.floor(most / (text.length + 1));
  return count === 0 ? undefined : `[${new Array(count).fill(text).join(",")}]`;
}
