/**
 * Texts that are known to hurt parsers: each is read or refused in time linear in its length, and the process lives.
 */
import { HbiError, parseScript, resolveLimits } from "hbi";
import { expect, it } from "vitest";
import { readsInLinearTime } from "./hostile-texts.ts";

const USUAL = resolveLimits();

readsInLinearTime(64);

it("a refusal has no stack, which would cost more than the reading, and all other errors keep theirs", () => {
  const lines = (run: () => unknown) => {
    try {
      run();
    } catch (thrown) {
      return (thrown as HbiError).stack?.split("\n").length;
    }
  };
  const limit = Error.stackTraceLimit;
  expect(lines(() => parseScript("f(1", USUAL))).toBe(1);
  expect(lines(() => parseScript("'open", USUAL))).toBe(1);
  expect(Error.stackTraceLimit).toBe(limit);
  expect(lines(() => resolveLimits({ maxDepth: 0 }))).toBeGreaterThan(1);
  expect(
    lines(() => {
      throw new HbiError("not_found", "none");
    }),
  ).toBeGreaterThan(1);
});

it("a refusal contains its position and none of the text", () => {
  const secret = "hunter2";
  for (const text of [`f(${secret})`, `f("\\q${secret}")`, `f(1${secret})`, `"${secret}`]) {
    let message = "";
    try {
      parseScript(text, resolveLimits());
    } catch (thrown) {
      message = (thrown as HbiError).message;
    }
    expect(message).toMatch(/line 1, column \d+$/);
    expect(message).not.toContain(secret);
  }
});
