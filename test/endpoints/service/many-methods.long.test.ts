import { checkService } from "hbi/testing";
import { expect, it } from "vitest";
import { handlersOf, service } from "../../support/crud.ts";
import { worksWith } from "../../support/many-methods.ts";

worksWith(1_000);

it("a service of 300 methods is checked", async () => {
  const big = service(300);
  const leaveOut = Object.keys(big.methods).filter((name) => !name.endsWith(".delete")); // their results are not made here
  const handlers = () => handlersOf(big.methods) as never;
  const some = await checkService(big, handlers, { runs: 5, seed: 1, leaveOut: leaveOut as never });
  expect(some).toMatchObject({ calls: 60 * 10, findings: [] });
  const all = await checkService(big, handlers, { runs: 5, seed: 1 });
  expect(new Set(all.findings.map(({ kind }) => kind))).toEqual(new Set(["bad_result"]));
}, 300_000);
