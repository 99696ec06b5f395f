/**
 * Heap: what a long text of an input takes of the heap when it has been read, for each of its characters. It is bounded whatever the text
 * contains.
 */

import { heldBytes } from "../../test/support/heap.ts";
import { Random } from "../../test/system/simulation/random.ts";
import { mutated } from "./mutation.ts";
import type { Held, Target } from "./target.ts";

/** What any text may take beside that: the engine keeps the shapes of objects, code, and names. */
const FREE_BYTES = 65_536;

export class Heap {
  readonly #target: Target;
  readonly #words: readonly Uint8Array[];
  #looks = 0;
  /** The most bytes for each character that were seen, and of what. */
  worst: { readonly input: Uint8Array; readonly bytesPerChar: number } | undefined;

  constructor(target: Target) {
    this.#target = target;
    const encoder = new TextEncoder();
    this.#words = target.words.map((word) => encoder.encode(word));
  }

  /** Looks at the input, and at what was worst until now, changed a little: so it climbs. Gives the input that takes more than it may. */
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

/** The least of several where it is more than any before: the engine may have kept something of its own. */
function measured({ chars, read }: Held, most: number): number {
  let least = heldBytes(read);
  for (let i = 0; i < 2 && least > FREE_BYTES + most * chars; i++) least = Math.min(least, heldBytes(read));
  return least;
}

/** The text again and again, up to `most` characters, as an array; undefined if it is none or too long. */
export function inArray(text: string, most = 32_768): string | undefined {
  const count = Math.floor(most / (text.length + 1));
  return count === 0 ? undefined : `[${new Array(count).fill(text).join(",")}]`;
}
