/**
 * A service that says who calls it, over TLS; bare sockets beside it.
 */
import { once } from "node:events";
import { connect as connectPlain, type Socket, type Server as SocketServer } from "node:net";
import { type ConnectionOptions, connect as connectSecure, type TLSSocket } from "node:tls";
import { defineService, type HbiError, type LimitOptions, type LogEntry, method, parseAddress } from "hbi";
import { type ClientTls, connect, type ServeOptions, type Server, type ServerTls, serve } from "hbi/node";
import { z } from "zod";

export const who = defineService({
  name: "who",
  version: "1.0.0",
  methods: { am_i: method({ params: {}, result: z.string() }) },
});

export interface Served {
  readonly server: Server<typeof who, undefined>;
  readonly port: number;
  readonly log: LogEntry[];
  /** Resolves with the next log entry. */
  told(): Promise<HbiError>;
}

export async function serveWho(
  tls: ServerTls | undefined,
  limits: LimitOptions = {},
  options: Pick<ServeOptions<typeof who, undefined>, "clock"> = {},
): Promise<Served> {
  const log: LogEntry[] = [];
  const waiting: ((error: HbiError) => void)[] = [];
  const server = await serve(who, "127.0.0.1:0", (peer) => ({ am_i: () => peer.identity?.commonName ?? "nobody" }), {
    ...(tls === undefined ? {} : { tls }),
    ...options,
    limits,
    log: (entry) => {
      log.push(entry);
      for (const tell of waiting.splice(0)) tell(entry.error);
    },
  });
  const address = parseAddress(server.address);
  const told = () => new Promise<HbiError>((resolve) => waiting.push(resolve));
  return { server, port: "port" in address ? address.port : 0, log, told };
}

/** Calls once, over a connection of its own: what it is answered. */
export async function ask({ port }: Served, tls: ClientTls, host = "127.0.0.1"): Promise<string> {
  const link = await connect(who, { host, port }, {}, { tls, log: () => undefined });
  try {
    return await link.call.am_i();
  } finally {
    await link.close();
  }
}

/** What another program does. */
export async function bareTls({ port }: Served, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectSecure({ host: "127.0.0.1", port, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Everything that it receives until it is closed. */
export async function heardBy(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined); // a reset is an end as well
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString();
}

export async function barePlain({ port }: Served): Promise<Socket> {
  const socket = connectPlain({ host: "127.0.0.1", port });
  await once(socket, "connect");
  return socket;
}

/** Its port. */
export async function listening(server: SocketServer): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
