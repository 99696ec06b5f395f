/**
 * serveOnAllCores: a service in one worker process for each core. docs/all-cores.md.
 */
import { availableParallelism } from "node:os";
import { checkOptions } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import type { Address } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import type { HandlersOf } from "../service/service-host.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { APPOINTMENT } from "./messages.ts";
import { ALL_CORES_OPTIONS, type AllCoresOptions } from "./options.ts";
import { serveAsWorker } from "./worker.ts";

/** Serves a definition as `serve` does, in one worker process for each core. The processes run this same program; in
 *  them, the call serves and never resolves, so what stands after it runs once, in the primary.
 *  @throws HbiError invalid_argument; failed_precondition for a second call; unavailable if an address cannot be bound,
 *  or a worker process fails to start */
export async function serveOnAllCores<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  given: AllCoresOptions<S, Context> = {},
): Promise<Cluster> {
  checkOptions(given, "serveOnAllCores", ALL_CORES_OPTIONS);
  const { workers = availableParallelism(), ...options } = given;
  if (APPOINTMENT !== undefined) return serveAsWorker(APPOINTMENT, service, address, handlers, options);
  const plan = {
    isForOne: false,
    lacking: ({ starting, ready }: { starting: number; ready: number }) => workers - starting - ready,
  };
  return openCluster(plan, service, address, handlers, options);
}
