/**
 * What is accounted is what is held: whatever a peer fills, with the emptiest or the largest entries, the heap grows by no more than a stated
 * factor of it. Measured in a process of its own for each, as garbage of one would be taken for what another holds.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { program } from "../../support/programs.ts";

const FACTOR = 4;
/** What the engine itself makes meanwhile: compiled code, tables that grow. */
const SLACK_BYTES = 1024 * 1024;

/** A post of the HBI layer is an object of many parts, and each is this side's own. */
const FACTORS: Readonly<Record<string, number>> = { "posts that wait": 5 };

async function output(...names: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    program("test/system/programs/held-heap.ts"),
    ...names,
  ]);
  return stdout;
}

const names = (await output()).trim().split("\n");

describe("the heap holds no more than is accounted", () => {
  it.for(names)("%s", { timeout: 120_000 }, async (name) => {
    const { accounted, measured, isOpen } = JSON.parse(await output(name));
    expect(isOpen).toBe(true);
    expect(accounted).toBeGreaterThan(100_000);
    expect(measured).toBeLessThan((FACTORS[name] ?? FACTOR) * accounted + SLACK_BYTES);
  });
});
