/**
 * The same in more worlds: the explorer finds what it would find if it looked at more.
 */
import { describe, it } from "vitest";
import { expectRightMerges, expectRightOmissions } from "./agreement.ts";

describe("the explorer", () => {
  it.each(["calls of both sides", "the connection breaks for good", "a plain server"])(
    "merges no states of '%s' that differ",
    { timeout: 120_000 },
    expectRightMerges,
  );

  it.each(["the server drains, one on the wire", "a deadline passes"])(
    "is right about the transitions of '%s' that it does not run",
    { timeout: 120_000 },
    expectRightOmissions,
  );
});
