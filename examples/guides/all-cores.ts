/**
 * The code of docs/all-cores.md: a server on all cores, restarted without losing a call. Consumers run in the primary here.
 */
import { scryptSync } from "node:crypto";
import { defineService, method } from "hbi";
import { serveOnAllCores } from "hbi/cluster";
import { connect } from "hbi/node";
import { z } from "zod";

const vault = defineService({
  name: "vault",
  version: "1.0.0",
  methods: {
    hash: method({ params: { password: z.string().max(100) }, result: z.string(), idempotent: true }),
    pid: method({ params: {}, result: z.int(), idempotent: true }),
  },
});

const cluster = await serveOnAllCores(
  vault,
  "127.0.0.1:0",
  () => ({
    hash: ({ password }) => scryptSync(password, "salt", 32).toString("hex"), // computes, and holds up its own process alone
    pid: () => process.pid,
  }),
  { workers: 2, restartSignal: "SIGHUP" },
);
console.log(`${cluster.workers.length} processes serve ${vault.name}`);
// In the worker processes, the call does not resolve: what follows runs in the primary alone.

const open = () => connect(vault, cluster.address, {}, { reconnect: {}, retries: 3 });
const links = await Promise.all([open(), open(), open(), open()]);
const pids = async () => new Set(await Promise.all(links.map((link) => link.call.pid())));

const before = await pids();
console.log(`${links.length} links, ${before.size} processes`);

const hashes = Promise.all(links.map((link) => link.call.hash({ password: "open sesame" })));
await cluster.restart();
console.log(`${new Set(await hashes).size} hash, ${(await hashes).length} answers`);

const after = await pids();
console.log(`${[...after].filter((pid) => before.has(pid)).length} of these processes are left`);

const [victim] = cluster.workers;
if (victim?.pid !== undefined) process.kill(victim.pid, "SIGKILL");
console.log(`${(await pids()).size > 0}: all links are served again`);

for (const { number, state, connectionCount, restarts } of cluster.workers) {
  if (number !== victim?.number)
    console.log(`worker ${number}: ${state}, ${connectionCount > 0}, ${restarts} restarts`);
}

for (const link of links) await link.close();
await cluster.drain("closing");
