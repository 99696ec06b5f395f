/**
 * The service of the soak: small calls for the most part, and some of everything else that a connection can carry.
 */
import { defineService, type LimitOptions, method } from "hbi";
import { z } from "zod";

const size = z.int().min(0).max(1_000_000);
const body = ({ size }: { size: number }): number => size;
const n = z.int();

export const soaked = defineService({
  name: "soaked",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: n, b: n }, result: n }),
    note: method({ params: { n } }),
    /** how many notes have landed on this connection */
    noted: method({ params: {}, result: n }),
    upload: method({ params: { size, fill: n }, body, result: n }),
    download: method({ params: { size, fill: n }, result: z.strictObject({ size }), resultBody: body }),
    exchange: method({ params: { size, fill: n }, body, result: z.strictObject({ size }), resultBody: body }),
    /** Posts `told` and calls `asked` back, then returns. */
    push: method({ params: { n }, result: n }),
    /** Is at work until the caller gives up. */
    hold: method({ params: {}, result: n }),
    /** Ends the connection. */
    drop: method({ params: {} }),
  },
  reactions: {
    told: method({ params: { n } }),
    asked: method({ params: { n }, result: n }),
  },
});
export type Soaked = typeof soaked;

export const LIMITS: LimitOptions = { acceptsPerSecond: 1_000 };

/** What a body of this size holds. */
export function filled(size: number, fill: number): Uint8Array {
  return new Uint8Array(size).fill(fill & 0xff);
}

/** @throws Error when a byte of it is another */
export async function countFilled(body: AsyncIterable<Uint8Array>, fill: number): Promise<number> {
  let bytes = 0;
  for await (const chunk of body) {
    if (Buffer.compare(chunk, filled(chunk.length, fill)) !== 0) throw new Error(`a body is damaged behind ${bytes}`);
    bytes += chunk.length;
  }
  return bytes;
}
