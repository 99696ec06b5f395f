/**
 * Cluster: a server that is several processes. This one, the primary, listens, bounds the connections of all, and hands
 * accepted sockets over to worker processes, which do the rest. docs/all-cores.md.
 */
import nodeCluster from "node:cluster";
import { failure, type HbiError } from "../../errors.ts";
import type { Service } from "../../registry/service.ts";
import type { Address } from "../address.ts";
import { type Listeners, listenersAt } from "../node/listeners.ts";
import { hosting } from "../node/serve.ts";
import type { Peer } from "../service/peer.ts";
import type { HandlersOf } from "../service/service-host.ts";
import type { Acceptor } from "../session/acceptor.ts";
import { heard, logUnexpected, tell } from "../session/connection-options.ts";
import { ignore, markHandled } from "../waits.ts";
import { Crew, type CrewOwner, type Plan } from "./crew.ts";
import { type ClusterOptions, settingsOf } from "./options.ts";
import { heedSignals } from "./signals.ts";
import type { WorkerInfo } from "./worker-process.ts";

interface Parts {
  readonly acceptor: Acceptor;
  readonly listeners: Listeners;
  readonly crew: Crew;
}

export class Cluster {
  /** Resolves when all of its processes have ended: with `worker_failed` if they failed too often. Never rejects. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #acceptor: Acceptor;
  readonly #listeners: Listeners;
  readonly #crew: Crew;
  #resolveClosed: (failed: HbiError | undefined) => void = ignore;

  constructor({ acceptor, listeners, crew }: Parts) {
    this.#acceptor = acceptor;
    this.#listeners = listeners;
    this.#crew = crew;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** "127.0.0.1:3232" as bound; for port 0, the port that the system chose. Of several addresses, the first. */
  get address(): string {
    return this.#listeners.address;
  }

  /** The same of each address. */
  get addresses(): readonly string[] {
    return this.#listeners.addresses;
  }

  /** The worker processes that have not ended. */
  get workers(): readonly WorkerInfo[] {
    return this.#crew.infos;
  }

  /** The number of open connections: those of all processes, and those that wait for one. */
  get connectionCount(): number {
    return this.workers.reduce((sum, { connectionCount }) => sum + connectionCount, this.#crew.waitingCount);
  }

  /** Replaces the worker processes one after the other, so that they run the program as it is now: a new one is ready
   *  before an old one drains. Of `upstart`, consumers are told to connect again. Resolves when all are replaced.
   *  @throws HbiError unavailable if a new one fails, and the old ones that are left go on; failed_precondition if the
   *  server is closed meanwhile */
  restart(): Promise<void> {
    return markHandled(this.#crew.restart());
  }

  /** Stops accepting, tells every consumer, answers what they had begun by then, and ends the worker processes. Takes at
   *  most `drainTimeoutMs`, and `closeTimeoutMs` and a second more. */
  drain(reason?: string): Promise<void> {
    return this.#end(() => this.#crew.drain(reason));
  }

  /** Closes at once; calls in flight are lost. The reason is sent to the consumers. */
  close(reason?: string): Promise<void> {
    return this.#end(() => this.#crew.close(reason));
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  /** @param failed why, if it was not told to */
  #end(endWorkers: () => Promise<unknown>, failed?: HbiError): Promise<void> {
    const ended = this.#listeners.end(async () => {
      await Promise.all([this.#acceptor.close(), endWorkers()]);
    });
    void ended.then(() => this.#resolveClosed(failed));
    return ended;
  }

  /** Drains, because processes fail too often. A supervisor sees it by the exit code of this process. */
  gaveUp(failed: HbiError): void {
    process.exitCode = 1;
    void this.#end(() => this.#crew.drain("the server has failed"), failed);
  }
}

/** Listens, and starts the first worker processes.
 *  @throws HbiError invalid_argument; unavailable if an address cannot be bound, or a worker process fails */
export async function openCluster<S extends Service, Context>(
  plan: Plan,
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => HandlersOf<S, Context>,
  options: ClusterOptions<S, Context>,
): Promise<Cluster> {
  const { onWorker, log = logUnexpected } = options;
  if (!nodeCluster.isPrimary) throw failure("wrong_stage", OF_ANOTHER);
  const { settings, serving } = settingsOf(options);
  const { host, parsed, tls, socketMode, gate } = await hosting(service, address, handlers, serving);
  const { acceptor } = host;
  const report = (error: HbiError, where: string): void => tell(log, { error, netIdent: acceptor.name, where });
  const owner: CrewOwner = {
    clock: acceptor.clock,
    patienceMs: acceptor.limits.connectTimeoutMs,
    addresses: () => listeners.addresses,
    changed: (info) =>
      heard(
        () => onWorker?.(info),
        (thrown) => acceptor.report(thrown),
      ),
    report: ({ number }, error) => report(error, `worker ${number}`),
    unserved: () => acceptor.refused("noWorker"),
    gaveUp(error) {
      report(error, "workers");
      cluster.gaveUp(error);
    },
  };
  const crew = new Crew(plan, settings, owner);
  const listeners = listenersAt(parsed, acceptor, { tls, socketMode }, gate, (reception, at) => ({
    report: (cause) => acceptor.report(cause),
    take(socket) {
      const place = reception.admit(socket);
      if (place !== undefined) crew.visit(socket, at, place);
    },
  }));
  const cluster = new Cluster({ acceptor, listeners, crew });
  if (settings.program === undefined) takeOwnProgram();
  await listeners.listen();
  try {
    await crew.start();
  } catch (thrown) {
    await cluster.close();
    throw thrown;
  }
  void cluster.closed.then(heedSignals(cluster, options));
  return cluster;
}

const OF_ANOTHER =
  "this process is a worker of another cluster, such as that of pm2: start it as a single process, which starts its own";

let hasOwnProgram = false;

/** A worker process runs the program up to its first call, so a second call would never be reached there. */
function takeOwnProgram(): void {
  if (process.argv[1] === undefined) {
    throw failure(
      "bad_option",
      "this process runs no program that worker processes could run: give the option program",
    );
  }
  if (hasOwnProgram) {
    const remedy = "combine the definitions, list the addresses, or give the option program";
    throw failure("wrong_stage", `a program is a server of several processes once: ${remedy}`);
  }
  hasOwnProgram = true;
}
