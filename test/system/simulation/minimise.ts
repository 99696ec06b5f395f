/**
 * Makes a failure smaller: leaves out planned actions, many at a time and then fewer, as long as the world fails in the same check.
 */
import { type Outcome, runWorld } from "./world.ts";

/** The numbers of the actions that are left. */
export async function minimised(seed: number, { world, plan, violations }: Outcome): Promise<readonly number[]> {
  const checks = new Set(violations.map(checkOf));
  const fails = async (actions: readonly number[]): Promise<boolean> => {
    const { violations: found } = await runWorld(seed, world, new Set(actions));
    return found.some((violation) => checks.has(checkOf(violation)));
  };
  let actions = plan.actions.map((_, at) => at);
  for (let size = actions.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < actions.length; ) {
      const fewer = [...actions.slice(0, from), ...actions.slice(from + size)];
      if (await fails(fewer)) actions = fewer;
      else from += size;
    }
  }
  return actions;
}

function checkOf(violation: string): string {
  return violation.slice(0, violation.indexOf(":"));
}
