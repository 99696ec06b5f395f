/**
 * The server: does jobs for anyone who connects, and hands out the files of its folder.
 * Usage: server HOST:PORT FOLDER [--drop-at N], which drops its connections once, in the middle of the N-th call, to show how
 * consumers react.
 */
import { createReadStream } from "node:fs";
import { HbiError } from "hbi";
import { serve } from "hbi/node";
import { perform } from "./actions.ts";
import { type FolderFile, listFiles } from "./queue.ts";
import { jobs } from "./service.ts";

const [address = "127.0.0.1:3232", folder = ".", flag, count] = process.argv.slice(2);
const dropAt = flag === "--drop-at" ? Number(count) : Number.POSITIVE_INFINITY;

const parts = new Map((await listFiles(folder)).map((file) => [file.name, file]));

/** Only files in the table are available: a name never becomes a path. */
function part(name: string): FolderFile {
  const file = parts.get(name);
  if (file === undefined) throw new HbiError("not_found", "no such part", { name });
  return file;
}

let calls = 0;

/** Wraps every call: drops all connections once, in the middle of their work. */
function maintenance(_call: unknown, next: () => unknown): unknown {
  calls += 1;
  if (calls === dropAt) for (const peer of server.peers) void peer.disconnect("maintenance, back at once");
  return next();
}

const server = await serve(
  jobs,
  address,
  (peer) => ({
    async do_job({ id, action }, call) {
      const result = await perform(action, call.body); // streamed, with backpressure
      await peer.post.job_done({ id, result }); // a push
      return result;
    },
    largest_part() {
      const [largest] = [...parts.values()].sort((a, b) => b.size - a.size);
      if (largest === undefined) throw new HbiError("not_found", "no parts");
      return largest.name;
    },
    async check_part({ name }) {
      const { bytes, result } = await perform("sha256", createReadStream(part(name).path));
      return { name, size: bytes, sha256: result };
    },
    fetch_part({ name }) {
      const { size, path } = part(name);
      return { result: { size }, body: createReadStream(path) };
    },
  }),
  { interceptors: [maintenance] },
);
console.log(`listening on ${server.address}`);

process.once("SIGTERM", () => void server.drain());
// Ends with the program that started it.
process.stdin.resume().once("end", () => void server.drain());
await server.closed;
process.exit();
