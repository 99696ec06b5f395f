/**
 * npm run storm [-- CONNECTIONS [STORM]]: what many idle connections cost a server, over TCP and TLS, what as many waiting calls cost, and what happens when it is
 * killed while all of so many wait for an answer: they come back, and each has its answer. Exits with 1 when one has not.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { type Running, startProgram, stopProgram } from "../../support/programs.ts";
import type { Answered, Heap, ServerUsage } from "./service.ts";
import { Talk } from "./talk.ts";

const [connections = 10_000, storm = 5_000] = process.argv.slice(2).map(Number);
const FLAGS = ["--expose-gc", "--enable-source-maps"];

interface Files {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

const startServer = (address: string, mode: string, files?: Files): Promise<Running> =>
  startProgram(
    "test/system/storm/server.ts",
    [address, mode, ...(files === undefined ? [] : [files.key, files.cert])],
    FLAGS,
  );

async function idle(name: string, files?: Files): Promise<boolean> {
  const server = await startServer("127.0.0.1:0", "FREE", files);
  const told = new Talk<ServerUsage>(server.child);
  const before = await told.ask("usage");
  const start = performance.now();
  const clients = await Talk.start<Answered>("test/system/storm/clients.ts", [
    server.address,
    String(connections),
    ...(files === undefined ? [] : [files.ca]),
  ]);
  const seconds = (performance.now() - start) / 1_000;
  const { answered, failed } = await clients.ask("call"); // who was told to try again has done so then
  const after = await told.ask("usage");
  const kib = (bytes: number) => (bytes / 1_024 / connections).toFixed(1);
  console.log(
    `${name}: ${after.connections} idle connections in ${seconds.toFixed(0)} s, each ${kib(after.rssBytes - before.rssBytes)} KiB of RSS, ` +
      `${kib(after.heapBytes - before.heapBytes)} KiB of heap; a call on each: ${answered} answered, ${failed} failed`,
  );
  await clients.stop();
  await stopProgram(server);
  return failed === 0 && after.connections === connections;
}

/** What a call costs that waits: at its caller, and at its host. */
async function waiting(): Promise<boolean> {
  const server = await startServer("127.0.0.1:0", "HOLD");
  const told = new Talk<ServerUsage>(server.child);
  const client = await Talk.start<Heap>("test/system/storm/clients.ts", [server.address, "1"]);
  const before = await told.ask("usage");
  const start = await client.ask(`wait ${connections}`);
  let after = await told.ask("usage");
  while (after.held < connections) after = await told.ask("usage");
  const end = await client.ask("heap");
  const kib = (from: Heap, to: Heap) => ((to.heapBytes - from.heapBytes) / 1_024 / connections).toFixed(1);
  console.log(
    `waiting: ${connections} calls on one connection, each ${kib(start, end)} KiB of heap at the caller and ${kib(before, after)} KiB at the host`,
  );
  await client.stop();
  await stopProgram(server);
  return true;
}

async function reconnect(): Promise<boolean> {
  const first = await startServer("127.0.0.1:0", "HOLD");
  const told = new Talk<ServerUsage>(first.child);
  const clients = await Talk.start<Answered>("test/system/storm/clients.ts", [first.address, String(storm)]);
  const all = clients.ask("hold");
  while ((await told.ask("usage")).held < storm);
  console.log(`storm: ${storm} links wait for an answer each; the server is killed`);
  const isGone = new Promise((resolve) => first.child.once("exit", resolve));
  first.child.kill("SIGKILL");
  await isGone;
  const start = performance.now();
  const second = await startServer(first.address, "FREE");
  const { answered, failed, reasons } = await all;
  const seconds = (performance.now() - start) / 1_000;
  console.log(
    `storm: started again at the same address: ${answered} answered, ${failed} failed ${JSON.stringify(reasons)}, all within ${seconds.toFixed(1)} s`,
  );
  await clients.stop();
  await stopProgram(second);
  return answered === storm;
}

function withCertificates<T>(use: (files: Files) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "hbi-storm-"));
  const authority = new Authority("storm");
  const { key, cert } = authority.server();
  const files = { key: join(folder, "key"), cert: join(folder, "cert"), ca: join(folder, "ca") };
  writeFileSync(files.key, key as string);
  writeFileSync(files.cert, cert as string);
  writeFileSync(files.ca, authority.cert);
  authority.remove();
  return use(files).finally(() => rmSync(folder, { recursive: true }));
}

const results = [await idle("TCP")];
if (hasOpenssl) results.push(await withCertificates((files) => idle("TLS", files)));
else console.log("TLS: skipped, the openssl command is missing");
results.push(await waiting(), await reconnect());
console.log(results.every(Boolean) ? "nothing was lost" : "SOMETHING WAS LOST");
process.exit(results.every(Boolean) ? 0 : 1);
