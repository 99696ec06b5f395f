import { defineService, method } from "hbi";
import { ManualClock, testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";
import { runProgram } from "../support/programs.ts";

const slow = defineService({
  name: "slow",
  version: "1.0.0",
  methods: { never: method({ params: {}, result: z.int() }) },
});

it("after a deadline a link disconnects while the clock stands still, although the handler never ends", async () => {
  const clock = new ManualClock();
  const { link } = await testLink(slow, () => ({ never: () => new Promise<never>(() => undefined) }), {
    host: { clock, log: () => undefined },
    link: { clock },
  });
  const late = link.call.never({}, { timeoutMs: 1_000 }).catch((error) => error);
  await clock.advance(1_000);
  expect(await late).toMatchObject({ code: "deadline_exceeded" });
  await link.disconnect();
  expect(link.state).toBe("closed");
});

it("a program that waits for a clock which nobody advances ends with an error that says so", async () => {
  const { code, output } = await runProgram("test/system/programs/standing-clock.ts", []);
  expect(output).toContain("a ManualClock must end, and nobody advances it. Timers pending: ");
  expect(code).toBe(1);
});
