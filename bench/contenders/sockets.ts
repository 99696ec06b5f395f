/**
 * Bare sockets on the loopback interface.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Listens on a port that the system chooses. */
export async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, onSocket);
  server.listen(0, "127.0.0.1", 4096);
  await once(server, "listening");
  return portOf(server);
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return socket;
}

export function portOf(server: { address(): unknown }): number {
  const address = server.address();
  if (typeof address !== "object" || address === null || !("port" in address)) throw new Error("not listening");
  return Number(address.port);
}
