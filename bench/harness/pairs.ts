/**
 * Pairs: a contender's server and client as two processes, kept for all rounds, so that they warm up once; and the
 * rounds, each of which runs all contenders, so that a slow minute of the machine affects them all.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { ContenderName } from "../contenders/contenders.ts";
import type { Connected, Load, Loaded } from "./client-role.ts";
import { type Effort, note } from "./job.ts";
import { Child, CORES } from "./processes.ts";
import { type Point, type Row, Samples } from "./section.ts";
import type { Build } from "./server-role.ts";
import type { Usage } from "./usage.ts";

/** The extra time of a load to wait for what is in flight. */
const PATIENCE_MS = 60_000;

export interface Entry {
  readonly row: string;
  /** instead of the contender's own */
  readonly title?: string;
  readonly contender: ContenderName;
  readonly loads: readonly { readonly metric: string; readonly load: Omit<Load, "seconds"> }[];
  /** in addition to the common warm-up: grpc-js is slow for ten seconds */
  readonly warmupSeconds?: number;
}

/** Why a contender is not available on this machine. */
export function reasonToSkip(contender: ContenderName): string | undefined {
  if (contender === "nats" && spawnSync("nats-server", ["-v"]).error !== undefined)
    return "no nats-server on this machine";
  return undefined;
}

export class Pair {
  readonly row: Row;
  readonly #server: Child;
  readonly #client: Child;

  private constructor(row: Row, server: Child, client: Child) {
    this.row = row;
    this.#server = server;
    this.#client = client;
  }

  /** @param builds what programs each connection is of, the present ones if undefined */
  static async start(
    { row, title, contender }: Pick<Entry, "row" | "title" | "contender">,
    builds: readonly (string | undefined)[] = [undefined],
  ): Promise<Pair> {
    const server = await Child.start("harness/server-role.js", `${row}, server`, CORES?.server);
    const client = await Child.start("harness/client-role.js", `${row}, client`, CORES?.client);
    let connected: Connected | undefined;
    for (const programs of builds) {
      const build: Build = { name: contender, ...(programs === undefined ? {} : { programs }) };
      const port = await server.ask<number>("serve", build);
      connected = await client.ask<Connected>("connect", { ...build, port });
    }
    if (connected === undefined) throw new Error("no build to start");
    const { packageName } = connected;
    const version = packageName === undefined ? {} : { version: versionOf(packageName) };
    const peer = contender.startsWith("hbi") ? {} : { isPeer: true };
    return new Pair({ name: row, title: title ?? connected.title, ...version, ...peer }, server, client);
  }

  /** Operations per second, or megabytes for a load with bytes, with the CPU of both sides per operation. */
  async run(load: Load, build = 0): Promise<Point & { readonly count: number }> {
    const before = await this.#server.ask<Usage>("usage");
    const { count, seconds, cpuMicros } = await this.#client.ask<Loaded>(
      "run",
      { ...load, build },
      load.seconds * 1000 + PATIENCE_MS,
    );
    const after = await this.#server.ask<Usage>("usage");
    if (count === 0) throw new Error(`${this.row.name}: nothing was done in ${seconds} s`);
    return {
      count,
      value: load.bytes === undefined ? count / seconds : (count * load.bytes) / 1e6 / seconds,
      clientMicros: cpuMicros / count,
      serverMicros: (after.cpuMicros - before.cpuMicros) / count,
      serverRssMib: after.rssBytes / 1024 ** 2,
    };
  }

  async stop(): Promise<void> {
    await this.#client.stop();
    await this.#server.stop();
  }
}

/** Every load of every entry once, with a few operations each. */
export async function checkAll(entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    const reason = reasonToSkip(entry.contender);
    if (reason !== undefined) {
      note(`${entry.row}: skipped, ${reason}`);
      continue;
    }
    await checkOne(entry);
    note(`${entry.row}: ${entry.loads.map(({ metric }) => metric).join(", ")}: answers are right`);
  }
}

/** @throws Error if an answer is wrong */
export async function checkOne(entry: Entry, programs?: string): Promise<void> {
  const pair = await Pair.start(entry, [programs]);
  for (const { load } of entry.loads) await pair.run({ ...load, seconds: 0.05, most: 3 * load.inFlight });
  await pair.stop();
}

export async function interleave(
  entries: readonly Entry[],
  effort: Effort,
): Promise<{ rows: Row[]; samples: Samples; remarks: string[] }> {
  const samples = new Samples();
  const remarks: string[] = [];
  const pairs: { entry: Entry; pair: Pair }[] = [];
  for (const entry of entries) {
    if (effort.only?.includes(entry.row) === false) continue;
    const reason = reasonToSkip(entry.contender);
    if (reason === undefined) pairs.push({ entry, pair: await Pair.start(entry) });
    else remarks.push(`${entry.row} is left out: ${reason}.`);
  }
  if (pairs.length === 0) throw new Error(`no such rows: ${effort.only?.join(", ")}`);
  for (const remark of remarks) note(remark);
  for (const { entry, pair } of pairs) {
    const seconds = (entry.warmupSeconds ?? effort.warmupSeconds) / entry.loads.length;
    for (const { load } of entry.loads) await pair.run({ ...load, seconds });
  }
  note(`${pairs.length} pairs are warmed up`);
  for (let round = 1; round <= effort.rounds; round++) {
    const start = performance.now();
    for (const { entry, pair } of pairs) {
      for (const { metric, load } of entry.loads) {
        const { count, ...point } = await pair.run({ ...load, seconds: effort.seconds });
        samples.add(entry.row, metric, point);
      }
    }
    note(`round ${round} of ${effort.rounds}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  for (const { pair } of pairs) await pair.stop();
  return { rows: pairs.map(({ pair }) => pair.row), samples, remarks };
}

function versionOf(packageName: string): string {
  const path = new URL(`../../node_modules/${packageName}/package.json`, import.meta.url);
  return String((JSON.parse(readFileSync(path, "utf8")) as { version: unknown }).version);
}
