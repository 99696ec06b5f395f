/**
 * Runs the service and a consumer as two processes on the files of a folder, and ends with the consumer's exit code.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = process.argv[2] ?? ".";
const path = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
// Landed code is never evaluated: these two run where the engine refuses to.
const flags = ["--disallow-code-generation-from-strings", "--enable-source-maps"];

const service = spawn(process.execPath, [...flags, path("service"), "127.0.0.1:0", "--interrupt-at", "150"], {
  stdio: ["pipe", "pipe", "inherit"],
});
const [line] = (await once(createInterface(service.stdout), "line")) as [string];
console.log(`service (process ${service.pid}): ${line}`);

const address = line.replace("listening on ", "");
const consumer = spawn(process.execPath, [...flags, path("consumer"), address, folder], { stdio: "inherit" });
console.log(`consumer (process ${consumer.pid})`);
const [code] = (await once(consumer, "exit")) as [number | null];

service.stdin.end();
await once(service, "exit");
process.exit(code ?? 1);
