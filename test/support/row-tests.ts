/**
 * The rows of a suite as tests: all of them begin together, and each test waits for its own.
 */
import { beforeAll, expect, it } from "vitest";
import { deadlineMs, type Outcome, runRows } from "./rows.ts";
import { checkNames, type Suite } from "./suite.ts";

/** The quick rows. */
export function testRows({ rows, atOnce }: Suite): void {
  const chosen = rows.filter(({ isQuick }) => isQuick);
  const outcomes = new Map<string, Promise<Outcome>>();

  beforeAll(() => {
    const settle = new Map<string, (outcome: Outcome) => void>();
    for (const { name } of chosen) outcomes.set(name, new Promise((resolve) => settle.set(name, resolve)));
    void runRows(chosen, { atOnce, onOver: (outcome) => settle.get(outcome.row.name)?.(outcome) });
  });

  it("each row has a name of its own", () => checkNames(rows));

  for (const row of chosen) {
    const timeout = deadlineMs(row) * 3; // it may wait for its turn
    it(row.name, { timeout }, async () => {
      const outcome = await outcomes.get(row.name);
      if (outcome === undefined) throw new Error("it has not been run");
      expect(outcome.failure, outcome.told).toBeUndefined();
    });
  }
}
