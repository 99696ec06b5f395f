/**
 * The storm in small: every link has its answer, before and after its server was killed.
 */
import { expect, it } from "vitest";
import { hasOpenssl } from "../../support/authority.ts";
import { runProgram } from "../../support/programs.ts";

it("200 idle connections over TCP and TLS, and 100 that lose their server while they wait", async () => {
  const { code, output } = await runProgram("test/system/storm/main.ts", ["200", "100"]);
  expect(output).toContain("TCP: 200 idle connections");
  if (hasOpenssl) expect(output).toContain("TLS: 200 idle connections");
  expect(output).toContain("100 answered, 0 failed");
  expect(output).toContain("nothing was lost");
  expect(code).toBe(0);
}, 120_000);
