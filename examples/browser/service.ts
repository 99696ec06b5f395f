/**
 * The definition, which the server and the page import: two members of the jobs service, and what a page wants beside them.
 */
import { defineService, method } from "hbi";
import { z } from "zod";
import { jobs } from "../jobs/service.ts";

const count = z.int().min(0);
const Figures = z.strictObject({ pages: count, running: count, done: count, cancelled: count, failed: count });
export type Figures = z.infer<typeof Figures>;

export const desk = defineService({
  name: "desk",
  version: "1.0.0",
  methods: {
    do_job: jobs.methods.do_job, // its body is a file
    echo: method({ params: { number: count }, result: count, idempotent: true }), // a small call, to measure how long it takes
  },
  reactions: {
    job_done: jobs.reactions.job_done, // to the page that has sent the file
    figures: method({ params: { figures: Figures } }), // to all pages
  },
});
