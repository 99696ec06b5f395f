/**
 * serveStdio: a service on the standard input and output of this process, for the program that has started it.
 * docs/transports.md, "Child processes".
 */
import { Socket } from "node:net";
import { failure } from "../../errors.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import { StreamTransport } from "../../wire/transport/node-socket.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import { type HandlersOf, HOST_OPTIONS, type HostOptions, ServiceHost } from "../service/service-host.ts";
import { ignore } from "../waits.ts";
import { Listeners, type Listening } from "./listeners.ts";
import { Server } from "./serve.ts";

const OPTIONS: OptionsOf<HostOptions<Service, unknown>> = HOST_OPTIONS;
const NO_PIPE =
  "the standard input and output of this process are no pipes: it serves the program that starts it, such as with spawnPeer";

/** Serves a definition to the program that has started this one with `spawnPeer`. From then on, `console.log` and all
 *  else that is written to standard output goes to standard error. The server closes when that program ends the
 *  connection; the process then ends by itself, unless something else keeps it alive.
 *  @throws HbiError failed_precondition if standard input and output are no pipes, or are served already */
export async function serveStdio<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  options: HostOptions<S, Context> = {},
): Promise<Server<S, Context>> {
  checkOptions(options, "serveStdio", OPTIONS);
  const host = new ServiceHost<S, Context>(service, handlers, options);
  await host.described();
  const { stdin, stdout } = process;
  if (!(stdin instanceof Socket) || !(stdout instanceof Socket) || stdout.isTTY) throw failure("wrong_stage", NO_PIPE);
  if (isServed) throw failure("wrong_stage", "standard input and output are served already");
  isServed = true;
  const listeners = new Listeners(host.acceptor, [new Stdio()]);
  await listeners.listen();
  const transport = new OwnStdio(stdin, stdout);
  const peer = await host.accept(transport);
  void peer.closed.then(() => host.close());
  return new Server(host, listeners);
}

let isServed = false;

class Stdio implements Listening {
  readonly address = "stdio";
  readonly stopped: Promise<void> = Promise.resolve();
  async listen(): Promise<void> {}
  stop(): void {}
}

/** What others write to standard output would be read as HBI. */
class OwnStdio extends StreamTransport {
  constructor(input: Socket, output: Socket) {
    super(input, output, { localAddress: "stdio", remoteAddress: "stdio" });
    const write = output.write.bind(output);
    const { stderr } = process;
    output.write = ((...args: Parameters<typeof write>) => stderr.write(...args)) as typeof write;
    this.writesBy(write);
    input.on("error", ignore);
  }
}
