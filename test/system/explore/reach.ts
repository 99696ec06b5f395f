/**
 * Reach: whether an end can be reached from every state. In a cycle no state is stuck, and yet there may be no progress.
 */

export interface Reachable<T> {
  /** how it is reached */
  readonly origins: readonly { readonly from: T }[];
}

/** The first state from which none of the ends can be reached. */
export function firstWithoutEnd<T extends Reachable<T>>(states: readonly T[], ends: Iterable<T>): T | undefined {
  const hopeful = new Set<T>(ends);
  for (const state of hopeful) for (const { from } of state.origins) hopeful.add(from); // the loop also visits what it adds
  return states.find((state) => !hopeful.has(state));
}
