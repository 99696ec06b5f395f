/**
 * What the storm's server offers: an answer at once, and one that is held until the server is told to let go.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

export const weather = defineService({
  name: "weather",
  version: "1.0.0",
  methods: {
    twice: method({ params: { n: z.int() }, result: z.int(), idempotent: true }),
    held: method({ params: { n: z.int() }, result: z.int(), idempotent: true }),
  },
});

/** What is said between the programs, a line of JSON each. */
export interface ServerUsage {
  readonly connections: number;
  readonly held: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

export interface Heap {
  readonly heapBytes: number;
}

export interface Answered {
  readonly answered: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
}
