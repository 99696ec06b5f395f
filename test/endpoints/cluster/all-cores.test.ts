/**
 * serveOnAllCores: worker processes that share the connections of one address, in the limits of one server.
 */

import { once } from "node:events";
import { connect as dial } from "node:net";
import { serveOnAllCores } from "hbi/cluster";
import { connect } from "hbi/node";
import { describe, expect, it } from "vitest";
import { program } from "../../support/programs.ts";
import { withProgram } from "../../support/with-program.ts";
import { office } from "../../system/programs/cluster-service.ts";
import { caught, handlers, isRunning, withCluster } from "./fixture.ts";

const pidsOf = ({ workers }: { readonly workers: readonly { readonly pid: number | undefined }[] }) =>
  workers.map(({ pid }) => pid);

it("each process serves its share in the limits of one server, and all have ended when it is closed", async () => {
  let pids: (number | undefined)[] = [];
  let address = "";
  const opening = { workers: 2, limits: { maxConnections: 4 } };
  await withCluster(opening, async ({ cluster, link, states, logs }) => {
    ({ address } = cluster);
    pids = pidsOf(cluster);
    expect(states).toEqual([
      "1 starting",
      "2 starting",
      expect.stringMatching(/ready/),
      expect.stringMatching(/ready/),
    ]);
    const links = [await link(), await link(), await link(), await link()];
    const served = await Promise.all(links.map((each) => each.call.pid()));
    expect(new Set(served)).toEqual(new Set(pids));
    for (const { pid, connectionCount } of cluster.workers) {
      const own = links[served.indexOf(pid ?? 0)];
      expect(await own?.call.peers()).toBe(connectionCount); // a process that is slow to take one gets fewer
    }
    expect(cluster.connectionCount).toBe(4);
    expect(await links[0]?.call.caller()).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(cluster.workers.map(({ number, state, restarts }) => [number, state, restarts])).toEqual([
      [1, "ready", 0],
      [2, "ready", 0],
    ]);
    const refused = await caught(connect(office, address).then((each) => each.call.pid()));
    expect(refused.code).toBe("unavailable");
    const { error, where } = await logs(/maxConnections/);
    expect([error.reason, where]).toEqual(["too_many_connections", "accept"]);
    await links[0]?.close();
    while (cluster.connectionCount === 4) await new Promise(setImmediate); // the process says so
    expect(await (await link()).call.pid()).toBeGreaterThan(0);
  });
  expect(pids.map((pid) => isRunning(pid ?? 0))).toEqual([false, false]);
  const [error] = await once(dial(Number(address.split(":")[1]), "127.0.0.1"), "error");
  expect(error.code).toBe("ECONNREFUSED");
});

it("restarts its processes one after the other, and no call is lost", async () => {
  await withCluster({ workers: 2 }, async ({ cluster, link, states, log }) => {
    const links = [await link(), await link(), await link()];
    const before = pidsOf(cluster);
    let isOver = false;
    const served = new Set<number>();
    const failed: unknown[] = [];
    const calling = links.map(async (each) => {
      while (!isOver) {
        await each.call.hold({ ms: 5 }).then(
          (pid) => served.add(pid),
          (error) => failed.push(error),
        );
      }
    });
    const from = states.length;
    await Promise.all([cluster.restart(), cluster.restart()]); // the second awaits the first
    isOver = true;
    await Promise.all(calling);
    expect(failed).toEqual([]);
    const after = pidsOf(cluster);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    expect(after).toHaveLength(2);
    for (const pid of before) expect(served).toContain(pid);
    const cycle = (n: number) => [`${n} starting`, `${n} ready`, `${n} draining`, `${n} ended`];
    expect(states.slice(from)).toEqual([...cycle(1), ...cycle(2)]);
    expect(await links[0]?.call.pid()).toSatisfy((pid) => after.includes(pid));
    expect(log).toEqual([]);
  });
});

it("survives the crash of a process: the others go on, and it is replaced", async () => {
  await withCluster({ workers: 2 }, async ({ cluster, link, until, logs }) => {
    const links = [await link(), await link()];
    const [first = 0, second = 0] = await Promise.all(links.map((each) => each.call.pid()));
    const replaced = until("ready");
    const held = links[1]?.call.hold({ ms: 100 });
    await links[0]?.post.crash();
    expect(await links[0]?.call.pid()).toBe(second); // dialed again
    expect(await held).toBe(second);
    const { pid, number, restarts } = await replaced;
    expect(pid).not.toBe(first);
    expect(restarts).toBe(1);
    expect(cluster.workers).toHaveLength(2);
    const { error, where } = await logs(/SIGKILL/);
    expect(error.reason).toBe("worker_failed");
    expect(error.message).toBe(`a worker process has failed: worker ${number} (process ${first}) was ended by SIGKILL`);
    expect(where).toBe(`worker ${number}`);
    expect(await (await link()).call.pid()).toBe(pid); // it has the fewest connections
  });
});

describe("a process that does not become ready", () => {
  const opening = (text: string, options: object = {}) =>
    withProgram(text, (path) =>
      caught(
        serveOnAllCores(office, "127.0.0.1:0", handlers, {
          workers: 1,
          program: path,
          log: () => undefined,
          ...options,
        }),
      ),
    );

  it.each([
    ["exits with a code", "process.exit(7)", /has exited with code 7$/],
    ["is ended by a signal", "process.kill(process.pid, 'SIGTERM')", /was ended by SIGTERM$/],
    [
      "closes its channel",
      "import cluster from 'node:cluster'; cluster.worker.disconnect(); setInterval(() => 1, 1000)",
      /has closed its channel to the primary$/,
    ],
    [
      "says that it cannot serve",
      "process.send({ hbi: 'failed', why: 'no disk' }); process.exit(1)",
      /could not serve: no disk$/,
    ],
    [
      "says what nobody knows",
      "process.send({ hbi: 'what' }); process.send(5); process.exit(3)",
      /has exited with code 3$/,
    ],
  ])("%s", async (_, text, words) => {
    const { reason, message } = await opening(text);
    expect(reason).toBe("worker_failed");
    expect(message).toMatch(words);
  });

  it("serves other addresses than its primary", async () => {
    process.env["CLUSTER_OPTIONS"] = JSON.stringify({ address: ["127.0.0.1:0", "127.0.0.1:0"] });
    const options = { workers: 1, program: program("test/system/programs/cluster-server.ts"), log: () => undefined };
    const { message } = await caught(serveOnAllCores(office, "127.0.0.1:0", handlers, options));
    delete process.env["CLUSTER_OPTIONS"];
    expect(message).toMatch(
      /could not serve: a worker process has failed: it serves other addresses than its primary$/,
    );
  });

  it("is never ready: it is killed after startTimeoutMs", async () => {
    const { message } = await opening("setInterval(() => 1, 1000)", { startTimeoutMs: 300 });
    expect(message).toMatch(/^a worker process has failed: worker 1 \(process \d+\) was not ready within 300 ms: does/);
  });
});
