/**
 * What a worker does for the thread that has started it, and what it asks of it.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

export const primes = defineService({
  name: "primes",
  version: "1.0.0",
  methods: {
    count: method({ params: { below: z.int().max(100_000_000) }, result: z.int() }),
    crash: method({ params: {} }),
  },
  reactions: { progress: method({ params: { percent: z.int() } }) },
});

export const settings = defineService({
  name: "settings",
  version: "1.0.0",
  methods: { read: method({ params: { name: z.string() }, result: z.string().nullable() }) },
});
