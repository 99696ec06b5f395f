/**
 * upstart: a service in one process for each consumer, for isolation. docs/all-cores.md, "A process for each consumer".
 */
import { availableParallelism } from "node:os";
import { resolveLimits } from "../../limits.ts";
import { checkOptions } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import type { Address } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import type { HandlersOf } from "../service/service-host.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import type { Tally } from "./crew.ts";
import { APPOINTMENT } from "./messages.ts";
import { UPSTART_OPTIONS, type UpstartOptions } from "./options.ts";
import { serveAsWorker } from "./worker.ts";

/** Of all cores, so that consumers that come and go leave some for the others. */
const STARTING_SHARE = 1 / 2;

/** Serves a definition as `serve` does, each consumer in a process of its own, which runs this same program, and ends
 *  with the connection. In it, the call serves and never resolves, so what stands after it runs once, in the primary.
 *  @throws HbiError invalid_argument; failed_precondition for a second call; unavailable if an address cannot be bound,
 *  or the first process fails to start */
export async function upstart<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  given: UpstartOptions<S, Context> = {},
): Promise<Cluster> {
  checkOptions(given, "upstart", UPSTART_OPTIONS);
  const { maxProcesses = 32, maxProcessesPerAddress = 8, spareProcesses = 1, ...options } = given;
  if (APPOINTMENT !== undefined) return serveAsWorker(APPOINTMENT, service, address, handlers, options);
  const { maxConnections, maxConnectionsPerAddress } = resolveLimits(options.limits);
  const limits = {
    ...options.limits,
    maxConnections: Math.min(maxConnections, maxProcesses),
    maxConnectionsPerAddress: Math.min(maxConnectionsPerAddress, maxProcessesPerAddress),
  };
  const mostStarting = Math.max(Math.floor(availableParallelism() * STARTING_SHARE), 1);
  const plan = {
    isForOne: true,
    lacking({ all, starting, idle, waiting }: Tally): number {
      const wanted = waiting + spareProcesses - starting - idle;
      return Math.min(wanted, maxProcesses - all, mostStarting - starting);
    },
  };
  return openCluster(plan, service, address, handlers, { ...options, limits });
}
