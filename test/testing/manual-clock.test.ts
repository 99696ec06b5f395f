import { expect, it } from "vitest";
import { runProgram } from "../support/programs.ts";

it("a program that waits for a clock which nobody advances ends with an error that says so", async () => {
  const { code, output } = await runProgram("test/system/programs/standing-clock.ts", []);
  expect(output).toContain("a ManualClock must end, and nobody advances it. Timers pending: ");
  expect(code).toBe(1);
});
