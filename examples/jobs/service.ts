/**
 * The definition: what the service offers, and what it may call back on its consumers. Both programs import it, and so does the page
 * of examples/browser.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

export const ACTIONS = ["crc32", "sha256", "gzip", "lines"] as const;
export type Action = (typeof ACTIONS)[number];

/** The most bytes of a job. Its data is streamed, so it bounds the time of a job, and no memory. */
export const MAX_JOB_BYTES = 2e9;

const name = z.string().max(1_000);
const id = z.int().min(0);
export const JobResult = z.strictObject({ action: z.enum(ACTIONS), bytes: z.int(), result: z.string().max(100) });
export type JobResult = z.infer<typeof JobResult>;

export const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    do_job: method({
      params: { id, action: z.enum(ACTIONS), dataLen: z.int().min(0).max(MAX_JOB_BYTES) },
      body: ({ dataLen }) => dataLen, // the number of raw bytes that follow the call
      result: JobResult,
      limits: { call: { maxBodyBytes: MAX_JOB_BYTES } }, // more than other methods of a public service
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
