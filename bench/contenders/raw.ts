/**
 * A bare socket that echoes: the lower bound for one call in flight.
 */
import type { Contender } from "./contender.ts";
import { dial, listen } from "./sockets.ts";

export const raw: Contender = {
  title: "raw net ping-pong",
  async serve() {
    const port = await listen((socket) => {
      socket.on("data", (chunk) => socket.write(chunk));
      socket.on("error", () => socket.destroy());
    });
    return { port };
  },
  async connect(port) {
    const socket = await dial(port);
    let waiting: ((text: string) => void) | undefined;
    socket.on("data", (chunk) => waiting?.(chunk.toString("latin1")));
    return {
      call: (action, n) =>
        new Promise((resolve, reject) => {
          const sent = `do_job("${action}",${n})`;
          waiting = (text) => (text === sent ? resolve({ action, n }) : reject(new Error(`got ${text}`)));
          socket.write(sent, "latin1");
        }),
    };
  },
};
