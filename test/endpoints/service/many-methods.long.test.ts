import { defineService, method } from "hbi";
import { checkService } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, worksWith } from "../../support/many-methods.ts";

worksWith(1_000);

it("a service of 300 methods is checked", async () => {
  const methods = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`m${i}`, method({ params: { n: z.int().max(9) }, result: z.boolean() })]),
  );
  const small = defineService({ name: "small", version: "1.0.0", methods });
  const report = await checkService(small, () => handlersOf(methods) as never, { runs: 1, seed: 1 });
  expect(report).toMatchObject({ calls: 600, findings: [] });
}, 120_000);
