import { defineService, method } from "hbi";
import { z } from "zod";

export const hashing = defineService({
  name: "hashing",
  version: "1.0.0",
  methods: {
    hash: method({
      params: { algorithm: z.string().max(20), size: z.int().min(0).max(1e7) },
      body: ({ size }) => size, // the number of raw bytes that follow the call
      result: z.string(),
    }),
  },
  reactions: {
    hashed: method({ params: { algorithm: z.string(), ms: z.number() } }), // what the server may call on a client
  },
});
