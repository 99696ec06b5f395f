/**
 * Honest peers of two versions of a service, under load: no connection is lost but those that the world cuts, and every call settles as it
 * should.
 */
import { describe, expect, it } from "vitest";
import { runTown, townText } from "./versions/town.ts";

const SEED = Number(process.env["HBI_SEED"] ?? 1);

describe.each(["older", "newer"] as const)("the service is the %s one", (version) => {
  it("and everybody is well served", { timeout: 600_000 }, async () => {
    const outcome = await runTown({ seed: SEED, version, minutes: 3 });
    console.log(townText(outcome));
    expect(outcome.violations).toEqual([]);
  });
});
