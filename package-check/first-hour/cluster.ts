// What can be inferred of servers of several processes is exported.
import { serveOnAllCores, upstart } from "hbi/cluster";
import { minimal } from "./portable.js";

export const handlers = () => ({ plain: ({ a }: { a: number }) => a });
export const cluster = await serveOnAllCores(minimal, "127.0.0.1:0", handlers, { workers: 2 });
export const workers = cluster.workers;
export const ended = cluster.closed;
export const start = () => upstart(minimal, "127.0.0.1:0", () => ({ plain: ({ a }) => a }), { maxProcesses: 4 });
export const all = { serveOnAllCores, upstart };
