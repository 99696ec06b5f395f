/** What the worker processes of the tests offer. */
import { defineService, method } from "hbi";
import { z } from "zod";

const ms = z.int().min(0).max(600_000);

export const office = defineService({
  name: "office",
  version: "1.0.0",
  methods: {
    pid: method({ params: {}, result: z.int(), idempotent: true }),
    /** takes this long, and gives the process that has done it */
    hold: method({ params: { ms }, result: z.int() }),
    /** the address of the caller, as the process sees it */
    caller: method({ params: {}, result: z.string(), idempotent: true }),
    /** how many consumers its process has */
    peers: method({ params: {}, result: z.int(), idempotent: true }),
    /** computes for this long: no other call of the process runs */
    block: method({ params: { ms } }),
    crash: method({ params: {} }),
    /** allocates until the process ends */
    fill: method({ params: {} }),
    /** Node's options of the process */
    options: method({ params: {}, result: z.array(z.string()), idempotent: true }),
  },
});
