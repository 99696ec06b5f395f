/**
 * Walks a table of states as the code steps through it, against the steps that a test expects.
 */
import { expect, it } from "vitest";
import { type Linked, step } from "../../src/endpoints/conversation/stages.ts";

type Steps = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Every state that a conversation can come to from these, by the steps that it takes. */
export function reachedFrom<At extends Linked<string, string, string>>(starts: readonly At[]): ReadonlyMap<string, At> {
  const reached = new Map(starts.map((at) => [at.state, at]));
  for (const at of reached.values()) {
    for (const next of Object.values(at.next)) if (next !== undefined) reached.set(next.state, next as At); // of the same table
  }
  return reached;
}

/** Declares a test for every pair of a state and an event: it leads to what `steps` says, or is refused. */
export function itWalksEveryPair(
  reached: ReadonlyMap<string, Linked<string, string, string>>,
  table: object,
  events: readonly string[],
  steps: Steps,
): void {
  it("are those of the table, each of them within reach", () => {
    expect([...reached.keys()].sort()).toEqual(Object.keys(table).sort());
    expect(Object.keys(table).sort()).toEqual(Object.keys(steps).sort());
  });

  for (const [state, at] of reached) {
    for (const event of events) {
      const next = steps[state]?.[event];
      it(`${event} in ${state} ${next === undefined ? "is refused" : `leads to ${next}`}`, () => {
        if (next !== undefined) expect(step(at, event).state).toBe(next);
        else {
          const refused = { code: "failed_precondition", reason: "wrong_stage" };
          expect(() => step(at, event)).toThrow(expect.objectContaining(refused));
        }
      });
    }
  }
}
