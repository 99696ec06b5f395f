/**
 * That the explorer finds the same when it looks at more than it must.
 */
import { expect } from "vitest";
import { type Exploration, explore } from "./explorer.ts";
import type { World } from "./world.ts";
import { worldNamed } from "./worlds.ts";

export const properties = ({ findings }: Exploration) => new Set(findings.map(({ property }) => property));

/** It finds the same when it tells states apart by the whole course of each side. */
export async function expectRightMerges(name: string): Promise<void> {
  const world = worldNamed(name) as World; // it is in the table
  const exploration = await explore(world);
  const exact = await explore(world, { isExact: true });
  expect(properties(exact)).toEqual(properties(exploration));
  expect(exact.depth).toBe(exploration.depth);
  expect(exact.states).toBeGreaterThan(exploration.states);
}

/** It finds the same when it runs every transition. */
export async function expectRightOmissions(name: string): Promise<void> {
  const world = worldNamed(name) as World; // it is in the table
  const exploration = await explore(world);
  const all = await explore(world, { takesAll: true });
  expect(exploration.taken).toBeLessThan(all.taken);
  expect({ ...exploration, taken: 0, findings: [] }).toEqual({ ...all, taken: 0, findings: [] });
  expect(properties(exploration)).toEqual(properties(all));
}
