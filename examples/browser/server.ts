/**
 * The server: the page over HTTP, and its service over WebSockets on the same port. Usage: server HOST:PORT FOLDER, where the folder
 * has the built page.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HbiError, type LimitOptions, type Peer } from "hbi";
import { serveWebSocket } from "hbi/ws";
import { perform } from "../jobs/actions.ts";
import { filesOf } from "./files.ts";
import { desk, type Figures } from "./service.ts";

const [address = "127.0.0.1:8080", folder = "page"] = process.argv.slice(2);

/** What one page may use, and all of them together. The size of a file is bounded in the definition. */
const limits: LimitOptions = {
  maxConnections: 500,
  maxConnectionsPerAddress: 50, // the pages of one user
  maxInFlight: 32, // calls of one page, uploads included
  maxPacketBytes: 8 * 1024, // calls are short: a file is raw data
  callsPerSecond: 100, // of one page, which makes 10 small calls in a second
  keepaliveMs: 10_000, // a page that has gone to sleep is noticed
};

const pages = new Set<Peer<typeof desk, undefined>>();
const figures: Figures = { pages: 0, running: 0, done: 0, cancelled: 0, failed: 0 };

/** Pushes to every page what has changed. A page that does not read delays nobody: nothing is awaited. */
function count(changes: Partial<Figures>): void {
  for (const [name, change] of Object.entries(changes)) figures[name as keyof Figures] += change; // names of figures
  figures.pages = pages.size;
  for (const page of pages) void page.post.figures({ figures });
}

const web = createServer(await filesOf(folder));
const { hostname, port: wanted } = new URL(`http://${address}`);
web.listen(Number(wanted || 80), hostname);
await once(web, "listening");
const { port } = web.address() as AddressInfo; // an object, as it listens to a port

const server = await serveWebSocket(
  desk,
  web,
  (peer) => ({
    async do_job({ id, action }, call) {
      count({ running: 1 });
      try {
        const result = await perform(action, call.body); // while it arrives: it is never held as a whole
        await peer.post.job_done({ id, result }); // pushed
        count({ running: -1, done: 1 });
        return result;
      } catch (thrown) {
        const isCancelled = call.signal.reason instanceof HbiError && call.signal.reason.code === "cancelled";
        count({ running: -1, [isCancelled ? "cancelled" : "failed"]: 1 });
        throw thrown;
      }
    },
    echo: ({ number }) => number,
  }),
  {
    path: "/desk",
    origins: [`http://${hostname}:${port}`, `http://localhost:${port}`], // no other page may connect
    limits,
    concurrency: { do_job: 16 }, // of all pages; further uploads wait, unread
    handlerTimeoutsMs: { do_job: 3_600_000 },
    onPeer(peer) {
      pages.add(peer);
      count({});
    },
    onPeerLeft(peer) {
      pages.delete(peer);
      count({});
    },
  },
);
console.log(`listening on http://${hostname}:${port}/`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    const late = setTimeout(() => void server.close("the server ends"), 20_000); // the time that uploads have to end
    await server.drain("the server ends");
    clearTimeout(late);
    web.close();
    web.closeAllConnections();
  });
}
