/**
 * A server of several processes: OPTIONS as JSON. Ends like any server, by a signal; its worker processes also serve a
 * primary that is a test.
 */
import { setTimeout } from "node:timers/promises";
import type { ServiceCall } from "hbi";
import { type AllCoresOptions, serveOnAllCores, type UpstartOptions, upstart } from "hbi/cluster";
import { office } from "./cluster-service.ts";

type Options = AllCoresOptions<typeof office, undefined> & UpstartOptions<typeof office, undefined>;

const {
  kind = "serveOnAllCores",
  address = "127.0.0.1:0",
  ...options
} = JSON.parse(process.argv[2] ?? process.env["CLUSTER_OPTIONS"] ?? "{}") as {
  kind?: string;
  address?: string | string[];
} & Options;

const handlers = (peer: { readonly remoteAddress: string }) => ({
  pid: () => process.pid,
  async hold({ ms }: { ms: number }, { signal }: Pick<ServiceCall, "signal">) {
    await setTimeout(ms, undefined, { signal });
    return process.pid;
  },
  caller: () => peer.remoteAddress,
  peers: () => own?.peers.size ?? 0,
  block({ ms }: { ms: number }) {
    const until = performance.now() + ms;
    while (performance.now() < until);
  },
  crash: () => void process.kill(process.pid, "SIGKILL"),
  fill() {
    const kept: object[] = [];
    for (;;) kept.push(Array.from({ length: 1_000 }, (_, i) => ({ i })));
  },
  options: () => process.execArgv,
});

let own: { readonly peers: ReadonlySet<unknown> } | undefined;
const serve = kind === "upstart" ? upstart : serveOnAllCores;
const cluster = await serve(office, address, handlers, {
  ...options,
  onServer: (server) => {
    own = server;
  },
  log: ({ error }) => console.error(error.reason, error.message),
  onWorker: ({ number, pid, state }) => console.error(`worker ${number} ${pid} ${state}`),
});
console.log(`listening on ${cluster.address}`);
