/**
 * The contenders by name. A module is loaded only in the processes that run it, so that none counts another's memory.
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Contender } from "./contender.ts";

const LOADERS = {
  hbi: async () => (await import("./hbi.ts")).hbi,
  "hbi-wide": async () => (await import("./hbi.ts")).hbiWide,
  "hbi-one-lane": async () => (await import("./hbi.ts")).hbiOneLane,
  prototype: async () => (await import("./prototype.ts")).prototype,
  "grpc-js": async () => (await import("./grpc.ts")).grpc,
  capnweb: async () => (await import("./capnweb.ts")).capnweb,
  "socket.io": async () => (await import("./socket-io.ts")).socketIo,
  trpc: async () => (await import("./trpc.ts")).trpc,
  "vscode-jsonrpc": async () => (await import("./jsonrpc.ts")).jsonRpc,
  nats: async () => (await import("./nats.ts")).nats,
  "ws-json": async () => (await import("./ws-json.ts")).wsJson,
  raw: async () => (await import("./raw.ts")).raw,
  "raw-messages": async () => (await import("./raw-messages.ts")).rawMessages,
  "raw-blobs": async () => (await import("./raw-blobs.ts")).rawBlobs,
} satisfies Readonly<Record<string, () => Promise<Contender>>>;

export type ContenderName = keyof typeof LOADERS;

/** The built programs of the benchmark. A copy of them beside another build of the library imports that one. */
export const PROGRAMS = fileURLToPath(new URL("..", import.meta.url));

export async function loadContender(name: string, programs = PROGRAMS): Promise<Contender> {
  if (programs !== PROGRAMS) {
    const copy = pathToFileURL(join(programs, "contenders", "contenders.js")).href;
    return ((await import(copy)) as { loadContender: typeof loadContender }).loadContender(name); // this file
  }
  if (!Object.hasOwn(LOADERS, name)) throw new Error(`no such contender: ${name}`);
  return LOADERS[name as ContenderName](); // one of the table's keys
}
