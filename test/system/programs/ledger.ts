/** The definition of a service that writes down what it was asked to do. */
import { defineService, method } from "hbi";
import { z } from "zod";

export const ledger = defineService({
  name: "ledger",
  version: "1.0.0",
  methods: {
    /** Writes `id` down after a while, once for each time that it is landed. */
    record: method({ params: { id: z.string().max(64), delayMs: z.int().min(0).max(60_000) }, result: z.string() }),
    /** The same, for a call that may come twice. */
    put: method({
      params: { id: z.string().max(64), delayMs: z.int().min(0).max(60_000) },
      result: z.string(),
      idempotent: true,
    }),
  },
});

export const LIMITS = { maxInFlight: 200, maxPostedInFlight: 200 };
