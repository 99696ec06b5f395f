/** Waits for a deadline of a ManualClock that nobody advances. */
import { defineService, method } from "hbi";
import { ManualClock, testLink } from "hbi/testing";
import { z } from "zod";

const service = defineService({
  name: "slow",
  version: "1.0.0",
  methods: { never: method({ params: {}, result: z.int() }) },
});
const clock = new ManualClock();
const test = await testLink(service, () => ({ never: () => new Promise<never>(() => {}) }), {
  host: { clock },
  link: { clock },
});
await test.link.call.never({}, { timeoutMs: 50 });
