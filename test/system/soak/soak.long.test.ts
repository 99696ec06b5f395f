/**
 * A soak of a few seconds: that it works. What it is for takes longer: `npm run soak`.
 */
import { expect, it } from "vitest";
import { plot } from "./plot.ts";
import { csv } from "./sample.ts";
import { soak } from "./soak.ts";

it("holds a mixed load for a few seconds, verified, without growth", async () => {
  const { moments, counts, troubles } = await soak({ forMs: 4_000, leastConversations: 10_000 });
  expect(troubles).toEqual([]);
  const conversations = moments.at(-1)?.conversations ?? 0;
  console.log(`${conversations} conversations: ${JSON.stringify(counts)}`);
  for (const what of ["add", "post", "script", "push", "told", "asked", "upload", "download", "exchange"]) {
    expect(counts[what], what).toBeGreaterThan(0);
  }
  for (const what of ["refused", "cancelled", "connections"]) expect(counts[what], what).toBeGreaterThan(0);
  expect(csv(moments).split("\n").length).toBe(moments.length + 2);
  expect(plot("a run", moments)).toContain("</svg>");
}, 120_000);
