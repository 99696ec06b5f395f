/**
 * docs/troubleshooting.md is current: `npx vitest run test/project/troubleshooting.test.ts -u` writes it.
 */
import { fileURLToPath } from "node:url";
import { FAILURES } from "hbi";
import { expect, it } from "vitest";
import { page, REASONS } from "./remedies.ts";

it("every failure has its cause and its remedy, in the order of the table", () => {
  expect(REASONS).toEqual(Object.keys(FAILURES));
});

it("docs/troubleshooting.md says so", async () => {
  await expect(page()).toMatchFileSnapshot(fileURLToPath(new URL("../../docs/troubleshooting.md", import.meta.url)));
});
