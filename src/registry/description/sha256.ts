/**
 * SHA-256 (FIPS 180-4), synchronous and portable, for the content hash of a description.
 *
 * Written by hand on purpose: `crypto.subtle.digest` returns a promise and is missing on pages without TLS, but
 * `describeService` is synchronous and public. A library would be a second dependency of the portable entry. The input
 * is short and public, so neither speed nor timing matters. The tests compare it with the platform's implementation for
 * every length around the block size.
 */

/** The first 32 bits of the fractional parts of the roots of the first primes, as in the standard. 35 bits of the root
 *  are needed and a double has 53, so the result does not depend on an engine's rounding. */
function fractions(count: number, root: number): Uint32Array {
  const words = new Uint32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate++) {
    if (!isPrime(candidate)) continue;
    const power = candidate ** (1 / root);
    words[found++] = (power - Math.floor(power)) * 2 ** 32;
  }
  return words;
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) return false;
  return true;
}

const ROUND = fractions(64, 3);
const START = fractions(8, 2);

/** The hash of the text's UTF-8, or of the bytes, in lower-case hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor((bytes.length * 8) / 2 ** 32));
  view.setUint32(padded.length - 4, bytes.length * 8);
  const state = Uint32Array.from(START);
  const words = new Uint32Array(64);
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(offset + i * 4);
    compress(state, words);
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

function compress(state: Uint32Array, words: Uint32Array): void {
  const at = (i: number) => words[i] as number; // i is below 64
  for (let i = 16; i < 64; i++) {
    const early = at(i - 15);
    const late = at(i - 2);
    const low = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const high = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    words[i] = at(i - 16) + low + at(i - 7) + high;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const chosen = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + chosen + (ROUND[i] as number) + at(i);
    const two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = (state[i] as number) + word;
  });
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
