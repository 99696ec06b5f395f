/**
 * The gate: a load has passed when the older build needs at least a given share of the present one's CPU in one of
 * several tries. A busy machine spoils a try; a build that is slower is slower in each.
 */
import type { Compared } from "./compare.ts";

/** @param measure compares the wanted loads once @returns the names of those that were below the gate in each try */
export async function gate(
  atLeast: number,
  tries: number,
  measure: (isWanted: (name: string) => boolean) => Promise<readonly Pick<Compared, "name" | "cpu">[]>,
): Promise<string[]> {
  let below: string[] | undefined;
  for (let left = tries; left > 0 && below?.length !== 0; left--) {
    const wanted = below;
    const compared = await measure((name) => wanted?.includes(name) ?? true);
    below = compared.filter(({ cpu }) => !(1 / cpu.median >= atLeast)).map(({ name }) => name);
  }
  return below ?? [];
}
