/**
 * Worker processes that fail, hang and do not drain; all kinds of addresses; and a server that is a program, with signals.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "hbi/node";
import { describe, expect, it } from "vitest";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { type Running, startProgram } from "../../support/programs.ts";
import { withProgram } from "../../support/with-program.ts";
import { office } from "../../system/programs/cluster-service.ts";
import { caught, isRunning, withCluster } from "./fixture.ts";

it("ends when processes fail too often, and says why", async () => {
  await withCluster({ workers: 1, maxRestarts: 1 }, async ({ cluster, until, logs }) => {
    const [first] = cluster.workers;
    const again = until("ready");
    process.kill(first?.pid ?? 0, "SIGKILL");
    process.kill((await again).pid ?? 0, "SIGKILL");
    const failed = await cluster.closed;
    expect(failed?.message).toBe(
      "a worker process has failed: more than 1 worker processes have failed within 60000 ms: the server ends",
    );
    expect((await logs(/more than 1/)).error).toBe(failed);
    expect(cluster.workers).toEqual([]);
    expect(process.exitCode).toBe(1);
    process.exitCode = undefined; // of the tests
    expect((await caught(cluster.restart())).code).toBe("failed_precondition");
  });
});

it("loses no call of many links while its processes are replaced, three times", async () => {
  await withCluster({ workers: 2 }, async ({ cluster, link, log }) => {
    const links = await Promise.all(Array.from({ length: 20 }, link));
    const started = cluster.workers.map(({ pid }) => pid);
    const failed: unknown[] = [];
    const served = new Map<number, number>();
    let isOver = false;
    const calling = links.flatMap((each) =>
      Array.from({ length: 5 }, async (_, i) => {
        while (!isOver) {
          const pid = await each.call.hold({ ms: i * 7 }).catch((error: unknown) => void failed.push(error));
          if (pid !== undefined) served.set(pid, (served.get(pid) ?? 0) + 1);
        }
      }),
    );
    for (let i = 0; i < 3; i++) await cluster.restart();
    isOver = true;
    await Promise.all(calling);
    expect(failed).toEqual([]); // `hold` is not idempotent, so no call was sent again
    expect(log).toEqual([]);
    for (const pid of started) expect(served.get(pid ?? 0)).toBeGreaterThan(0);
    expect(cluster.workers.map(({ pid }) => started.includes(pid))).toEqual([false, false]);
    console.log(`${[...served.values()].reduce((sum, count) => sum + count, 0)} calls by ${served.size} processes`);
  });
});

it("answers every idempotent call although processes are killed again and again, also all of them at once", async () => {
  await withCluster({ workers: 2, maxRestarts: 100 }, async ({ cluster, link, until }) => {
    const links = await Promise.all(Array.from({ length: 10 }, link));
    const failed: unknown[] = [];
    let answered = 0;
    let isOver = false;
    const calling = links.flatMap((each) =>
      Array.from({ length: 3 }, async () => {
        while (!isOver) {
          await each.call.pid().then(
            () => (answered += 1),
            (error: unknown) => failed.push(error),
          );
        }
      }),
    );
    const kill = ({ pid }: { readonly pid: number | undefined }) => process.kill(pid ?? 0, "SIGKILL");
    for (let i = 0; i < 4; i++) {
      const replaced = until("ready");
      const [first] = cluster.workers;
      if (i % 2 === 0 && first !== undefined) kill(first);
      else cluster.workers.forEach(kill);
      await replaced;
    }
    isOver = true;
    await Promise.all(calling);
    expect(failed).toEqual([]);
    expect(answered).toBeGreaterThan(0);
  });
});

it.skipIf(!existsSync("/proc/self/fd"))("keeps nothing of connections that come and go", async () => {
  const limits = { acceptsPerSecond: 100_000, maxConnectionsPerAddress: 1_000 };
  await withCluster({ workers: 2, limits }, async ({ cluster, log }) => {
    const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
    const all = () => [process.pid, ...cluster.workers.map(({ pid = 0 }) => pid)].map(descriptors);
    const before = all();
    const port = Number(cluster.address.split(":")[1]);
    for (let i = 0; i < 50; i++) {
      const sockets = Array.from({ length: 20 }, () => dial(port, "127.0.0.1"));
      await Promise.all(sockets.map((each) => once(each, "connect")));
      for (const each of sockets) each.resetAndDestroy();
    }
    while (cluster.connectionCount > 0) await new Promise(setImmediate);
    for (const [at, count] of all().entries()) expect(count).toBeLessThan((before[at] ?? 0) + 20);
    expect(log.filter(({ error }) => error.reason !== "too_many_connections")).toEqual([]); // "gone"
  });
});

it("replaces a process whose event loop hangs", async () => {
  await withCluster({ workers: 1, hangTimeoutMs: 2_000 }, async ({ link, until, logs }) => {
    const first = await link();
    const pid = await first.call.pid();
    const replaced = until("ready");
    void first.post.block({ ms: 600_000 });
    expect((await replaced).pid).not.toBe(pid);
    await logs(/has not answered for 2000 ms/);
    expect(isRunning(pid)).toBe(false);
    expect(await first.call.pid()).not.toBe(pid);
  });
});

it("ends a process that does not drain in time", async () => {
  await withCluster({ workers: 1, drainTimeoutMs: 200 }, async ({ cluster, link, logs }) => {
    const held = caught((await link()).call.hold({ ms: 60_000 }, { timeoutMs: 60_000 }));
    while (cluster.connectionCount === 0) await new Promise(setImmediate);
    await (await link()).call.pid();
    await cluster.drain("a new version comes");
    expect((await held).mayHaveLanded).toBe(true);
    await logs(/has not drained within 200 ms: its calls are lost/);
    expect(cluster.workers).toEqual([]);
  });
});

it("serves every kind of address: TCP, TLS, Unix, WebSockets", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hbi-cluster-"));
  const path = join(folder, "office.sock");
  const address = ["127.0.0.1:0", `unix:${path}`, "ws://127.0.0.1:0/office"];
  try {
    await withCluster({ workers: 1, address, socketMode: 0o600 }, async ({ cluster }) => {
      const [pid] = cluster.workers.map((each) => each.pid);
      expect(cluster.addresses).toEqual([
        expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        path,
        expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/office$/),
      ]);
      for (const each of cluster.addresses) {
        const link = await connect(office, each.startsWith("/") ? { path: each } : each);
        expect(await link.call.pid()).toBe(pid);
        await link.close();
      }
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("counts the clients of a trusted proxy where they are known", async () => {
  const address = "ws://127.0.0.1:0/office";
  const webSocket = { trustedProxies: ["127.0.0.1"] };
  await withCluster(
    { workers: 1, address, webSocket, limits: { maxConnectionsPerAddress: 1 } },
    async ({ cluster }) => {
      const behind = (client: string) =>
        connect(office, cluster.address, {}, { webSocket: { headers: { "x-forwarded-for": client } } });
      const links = [await behind("203.0.113.1"), await behind("203.0.113.2")];
      expect(await links[0]?.call.caller()).toMatch(/^203\.0\.113\.1/);
      expect((await caught(behind("203.0.113.1"))).code).toBe("unavailable");
      for (const link of links) await link.close();
    },
  );
});

it.skipIf(!hasOpenssl)("TLS handshakes are made in the worker process", async () => {
  const ca = new Authority("office");
  try {
    const tls = ca.server();
    const address = "tls://127.0.0.1:0";
    await withCluster({ workers: 1, address, tls }, async ({ cluster }) => {
      const link = await connect(office, cluster.address, {}, { tls: { ca: ca.cert } });
      expect(await link.call.pid()).toBe(cluster.workers[0]?.pid);
      await link.close();
    });
  } finally {
    ca.remove();
  }
});

it("refuses to run as a worker of another cluster", async () => {
  const entry = new URL("../../../dist/cluster.js", import.meta.url);
  const text = `
    import cluster from "node:cluster";
    import { serveOnAllCores } from ${JSON.stringify(entry.href)};
    import { defineService } from ${JSON.stringify(new URL("./index.js", entry).href)};
    if (cluster.isPrimary) cluster.fork().once("exit", () => process.exit());
    else {
      const none = defineService({ name: "none", version: "1.0.0", methods: {} });
      await serveOnAllCores(none, "127.0.0.1:0", () => ({})).catch(({ message }) => console.log(message));
      process.exit();
    }`;
  await withProgram(text, async (path) => {
    const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += chunk;
    });
    await once(child, "close");
    expect(said).toContain("this process is a worker of another cluster");
  });
});

describe("a program", () => {
  const start = (options: object) =>
    startProgram("test/system/programs/cluster-server.ts", [JSON.stringify({ workers: 2, ...options })]);
  const pidsOf = ({ errors }: Running, state: string) =>
    [...errors().matchAll(new RegExp(`^worker \\d+ (\\d+) ${state}$`, "gm"))].map(([, pid]) => Number(pid));
  const said = async (running: Running, what: () => boolean) => {
    while (!what()) await once(running.child.stderr as NodeJS.ReadableStream, "data");
  };

  it.each(["SIGTERM", "SIGINT"] as const)(
    "drains by %s: what has begun is answered, and nothing is left",
    async (signal) => {
      const running = await start({});
      const link = await connect(office, running.address);
      const pid = await link.call.pid();
      const held = link.call.hold({ ms: 500 });
      await link.call.pid(); // so it has begun
      for (const each of pidsOf(running, "ready")) process.kill(each, signal); // as a terminal does; they are told by the primary
      running.child.kill(signal);
      expect(await held).toBe(pid);
      const [code] = await once(running.child, "exit");
      expect(code).toBe(0);
      expect(pidsOf(running, "ready").map(isRunning)).toEqual([false, false]);
      expect(running.errors()).not.toContain("worker_failed");
      await link.disconnect();
    },
  );

  it("closes by a second signal", async () => {
    const running = await start({});
    const link = await connect(office, running.address);
    const held = caught(link.call.hold({ ms: 60_000 }));
    await link.call.pid();
    running.child.kill("SIGTERM");
    await said(running, () => pidsOf(running, "draining").length === 2);
    running.child.kill("SIGTERM");
    expect((await held).mayHaveLanded).toBe(true);
    expect((await once(running.child, "exit"))[0]).toBe(0);
  });

  it("restarts its processes by the signal that it names", async () => {
    const running = await start({ restartSignal: "SIGHUP" });
    const first = pidsOf(running, "ready");
    const link = await connect(office, running.address, {}, { reconnect: {}, retries: 10 });
    running.child.kill("SIGHUP");
    await said(running, () => pidsOf(running, "ended").length === 2);
    expect(first).not.toContain(await link.call.pid());
    await link.disconnect();
    running.child.kill("SIGTERM");
    expect((await once(running.child, "exit"))[0]).toBe(0);
  });

  it("takes its processes with it when it is killed, also with upstart", async () => {
    for (const kind of ["serveOnAllCores", "upstart"]) {
      const running = await start({ kind, ...(kind === "upstart" ? { workers: undefined } : {}) });
      const link = await connect(office, running.address);
      await link.call.pid();
      const silent = once(running.child, "close"); // of all that write to its standard error, none is left
      running.child.kill("SIGKILL");
      await silent;
      await link.disconnect();
    }
  });
});
