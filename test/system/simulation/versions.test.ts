/**
 * Honest peers of two versions of a service, under load: no connection is lost but those that the world cuts, and every call settles as it
 * should.
 */
import { describe, expect, it } from "vitest";
import { runTown, townText } from "./versions/town.ts";

const SEED = Number(process.env["HBI_SEED"] ?? 1);

/** The other way round is in the long suite, and the same over sockets. */
describe.each(["newer"] as const)("the service is the %s one", (version) => {
  it("and everybody is well served", { timeout: 600_000 }, async () => {
    const outcome = await runTown({ seed: SEED, version, programs: 1, minutes: 3 });
    console.log(townText(outcome));
    expect(outcome.violations).toEqual([]);
    // A simulation in which nothing happens finds nothing.
    for (const what of ["ping: ok", "letter: cancelled", "upload given up: cancelled", "cut", "stall", "idle"]) {
      expect(outcome.counts.get(what), what).toBeGreaterThan(0);
    }
  });

  it("and is found out when it gives up too early", { timeout: 600_000 }, async () => {
    const { violations } = await runTown({
      seed: SEED,
      version,
      programs: 1,
      minutes: 0.25,
      limits: { handlerTimeoutMs: 100 },
    });
    expect(violations.join("\n")).toMatch(/search: deadline_exceeded \(handler_timeout/);
  });
});
