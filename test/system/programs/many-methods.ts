/**
 * npm run many-methods: what a service of many methods costs at default limits, from its definition to a check of all of it.
 * Usage: [METHODS], 300 by default.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { sample } from "fast-check";
import { describeService } from "hbi";
import { connect, serve } from "hbi/node";
import { arbitraryOf, checkService } from "hbi/testing";
import { service } from "../../support/crud.ts";

const count = Number(process.argv[2] ?? 300);

async function timed<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await setTimeout(5);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  await setTimeout(5); // for the last turn to be noticed
  delay.disable();
  const held = `longest turn ${(delay.max / 1e6).toFixed(0)} ms`;
  console.log(
    `${what.padEnd(44)} ${ms.toFixed(0).padStart(7)} ms, CPU ${((user + system) / 1_000).toFixed(0)} ms, ${held}`,
  );
  return result;
}

console.log(`${count} methods, Node ${process.version}`);
const big = await timed("defineService", () => service(count));
/** Handlers that return what their schemas allow. */
const handlers = Object.fromEntries(
  Object.entries(big.methods).map(([name, { results }]) => {
    const [result] = results;
    const [made] = result === undefined ? [] : sample(arbitraryOf(result), { numRuns: 1, seed: 1 });
    return [name, () => made];
  }),
);
const server = await timed("serve, which describes the definition", () =>
  serve(big, "127.0.0.1:0", () => handlers as never),
);
const told = await timed("describeService", () => JSON.stringify(describeService(big)).length);
const link = await timed("connect", () => connect(big, server.address));
const described = await timed("link.describe", () => link.describe());
const calls = link.call as Readonly<Record<string, (params: object) => Promise<unknown>>>; // the names are computed
const given = { id: "0b4f5ba9-5d1c-4a3c-9f70-d1e2c6a6a9b0", version: 1 };
const deletes = Object.keys(big.methods).filter((name) => name.endsWith(".delete"));
await timed(`${deletes.length} calls at once, each of another method`, () =>
  Promise.all(deletes.map((name) => calls[name]?.(given))),
);
await timed("1,000 calls, one after the other", async () => {
  for (let i = 0; i < 1_000; i++) await calls[deletes[i % deletes.length] ?? ""]?.(given);
});
await link.close();
await server.close();
const report = await timed("checkService, 50 runs of each kind", () =>
  checkService(big, () => handlers as never, { seed: 1 }),
);
console.log(
  `${told} characters of description, ${Object.keys(described.methods).length} methods described by the server`,
);
console.log(
  `${report.calls} calls checked, ${report.findings.length} findings, ${report.unchecked.length} methods unchecked`,
);
for (const { kind, method, error } of report.findings.slice(0, 5))
  console.log(kind, method, error instanceof Error ? error.message : error);
process.exitCode = report.findings.length === 0 ? 0 : 1;
