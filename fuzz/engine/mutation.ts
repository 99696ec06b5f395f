/**
 * Mutation: changes an input a little, as a fuzzer without coverage does; and minimises one.
 */
import type { Random } from "../../test/system/simulation/random.ts";

const MAX_BYTES = 4_096;

/** Repeated according to their usefulness. */
const CHANGES = [
  ...(["flip", "flip", "flip", "set", "set", "cut", "cut", "cut"] as const),
  ...(["double", "double", "splice", "splice", "word", "word", "word", "word"] as const),
] as const;

const LENGTHS = [1, 2, 8, 64] as const;
const NO_WORD = new TextEncoder().encode("0");

export function mutated(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
  words: readonly Uint8Array[],
): Uint8Array {
  let bytes = input;
  for (let left = random.between(1, 4); left > 0; left--) bytes = once(random, bytes, other, words);
  return bytes.subarray(0, MAX_BYTES);
}

function once(random: Random, bytes: Uint8Array, other: Uint8Array, words: readonly Uint8Array[]): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = random.between(1, random.pick(LENGTHS));
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(at);
  switch (CHANGES[random.below(CHANGES.length)] ?? "flip") {
    case "flip":
      return changed(bytes, at, (byte) => byte ^ (1 << random.below(8)));
    case "set":
      return changed(bytes, at, () => random.pick([0, 0x0a, 0x20, 0x7f, 0x80, 0xff, random.below(256)]));
    case "cut":
      return joined(head, tail.subarray(length));
    case "double":
      return joined(head, tail.subarray(0, length), tail);
    case "splice": {
      const from = random.below(other.length + 1);
      return joined(head, other.subarray(from, from + length), tail);
    }
    case "word":
      return joined(head, words[random.below(Math.max(words.length, 1))] ?? NO_WORD, tail);
  }
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice();
  if (at < copy.length) copy[at] = change(copy[at] ?? 0);
  return copy;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Removes pieces, large ones first, and simplifies bytes, as long as the input still fails. */
export async function smaller(input: Uint8Array, fails: (input: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
  let best = input;
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < best.length; ) {
      const fewer = joined(best.subarray(0, from), best.subarray(from + size));
      if (await fails(fewer)) best = fewer;
      else from += size;
    }
  }
  for (let at = 0; at < best.length; at++) {
    for (const plain of [0, 0x30, 0x61]) {
      if ((best[at] ?? 0) <= plain) continue;
      const plainer = changed(best, at, () => plain);
      if (await fails(plainer)) {
        best = plainer;
        break;
      }
    }
  }
  return best;
}
