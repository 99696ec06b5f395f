/**
 * Runs a server and its consumer as two processes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

// Landed code is never evaluated, so the programs run with evaluation disabled.
const FLAGS = ["--disallow-code-generation-from-strings", "--enable-source-maps"];

/** Runs the programs beside `main`, with the arguments that follow the address. Returns the consumer's exit code. */
export async function runBoth(
  main: string,
  serverArgs: readonly string[],
  consumerArgs: readonly string[],
): Promise<number> {
  const path = (name: string) => fileURLToPath(new URL(`./${name}.js`, main));
  const server = spawn(process.execPath, [...FLAGS, path("server"), "127.0.0.1:0", ...serverArgs], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  console.log(`server (process ${server.pid}): ${line}`);

  const address = line.replace("listening on ", "");
  const consumer = spawn(process.execPath, [...FLAGS, path("consumer"), address, ...consumerArgs], {
    stdio: "inherit",
  });
  console.log(`consumer (process ${consumer.pid})`);
  const [code] = (await once(consumer, "exit")) as [number | null];

  server.stdin.end();
  await once(server, "exit");
  return code ?? 1;
}
