/**
 * 1 GiB each way through sendData and recvData between two processes, with a fast and with a slow reader, beside the same
 * bytes through a bare socket. Fails when the memory of either process grows by 64 MiB or more.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { HostingEnv, script } from "hbi";
import { HBIC } from "hbi/node";
import { z } from "zod";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const CHUNK_BYTES = 64 * 1024;
const SLOW_BYTES = GIB / 4;
const MAX_GROWTH_BYTES = 64 * MIB;

const Report = z.object({ bytes: z.number(), growth: z.number() });

/** Watches this process's memory from now on. */
export function watchMemory(): () => number {
  global.gc?.();
  const start = process.memoryUsage.rss();
  let peak = start;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  return () => {
    clearInterval(timer);
    return Math.max(peak, process.memoryUsage.rss()) - start;
  };
}

export function* chunks(bytes: number): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES).fill(7);
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) yield left >= CHUNK_BYTES ? chunk : chunk.subarray(0, left);
}

interface Row {
  readonly name: string;
  readonly megabytesPerSecond: number;
  readonly growths: readonly number[];
}

export async function stream(): Promise<boolean> {
  const path = fileURLToPath(new URL("./stream-server.js", import.meta.url));
  const server = spawn(process.execPath, ["--expose-gc", path], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const [address = "", rawPort = ""] = line.split(" ");

  const rows: Row[] = [];
  for (let round = 0; round < 3; round++) {
    rows.push(await rawUpload(Number(rawPort)));
    rows.push(await upload(address, "sendData, fast reader", GIB, 0));
    rows.push(await download(address, "recvData, fast reader", GIB, 0));
    console.log(`round ${round + 1} of 3 done`);
  }
  rows.push(await upload(address, "sendData, slow reader", SLOW_BYTES, 2));
  rows.push(await download(address, "recvData, slow reader", SLOW_BYTES, 2));
  server.stdin.end();
  await once(server, "exit");
  return report(rows);
}

async function withClient(run: (po: Awaited<ReturnType<HBIC["connect"]>>["po"]) => Promise<Row>): Promise<Row> {
  const client = new HBIC(address(), new HostingEnv(), { limits: { maxBodyBytes: 2 * GIB, callTimeoutMs: 600_000 } });
  const { po } = await client.connect();
  const row = await run(po);
  await client.drain();
  return row;
}

let serverAddress = "";
function address(): string {
  return serverAddress;
}

function upload(at: string, name: string, bytes: number, pauseMs: number): Promise<Row> {
  serverAddress = at;
  return withClient(async (po) => {
    const growth = watchMemory();
    const start = performance.now();
    const there = await po.converse(
      async (co) => {
        await co.sendCode(script`upload(${bytes}, ${pauseMs})`);
        await co.sendData(chunks(bytes));
        return co.recvObj(Report);
      },
      { rawBytes: bytes },
    );
    return { name, megabytesPerSecond: rate(there.bytes, start), growths: [growth(), there.growth] };
  });
}

function download(at: string, name: string, bytes: number, pauseMs: number): Promise<Row> {
  serverAddress = at;
  return withClient(async (po) => {
    const growth = watchMemory();
    const start = performance.now();
    let received = 0;
    const there = await po.converse(async (co) => {
      await co.sendCode(script`download(${bytes})`);
      for await (const chunk of co.recvChunks(bytes)) {
        received += chunk.length;
        if (pauseMs > 0 && received % (MIB / 4) < chunk.length) await pause(pauseMs);
      }
      return co.recvObj(Report);
    });
    return { name, megabytesPerSecond: rate(received, start), growths: [growth(), there.growth] };
  });
}

/** The measure: the same bytes through a bare socket. */
async function rawUpload(port: number): Promise<Row> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const growth = watchMemory();
  const start = performance.now();
  for (const chunk of chunks(GIB)) if (!socket.write(chunk)) await once(socket, "drain");
  socket.end();
  socket.resume();
  await once(socket, "close");
  return { name: "bare socket", megabytesPerSecond: rate(GIB, start), growths: [growth()] };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function rate(bytes: number, start: number): number {
  return bytes / 1e6 / ((performance.now() - start) / 1000);
}

function report(rows: readonly Row[]): boolean {
  const names = [...new Set(rows.map(({ name }) => name))];
  let isBounded = true;
  console.log("\njob                      MB/s (median)  of a bare socket  memory growth here / there (MiB, largest)");
  const raw = median(rows.filter(({ name }) => name === "bare socket").map((row) => row.megabytesPerSecond));
  for (const name of names) {
    const own = rows.filter((row) => row.name === name);
    const speed = median(own.map((row) => row.megabytesPerSecond));
    const growths = own[0]?.growths.map((_, i) => Math.max(...own.map((row) => row.growths[i] ?? 0))) ?? [];
    if (name !== "bare socket" && growths.some((growth) => growth >= MAX_GROWTH_BYTES)) isBounded = false;
    const memory = growths.map((growth) => (growth / MIB).toFixed(1)).join(" / ");
    console.log(
      `${name.padEnd(25)}${speed.toFixed(0).padStart(8)}${(speed / raw).toFixed(2).padStart(18)}       ${memory}`,
    );
  }
  console.log(isBounded ? "memory growth below 64 MiB on both sides" : "FAILED: memory grew by 64 MiB or more");
  return isBounded;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
