/// <reference lib="esnext.disposable" preserve="true" />
/** Servers that are several processes, on Node. Import everything else from "hbi". */
import "./eager.ts";

export { serveOnAllCores } from "./endpoints/cluster/all-cores.ts";
export type { Cluster } from "./endpoints/cluster/cluster.ts";
export type { AllCoresOptions, ClusterOptions, UpstartOptions } from "./endpoints/cluster/options.ts";
export { upstart } from "./endpoints/cluster/upstart.ts";
export type { WorkerInfo, WorkerState } from "./endpoints/cluster/worker-process.ts";
