/**
 * The examples, run as a newcomer runs them: as processes, built, against the built library.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runProgram, startProgram, stopProgram } from "./support/programs.ts";

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

it("hello: a greeting is pushed on connect, a name is assigned, the answer uses it", async () => {
  const server = await startProgram("examples/hello/server.ts", ["127.0.0.1:0"]);
  const { code, output } = await runProgram("examples/hello/client.ts", [server.address, "Ada"]);
  await stopProgram(server);
  expect(output).toMatch(/^Welcome to HBI world!\nHello, Ada from 127\.0\.0\.1:\d+!\n$/);
  expect(code).toBe(0);
});

it("jobs: verifies every result in both styles, also across a lost connection", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hbi-jobs-"));
  folders.push(folder);
  for (let i = 0; i < 45; i++) await writeFile(join(folder, `${i}.txt`), `line ${i}\n`.repeat(i * i * 7));
  const { code, output } = await runProgram("examples/jobs/main.ts", [folder]);
  expect(output).toContain("180 jobs (45 files");
  expect(output).toContain("lost the connection (peer error: maintenance, back at once)");
  expect(output).toContain("360 of 360 results verified");
  expect(code).toBe(0);
});

it("jobs: a consumer that is given a wrong result exits with 1", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hbi-jobs-"));
  folders.push(folder);
  await writeFile(join(folder, "a.txt"), "one\ntwo\n");
  const lying = await startProgram("test/programs/lying-service.ts", []);
  const { code, output } = await runProgram("examples/jobs/consumer.ts", [lying.address, folder]);
  await stopProgram(lying);
  expect(output).toContain("a.txt: result is nonsense, should be ");
  expect(code).toBe(1);
});
