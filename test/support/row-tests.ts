/**
 * The rows of a suite as tests: all of them begin together, and each test waits for its own.
 */
import { beforeAll, expect, it } from "vitest";
import { deadlineMs, type Outcome, type Row, runRows } from "./rows.ts";
import { checkNames, isGood, type Suite, verdictOf } from "./suite.ts";

/** The quick rows, or all of them. */
export function testRows({ rows, known, atOnce }: Suite, isLong: boolean): void {
  const chosen = rows.filter(({ isQuick }) => isLong || isQuick);
  const outcomes = new Map<string, Promise<Outcome>>();

  beforeAll(() => {
    const settle = new Map<string, (outcome: Outcome) => void>();
    for (const { name } of chosen) outcomes.set(name, new Promise((resolve) => settle.set(name, resolve)));
    void runRows(chosen, { atOnce, onOver: (outcome) => settle.get(outcome.row.name)?.(outcome) });
  });

  it("each row has a name of its own, and each mark a row", () => checkNames(rows, known));

  for (const row of chosen) {
    const mark = known[row.name] === undefined ? "" : ` [known to fail: ${known[row.name]}]`;
    it(`${row.name}${mark}`, () => judge(row), deadlineMs(row) * 3); // it may wait for its turn
  }

  async function judge({ name }: Row): Promise<void> {
    const outcome = await outcomes.get(name);
    if (outcome === undefined) throw new Error("it has not been run");
    const verdict = verdictOf(outcome, known);
    if (verdict === "known to fail") console.log(`known to fail: ${name}: ${outcome.failure}`);
    expect(isGood(verdict), `${verdict}: ${outcome.failure ?? outcome.told}`).toBe(true);
  }
}
