/**
 * The process of a contender's client: makes calls with a given number in flight, and checks every answer.
 */
import type { Client } from "../contenders/contender.ts";
import { loadContender } from "../contenders/contenders.ts";
import type { Requests } from "./child.ts";
import type { Build } from "./server-role.ts";
import { usage } from "./usage.ts";

export interface Load {
  readonly kind: "call" | "callInPython" | "callByText" | "sendBlob" | "sendWholeBlob" | "post";
  readonly inFlight: number;
  /** of each blob */
  readonly bytes?: number;
  /** The load ends after this time, or this many calls. */
  readonly seconds: number;
  readonly most?: number;
}

export interface Loaded {
  readonly count: number;
  readonly seconds: number;
  readonly cpuMicros: number;
}

export interface Connected {
  readonly title: string;
  readonly packageName: string | undefined;
}

const idle: Client[] = [];
/** one, or one of each build; with the messages posted so far */
const clients: { readonly client: Client; posted: number }[] = [];
let nextNumber = 0;

export const requests = {
  async connect({ name, port, programs }: Build & { port: number }): Promise<Connected> {
    const contender = await loadContender(name, programs);
    clients.push({ client: await contender.connect(port), posted: 0 });
    return { title: contender.title, packageName: contender.packageName };
  },
  async connectIdle({ name, port, count }: { name: string; port: number; count: number }): Promise<void> {
    const contender = await loadContender(name);
    for (let i = 0; i < count; i++) idle.push(await contender.connect(port));
  },
  async run({ build = 0, ...load }: Load & { build?: number }): Promise<Loaded> {
    const connected = clients[build];
    if (connected === undefined) throw new Error("not connected");
    const before = usage();
    const start = performance.now();
    const count = await (load.kind === "post" ? post(connected, load) : callAll(connected.client, load));
    const seconds = (performance.now() - start) / 1000;
    return { count, seconds, cpuMicros: usage().cpuMicros - before.cpuMicros };
  },
} satisfies Requests;

async function callAll(client: Client, load: Load): Promise<number> {
  const one = operation(client, load);
  const over = timer(load.seconds);
  const most = load.most ?? Number.POSITIVE_INFINITY;
  let begun = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (!over.isOver && begun < most) {
      begun += 1;
      nextNumber += 1;
      await one(nextNumber);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: load.inFlight }, worker));
  return done;
}

function operation(client: Client, { kind, bytes = 0 }: Load): (n: number) => Promise<void> {
  switch (kind) {
    case "call":
    case "callInPython":
    case "callByText":
      return caller(client, kind);
    case "sendBlob":
    case "sendWholeBlob":
      return blobSender(client, kind, bytes);
    case "post":
      throw new Error("messages are not sent one at a time");
  }
}

function caller(client: Client, kind: "call" | "callInPython" | "callByText"): (n: number) => Promise<void> {
  const call = client[kind];
  if (call === undefined) throw new Error(`no ${kind}`);
  return async (n) => {
    const answer = await call("resize", n);
    if (answer.action !== "resize" || answer.n !== n)
      throw new Error(`wrong answer to ${n}: ${JSON.stringify(answer)}`);
  };
}

function blobSender(client: Client, kind: "sendBlob" | "sendWholeBlob", bytes: number): (n: number) => Promise<void> {
  const sendBlob = client[kind];
  if (sendBlob === undefined) throw new Error(`no ${kind}`);
  const free: Uint8Array[] = []; // one for each call in flight: a blob must not change while it is sent
  return async (n) => {
    const blob = free.pop() ?? new Uint8Array(bytes).fill(7);
    blob[0] = n & 0xff;
    blob[bytes - 1] = (n >> 8) & 0xff;
    const { bytes: seen, first, last } = await sendBlob(blob);
    if (seen !== bytes || first !== blob[0] || last !== blob.at(-1)) {
      throw new Error(`wrong answer to blob ${n}: ${seen} bytes from ${first} to ${last}`);
    }
    free.push(blob);
  };
}

async function post(connected: (typeof clients)[number], load: Load): Promise<number> {
  const { client } = connected;
  if (client.post === undefined) throw new Error("no post");
  const over = timer(load.seconds);
  const { sent, landed } = await client.post(() => over.isOver);
  if (sent !== landed) throw new Error(`${sent} messages sent, ${landed} landed`);
  const count = sent - connected.posted;
  connected.posted = sent;
  return count;
}

/** Reading the clock for every call would be measured as well. */
function timer(seconds: number): { isOver: boolean } {
  const state = { isOver: false };
  setTimeout(() => {
    state.isOver = true;
  }, seconds * 1000);
  return state;
}
