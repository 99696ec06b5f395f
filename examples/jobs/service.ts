/**
 * The definition: what the service offers, and what it may call back on its consumers. Both programs import it.
 */
import { defineService, method } from "hbi";
import { z } from "zod";
import { ACTIONS } from "./actions.ts";

const name = z.string().max(1_000);
const id = z.int().min(0);
const JobResult = z.strictObject({ action: z.enum(ACTIONS), bytes: z.int(), result: z.string() });

export const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    do_job: method({
      params: { id, action: z.enum(ACTIONS), dataLen: z.int().min(0).max(8e6) },
      body: ({ dataLen }) => dataLen, // the number of raw bytes that follow the call
      result: JobResult,
      idempotent: true, // the link may send it again after a lost connection
    }),
    largest_part: method({ params: {}, result: name, idempotent: true }),
    check_part: method({
      params: { name },
      result: z.strictObject({ name, size: z.int(), sha256: z.string() }),
      idempotent: true,
    }),
    fetch_part: method({
      params: { name },
      result: z.strictObject({ size: z.int() }),
      resultBody: ({ size }) => size, // the number of raw bytes that follow the result
      idempotent: true,
    }),
  },
  reactions: {
    job_done: method({ params: { id, result: JobResult } }),
  },
});
