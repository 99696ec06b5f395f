import { HO_STAGES, PO_STAGES } from "hbi";
import { describe, expect, it } from "vitest";
import { nextStage, type Table } from "../../../src/endpoints/conversation/stages.ts";

const TABLES: readonly (readonly [
  string,
  Table<string, string>,
  readonly string[],
  Readonly<Record<string, string>>,
])[] = [
  [
    "posting",
    PO_STAGES,
    ["sent", "close", "lost"],
    {
      "send sent": "recv",
      "send close": "closed",
      "send lost": "closed",
      "recv close": "closed",
      "recv lost": "closed",
    },
  ],
  [
    "hosting",
    HO_STAGES,
    ["received", "startSend", "close", "lost"],
    {
      "recv received": "work",
      "recv lost": "closed",
      "work startSend": "send",
      "work close": "closed",
      "work lost": "closed",
      "send close": "closed",
      "send lost": "closed",
    },
  ],
];

for (const [name, table, events, steps] of TABLES) {
  describe(`${name} conversations`, () => {
    for (const stage of Object.keys(table)) {
      for (const event of events) {
        const next = steps[`${stage} ${event}`];
        it(`${event} in stage ${stage} ${next === undefined ? "is refused" : `leads to ${next}`}`, () => {
          const step = () => nextStage(table, stage, event);
          if (next === undefined) expect(step).toThrow(expect.objectContaining({ reason: "wrong_stage" }));
          else expect(step()).toBe(next);
        });
      }
    }
  });
}
