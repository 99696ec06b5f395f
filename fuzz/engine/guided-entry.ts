/**
 * Loaded by Jazzer.js: runs the target named by the environment. A finding is thrown, and the fuzzer stores its input.
 */
import { TARGETS } from "../targets/all.ts";
import { guarded } from "./guards.ts";
import { stackOf } from "./run.ts";

const target = TARGETS.get(process.env["HBI_FUZZ_TARGET"] ?? "");
if (target !== undefined) Error.stackTraceLimit = stackOf(target);

export async function fuzz(data: Uint8Array): Promise<void> {
  if (target === undefined) throw new Error("HBI_FUZZ_TARGET names no target");
  await guarded(target, new Uint8Array(data));
}
