/**
 * What the two programs agree on: the methods of the service and the reaction of its consumers.
 */
import { method } from "hbi";
import { z } from "zod";
import { ACTIONS } from "../jobs/service.ts";

export const JobResult = z.strictObject({ action: z.enum(ACTIONS), bytes: z.int(), result: z.string() });

const params = {
  action: z.enum(ACTIONS),
  data_len: z
    .int()
    .min(0)
    .max(64 * 1024 * 1024),
};
const body = ({ data_len }: { data_len: number }) => data_len;

/** Offered by the service: both take `data_len` raw bytes. */
export const service = {
  /** Answered by a script, `job_done({...})`: the consumer posts continuously and reacts. */
  do_job: method({ params, body }),
  /** Answered by an object: the consumer waits for it, one job at a time. */
  run_job: method({ params, body, result: JobResult }),
};

/** Offered by a consumer. */
export const consumer = {
  job_done: method({ params: { result: JobResult } }),
};
