/**
 * The process of one consumer of the server under attack.
 */
import { upstart } from "hbi/cluster";
import { handlersOf } from "./handlers.ts";
import { depot, PROCESSES } from "./service.ts";

const handlers = handlersOf((complaint) => console.error(complaint)); // what it prints is a finding

await upstart(depot, "127.0.0.1:0", handlers, { ...PROCESSES, log: () => undefined });
