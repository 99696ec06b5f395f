/**
 * The bytes behind an id: both sides know them, so every part of a body can be compared as it comes.
 */
import { createCipheriv, createHash } from "node:crypto";
import type { Random } from "../simulation/random.ts";

export class Content {
  readonly #cipher;

  constructor(id: string) {
    this.#cipher = createCipheriv("aes-128-ctr", createHash("md5").update(id).digest(), Buffer.alloc(16));
  }

  next(length: number): Buffer {
    return this.#cipher.update(Buffer.alloc(length));
  }
}

export function checksum(id: string, size: number): string {
  return createHash("sha256").update(new Content(id).next(size)).digest("hex");
}

/** In chunks of any length. */
export function* chunksOf(id: string, size: number, random: Random): Generator<Uint8Array> {
  const content = new Content(id);
  for (let left = size; left > 0; ) {
    const length = Math.min(left, random.between(1, 40_000));
    yield content.next(length);
    left -= length;
  }
}

/** Reads all of it; gives its checksum. @throws Error at the first chunk that differs */
export async function readExactly(id: string, size: number, body: AsyncIterable<Uint8Array>): Promise<string> {
  const content = new Content(id);
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of body) {
    if (content.next(chunk.length).compare(chunk) !== 0) throw new Damage(`${id}: differs behind byte ${length}`);
    hash.update(chunk);
    length += chunk.length;
  }
  if (length !== size) throw new Damage(`${id}: ${length} bytes of ${size}`);
  return hash.digest("hex");
}

export class Damage extends Error {}
