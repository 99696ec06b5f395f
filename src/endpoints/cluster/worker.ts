/**
 * The worker process of a cluster: serves the sockets that its primary has accepted. docs/all-cores.md.
 */
import cluster from "node:cluster";
import { Socket } from "node:net";
import { systemClock } from "../../clock.ts";
import { asHbiError, failure } from "../../errors.ts";
import type { Service } from "../../registry/service.ts";
import type { Address } from "../address.ts";
import { Listeners, type Listening, receptionsAt } from "../node/listeners.ts";
import type { Reception } from "../node/reception.ts";
import { hosting, Server } from "../node/serve.ts";
import type { Peer } from "../service/peer.ts";
import type { HandlersOf } from "../service/service-host.ts";
import { heard } from "../session/connection-options.ts";
import { ignore } from "../waits.ts";
import { type Appointment, fromPrimary, type ToPrimary } from "./messages.ts";
import { type ClusterOptions, limitsOfWorker, settingsOf } from "./options.ts";

/** What keeps a drained process alive is ended by then. */
const LINGER_MS = 5_000;

/** Never resolves: what stands after the call runs in the primary alone. @throws HbiError as `serve` */
export async function serveAsWorker<S extends Service, Context>(
  { addresses }: Appointment,
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => HandlersOf<S, Context>,
  options: ClusterOptions<S, Context>,
): Promise<never> {
  try {
    const { serving } = settingsOf(options);
    const limits = limitsOfWorker(serving.limits);
    const { host, parsed, tls, gate } = await hosting(service, address, handlers, { ...serving, limits });
    if (parsed.length !== addresses.length) throw failure("worker_failed", OTHER_ADDRESSES);
    const receptions = receptionsAt(parsed, host.acceptor, tls, gate);
    const all = receptions.map((reception, at) => new ListeningElsewhere(addresses[at] as string, reception)); // one for each
    const listeners = new Listeners(host.acceptor, all);
    await listeners.listen();
    const server = new Server(host, listeners);
    heard(
      () => options.onServer?.(server),
      (thrown) => host.acceptor.report(thrown),
    );
    listenToPrimary(server, receptions);
  } catch (thrown) {
    tell({ hbi: "failed", why: asHbiError(thrown).message });
    throw thrown;
  }
  return new Promise<never>(ignore);
}

const OTHER_ADDRESSES = "it serves other addresses than its primary";

function listenToPrimary<S extends Service, Context>(server: Server<S, Context>, receptions: Reception[]): void {
  // A terminal and a supervisor signal all processes; the primary then says what to do.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, ignore);
  process.on("message", (given: unknown, socket: unknown) => {
    const message = fromPrimary(given);
    switch (message?.hbi) {
      case "socket":
        tell({ hbi: "taken", id: message.id });
        if (socket instanceof Socket) serveSocket(socket, message.id, receptions[message.at]);
        else tell({ hbi: "left", id: message.id }); // ended on the way
        return;
      case "drain":
        void server.drain(message.reason).then(leave);
        return;
      case "close":
        void server.close(message.reason).then(leave);
        return;
      case "ping":
        tell({ hbi: "pong" });
    }
  });
  tell({ hbi: "ready" });
}

function serveSocket(socket: Socket, id: number, reception: Reception | undefined): void {
  socket.once("close", () => tell({ hbi: "left", id }));
  socket.allowHalfOpen = true;
  reception?.take(socket);
}

function tell(message: ToPrimary): void {
  if (process.connected) process.send?.(message, undefined, undefined, ignore); // the primary may be ending
}

let isLeaving = false;

function leave(): void {
  if (isLeaving) return;
  isLeaving = true;
  process.exitCode ??= 0;
  process.once("beforeExit", () => process.exit()); // otherwise Node warns that a promise of the program never settles
  cluster.worker?.disconnect();
  systemClock.after(LINGER_MS, () => process.exit());
}

/** Accepts nothing itself. */
class ListeningElsewhere implements Listening {
  readonly address: string;
  readonly reception: Reception;
  readonly stopped = Promise.resolve();

  constructor(address: string, reception: Reception) {
    this.address = address;
    this.reception = reception;
  }

  async listen(): Promise<void> {}
  stop(): void {}
}
