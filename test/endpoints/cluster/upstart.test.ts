/**
 * upstart: a process for each consumer, which harms no other.
 */

import { connect } from "hbi/node";
import { expect, it } from "vitest";
import { withProgram } from "../../support/with-program.ts";
import { office } from "../../system/programs/cluster-service.ts";
import { caught, withCluster } from "./fixture.ts";

it("has maxProcesses processes, and refuses one consumer more until one has ended", async () => {
  const opening = { kind: "upstart", maxProcesses: 2, spareProcesses: 0 } as const;
  await withCluster(opening, async ({ cluster, until, logs }) => {
    expect(cluster.workers).toEqual([]);
    const open = () => connect(office, cluster.address);
    const links = [await open(), await open()];
    const pids = await Promise.all(links.map((each) => each.call.pid()));
    expect(new Set(pids).size).toBe(2);
    expect((await caught(open().then((each) => each.call.pid()))).code).toBe("unavailable");
    expect((await logs(/maxConnections/)).error.reason).toBe("too_many_connections");
    const ended = until("ended");
    await links[0]?.close();
    await ended;
    const next = await open();
    expect(pids).not.toContain(await next.call.pid());
    for (const each of [next, ...links]) await each.disconnect();
  });
});

it("turns away a consumer for whom no process is ready in time", async () => {
  await withProgram("setInterval(() => 1, 1_000)", async (program) => {
    const opening = { kind: "upstart", spareProcesses: 0, program, limits: { connectTimeoutMs: 300 } } as const;
    await withCluster({ ...opening, startTimeoutMs: 600 }, async ({ cluster, logs }) => {
      const refused = await caught(connect(office, cluster.address).then((each) => each.call.pid()));
      expect(refused.code).toBe("unavailable");
      await logs(/noWorker/);
      await logs(/was not ready within 600 ms/);
      expect(cluster.connectionCount).toBe(0);
    });
  });
});
