/**
 * What a page asks a server for in these tests, and what the server asks the page.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

const size = z.int().min(0).max(2e9);

export const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
    /** the sum of all bytes */
    put: method({ params: { size }, body: ({ size }) => size, result: z.strictObject({ size, sum: z.number() }) }),
    load: method({ params: { size }, result: z.strictObject({ size }), resultBody: ({ size }) => size }),
    fail: method({ params: {}, result: z.string() }),
    /** pushes numbers, then asks the page */
    push: method({ params: { count: z.int() }, result: z.string() }),
  },
  reactions: {
    told: method({ params: { n: z.int() } }),
    asked: method({ params: { question: z.string() }, result: z.string() }),
  },
});

/** of the body of `load`, and of what is put */
export const byteAt = (at: number): number => (at * 7) % 251;
