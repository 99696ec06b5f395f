/**
 * The options of servers that are several processes. docs/all-cores.md.
 */
import { constants } from "node:os";
import { type LimitOptions, resolveLimits } from "../../limits.ts";
import {
  aBoolean,
  aCount,
  aFiniteTime,
  aFunction,
  aPositiveInteger,
  aTime,
  mustBe,
  type OptionsOf,
} from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import { SERVE_OPTIONS, type ServeOptions, type Server } from "../node/serve.ts";
import type { SignalOptions } from "./signals.ts";
import type { WorkerInfo } from "./worker-process.ts";

export interface ClusterOptions<S extends Service, Context> extends ServeOptions<S, Context>, SignalOptions {
  /** Runs in each worker process when it is ready, with its part of the server: `peers` are those of this process. */
  readonly onServer?: ((server: Server<S, Context>) => unknown) | undefined;
  /** Runs in the primary when a worker process has another state. A failure goes to the log. */
  readonly onWorker?: ((worker: WorkerInfo) => unknown) | undefined;
  /** The program that worker processes run. Default: that of this process, with the same arguments */
  readonly program?: string | URL | undefined;
  /** Options of Node for worker processes, beside those of this process. */
  readonly execArgv?: readonly string[] | undefined;
  /** The heap of a worker process in MiB (`--max-old-space-size`). One that needs more ends. Default: as Node decides */
  readonly maxHeapMib?: number | undefined;
  /** A worker process that is not ready by then is ended. Default: 30,000 */
  readonly startTimeoutMs?: number | undefined;
  /** Calls that a draining worker process has not answered by then are lost. Default: 60,000 */
  readonly drainTimeoutMs?: number | undefined;
  /** A worker process whose event loop does not run for so long is ended. Default: 60,000 */
  readonly hangTimeoutMs?: number | undefined;
  /** Worker processes that fail are replaced; after more than this many failures within `restartWindowMs`, the server
   *  drains and closes with `worker_failed`. Default: 10 */
  readonly maxRestarts?: number | undefined;
  /** Default: 60,000 */
  readonly restartWindowMs?: number | undefined;
}

export interface AllCoresOptions<S extends Service, Context> extends ClusterOptions<S, Context> {
  /** How many worker processes there are. Default: one for each core */
  readonly workers?: number | undefined;
}

export interface UpstartOptions<S extends Service, Context> extends ClusterOptions<S, Context> {
  /** How many processes there are at once, including those that start and those that end. Further consumers are
   *  refused. Default: 32 */
  readonly maxProcesses?: number | undefined;
  /** The same for the consumers of one address. Default: 8 */
  readonly maxProcessesPerAddress?: number | undefined;
  /** How many processes wait for the next consumers, who need not wait for a start then. Default: 1 */
  readonly spareProcesses?: number | undefined;
}

const aLimit = mustBe(
  "a positive integer or Infinity",
  (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) >= 1),
);
const MANY_PROCESSES = 1_024;
const aNumberOfProcesses = mustBe(
  `an integer from 1 to ${MANY_PROCESSES}`,
  (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MANY_PROCESSES,
);

const CLUSTER_OPTIONS: OptionsOf<ClusterOptions<Service, unknown>> = {
  ...SERVE_OPTIONS,
  onServer: aFunction,
  onWorker: aFunction,
  signals: aBoolean,
  restartSignal: mustBe("a signal such as SIGHUP", (value) => Object.hasOwn(constants.signals, String(value))),
  program: mustBe("a path or a file: URL", (value) => typeof value === "string" || value instanceof URL),
  execArgv: mustBe(
    "a list of strings",
    (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  ),
  maxHeapMib: aPositiveInteger,
  startTimeoutMs: aFiniteTime,
  drainTimeoutMs: aFiniteTime,
  hangTimeoutMs: aTime,
  maxRestarts: aLimit,
  restartWindowMs: aFiniteTime,
};
export const ALL_CORES_OPTIONS: OptionsOf<AllCoresOptions<Service, unknown>> = {
  ...CLUSTER_OPTIONS,
  workers: aNumberOfProcesses,
};
export const UPSTART_OPTIONS: OptionsOf<UpstartOptions<Service, unknown>> = {
  ...CLUSTER_OPTIONS,
  maxProcesses: aNumberOfProcesses,
  maxProcessesPerAddress: aLimit,
  spareProcesses: aCount,
};

/** How processes are started, watched and ended; with its defaults. */
export interface Settings {
  readonly program: string | URL | undefined;
  readonly execArgv: readonly string[];
  readonly startTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly hangTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly maxRestarts: number;
  readonly restartWindowMs: number;
}

/** Splits them: those of the processes, and those of `serve`, which each process has. */
export function settingsOf<S extends Service, Context>(
  options: ClusterOptions<S, Context>,
): { readonly settings: Settings; readonly serving: ServeOptions<S, Context> } {
  const {
    onServer: _,
    onWorker: __,
    signals: ___,
    restartSignal: ____,
    program,
    execArgv = [],
    maxHeapMib,
    startTimeoutMs = 30_000,
    drainTimeoutMs = 60_000,
    hangTimeoutMs = 60_000,
    maxRestarts = 10,
    restartWindowMs = 60_000,
    ...serving
  } = options;
  const heap = maxHeapMib === undefined ? [] : [`--max-old-space-size=${maxHeapMib}`];
  const settings = {
    program,
    execArgv: [...process.execArgv, ...execArgv, ...heap],
    ...{ startTimeoutMs, drainTimeoutMs, hangTimeoutMs, maxRestarts, restartWindowMs },
    closeTimeoutMs: resolveLimits(serving.limits).closeTimeoutMs,
  };
  return { settings, serving };
}

/** A worker process has the limits of the whole, as it never has more connections than the whole. Those that have waited
 *  for it come at once. */
export function limitsOfWorker(limits: LimitOptions | undefined): LimitOptions {
  return { ...limits, acceptsPerSecond: Number.POSITIVE_INFINITY };
}
