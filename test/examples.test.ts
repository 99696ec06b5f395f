/**
 * The examples, run as a newcomer runs them: as processes, built, against the built library.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { program, runProgram, startProgram, stopProgram } from "./support/programs.ts";

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

it("the README's server and client: answers, and a push for each", async () => {
  // They name port 3232, as a newcomer would; if that is taken here, the test says so by failing to listen.
  const server = spawn(process.execPath, [program("examples/readme/server.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  await listening(3232);
  const { code, output } = await runProgram("examples/readme/client.ts", []);
  server.kill();
  await once(server, "exit");
  for (const name of ["a", "bb", "ccc"]) expect(output).toContain(`${name} is hashed`);
  for (const name of ["a", "bb", "ccc"]) expect(output).toContain(createHash("sha256").update(name).digest("hex"));
  expect(code).toBe(0);
});

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const outcome = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (outcome) return;
    await new Promise(setImmediate);
  }
}

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
