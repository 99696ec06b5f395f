/**
 * The same for twenty minutes of their time, in several worlds, and over sockets.
 */
import { describe, expect, it } from "vitest";
import { runOverSockets } from "./versions/sockets.ts";
import { runTown, townText } from "./versions/town.ts";

describe.each([1, 2])("seed %i", (seed) => {
  it.each(["older", "newer"] as const)(
    "twenty minutes with a service that is the %s one",
    { timeout: 600_000 },
    async (version) => {
      const outcome = await runTown({ seed, version, minutes: 20 });
      console.log(townText(outcome));
      expect(outcome.violations).toEqual([]);
    },
  );
});

it.each(["older", "newer"] as const)(
  "over sockets, with a service that is the %s one",
  { timeout: 600_000 },
  async (version) => {
    const { counts, violations } = await runOverSockets({ seed: 1, version, forMs: 2_000 });
    expect(violations).toEqual([]);
    expect(counts.get("cut")).toBeGreaterThan(0);
  },
);
