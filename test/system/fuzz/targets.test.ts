/**
 * The targets of the fuzzer on the inputs that are kept, and on some that are made anew: what was found once stays mended.
 */
import { describe, expect, it } from "vitest";
import { kept } from "../../../fuzz/engine/corpus.ts";
import { guarded } from "../../../fuzz/engine/guards.ts";
import { generated } from "../../../fuzz/engine/inputs.ts";
import { TARGETS } from "../../../fuzz/targets/all.ts";

const GENERATED = 40;

describe.each([...TARGETS.values()])("$name: $about", (target) => {
  it("the inputs that are kept", { timeout: 60_000 }, async () => {
    const inputs = [...kept("findings", target.name), ...kept("corpus", target.name)];
    expect(inputs.length).toBeGreaterThan(10);
    for (const { file, input } of inputs) await expect(guarded(target, input), file).resolves.toBeUndefined();
  });

  it(`${GENERATED} that are generated`, { timeout: 60_000 }, async () => {
    for (let number = 0; number < GENERATED; number++) {
      await expect(guarded(target, generated(target, 1, number)), `input ${number} of seed 1`).resolves.toBeUndefined();
    }
  });

  it("a seed gives the same inputs", () => {
    expect(generated(target, 7, 3)).toEqual(generated(target, 7, 3));
    expect(generated(target, 7, 3)).not.toEqual(generated(target, 8, 3));
  });
});
