/**
 * upstart: consumers that crash, block and exhaust their process.
 */
import { connect } from "hbi/node";
import { expect, it } from "vitest";
import { office } from "../../system/programs/cluster-service.ts";
import { caught, isRunning, withCluster } from "./fixture.ts";

it("serves each consumer in a process of its own, which ends with the connection", async () => {
  await withCluster({ kind: "upstart", maxProcesses: 3 }, async ({ cluster, until, log }) => {
    const open = () => connect(office, cluster.address);
    const first = await open();
    const [one, two] = [await first.call.pid(), await (await open()).call.pid()];
    expect(one).not.toBe(two);
    expect(await first.call.options()).not.toContain("--max-old-space-size=64");
    const ended = until("ended", ({ pid }) => pid === one);
    await first.close();
    await ended;
    expect(isRunning(one)).toBe(false);
    expect(await (await open()).call.pid()).not.toBe(one);
    expect(log).toEqual([]);
  });
});

it("has maxProcessesPerAddress for one address", async () => {
  const opening = { kind: "upstart", maxProcessesPerAddress: 1 } as const;
  await withCluster(opening, async ({ cluster, logs }) => {
    const open = () => connect(office, cluster.address);
    const link = await open();
    await link.call.pid();
    expect((await caught(open().then((each) => each.call.pid()))).code).toBe("unavailable");
    await logs(/maxConnectionsPerAddress/);
    await link.disconnect();
  });
});

it("a consumer that crashes or blocks its process harms no other", async () => {
  const opening = {
    kind: "upstart",
    maxHeapMib: 64,
    maxRestarts: 1,
    drainTimeoutMs: 100,
    limits: { closeTimeoutMs: 100 },
  } as const;
  await withCluster(opening, async ({ cluster, until, logs }) => {
    const open = () => connect(office, cluster.address);
    const [good, blocking, crashing] = [await open(), await open(), await open()];
    const pid = await good.call.pid();
    expect(await good.call.options()).toContain("--max-old-space-size=64");
    await blocking.post.block({ ms: 600_000 });
    for (let i = 0; i < 2; i++) await caught((i === 0 ? crashing : await open()).call.crash()); // more often than maxRestarts
    await logs(/SIGKILL/);
    expect(await good.call.pid()).toBe(pid);
    const ended = until("ended", (info) => info.pid !== pid);
    await blocking.disconnect(); // its process does not hear of it
    void cluster.restart();
    await ended;
    await logs(/has not drained within 100 ms/);
    await logs(/did not end, and was killed/);
    await good.disconnect();
  });
});

it("a consumer that is idle for too long loses its process", async () => {
  const opening = { kind: "upstart", spareProcesses: 0, limits: { idleTimeoutMs: 300 } } as const;
  await withCluster(opening, async ({ cluster, until }) => {
    const link = await connect(office, cluster.address);
    const ended = until("ended");
    await link.closed;
    await ended;
    expect(cluster.workers).toEqual([]);
  });
});

it("a process whose heap is full ends alone", async () => {
  const opening = { kind: "upstart", maxHeapMib: 64 } as const;
  await withCluster(opening, async ({ cluster, logs }) => {
    const [good, greedy] = [await connect(office, cluster.address), await connect(office, cluster.address)];
    const pid = await good.call.pid();
    expect((await caught(greedy.call.fill())).code).toBe("unavailable");
    await logs(/was ended by SIGABRT|has exited with code/);
    expect(await good.call.pid()).toBe(pid);
    await good.disconnect();
  });
});
