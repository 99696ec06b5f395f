/**
 * Servers of several processes whose primary is the test. The worker processes run the built program
 * test/system/programs/cluster-server.ts.
 */
import { HbiError, type Link, type LogEntry } from "hbi";
import {
  type AllCoresOptions,
  type Cluster,
  serveOnAllCores,
  type UpstartOptions,
  upstart,
  type WorkerInfo,
} from "hbi/cluster";
import { connect } from "hbi/node";
import { program } from "../../support/programs.ts";
import { office } from "../../system/programs/cluster-service.ts";

export type Office = typeof office;
type Options = AllCoresOptions<Office, undefined> & UpstartOptions<Office, undefined>;
export type OfficeLink = Link<Office>;

/** Only worker processes run handlers. */
const unused = (): never => {
  throw new Error("the primary serves nobody");
};
export const handlers = () => ({
  pid: unused,
  hold: unused,
  caller: unused,
  peers: unused,
  block: unused,
  crash: unused,
  fill: unused,
  options: unused,
});

export interface Opened {
  readonly cluster: Cluster;
  readonly log: readonly LogEntry[];
  /** the states that worker processes have entered: "1 ready" */
  readonly states: readonly string[];
  /** Resolves when a worker process has entered this state. */
  until(state: WorkerInfo["state"], isMeant?: (info: WorkerInfo) => boolean): Promise<WorkerInfo>;
  /** a link that dials again */
  link(): Promise<OfficeLink>;
  /** Resolves when a failure with these words has been logged. */
  logs(words: RegExp): Promise<LogEntry>;
}

interface Opening extends Options {
  readonly kind?: "upstart";
  readonly address?: string | readonly string[];
}

/** Runs with such a server, and then closes it. */
export async function withCluster(opening: Opening, run: (opened: Opened) => Promise<void>): Promise<void> {
  const { kind, address = "127.0.0.1:0", ...options } = opening;
  const log: LogEntry[] = [];
  const states: string[] = [];
  const ears = new Set<() => void>();
  const heard = () => {
    for (const ear of ears) ear();
  };
  /** Of those that `find` gives now or later, the first. */
  const first = <T>(find: () => T | undefined) =>
    new Promise<T>((resolve) => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        ears.delete(look);
        resolve(found);
      };
      ears.add(look);
      look();
    });
  const links: OfficeLink[] = [];
  let last: WorkerInfo | undefined;
  process.env["CLUSTER_OPTIONS"] = JSON.stringify({ kind, address, ...options });
  const serve = kind === "upstart" ? upstart : serveOnAllCores;
  const cluster: Cluster = await serve(office, address, handlers, {
    program: program("test/system/programs/cluster-server.ts"),
    signals: false,
    ...options,
    log: (entry) => {
      log.push(entry);
      heard();
    },
    onWorker: (info) => {
      states.push(`${info.number} ${info.state}`);
      last = info;
      heard();
    },
  });
  try {
    await run({
      cluster,
      log,
      states,
      until: (state, isMeant = () => true) => {
        last = undefined;
        return first(() => (last?.state === state && isMeant(last) ? last : undefined));
      },
      async link() {
        const link = await connect(office, cluster.address, {}, { reconnect: { initialDelayMs: 10 }, retries: 10 });
        links.push(link);
        return link;
      },
      logs: (words) => first(() => log.find(({ error }) => words.test(error.message))),
    });
  } finally {
    await Promise.all(links.map((link) => link.disconnect()));
    await cluster.close();
    delete process.env["CLUSTER_OPTIONS"];
  }
}

/** Whether a process of this id exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function caught(promise: Promise<unknown>): Promise<HbiError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof HbiError)) throw new Error(`not refused: ${thrown}`);
  return thrown;
}
