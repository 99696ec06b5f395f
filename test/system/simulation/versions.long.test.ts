/**
 * The same for an hour of their time, in several worlds.
 */
import { describe, expect, it } from "vitest";
import { runTown, townText } from "./versions/town.ts";

describe.each([1, 2])("seed %i", (seed) => {
  it.each(["older", "newer"] as const)(
    "an hour with a service that is the %s one",
    { timeout: 1_200_000 },
    async (version) => {
      const outcome = await runTown({ seed, version, minutes: 60 });
      console.log(townText(outcome));
      expect(outcome.violations).toEqual([]);
    },
  );
});
