/**
 * What a value takes of this thread's heap, garbage aside.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** Of these objects, those that something still holds. */
export async function alive<T extends object>(refs: readonly WeakRef<T>[]): Promise<T[]> {
  await new Promise(setImmediate); // what has been looked at in this turn is held until its end
  gc();
  return refs.map((ref) => ref.deref()).filter((one) => one !== undefined);
}

/** Of all that lives on the heap now, and of its buffers outside. */
export function liveBytes(): number {
  gc();
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  return used + external;
}

/** What is made, as long as it is held. Make it once before: the engine keeps something of what it does first. */
export function heldBytes(make: () => unknown): number {
  const before = liveBytes();
  const held = [make()];
  const bytes = liveBytes() - before;
  held.length = 0; // alive until here
  return bytes;
}
