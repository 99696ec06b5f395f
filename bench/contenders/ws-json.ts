/**
 * A hand-written solution: JSON messages with an id over a WebSocket, and a Map of pending calls. No validation, no
 * limits, no deadlines. `ws` with `bufferutil`, as its README recommends.
 */
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import type { Answer, Contender } from "./contender.ts";
import { portOf } from "./sockets.ts";

export const wsJson: Contender = {
  title: "ws + JSON by hand",
  packageName: "ws",
  async serve() {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096 });
    server.on("connection", (socket) => {
      socket.on("message", (data) => {
        const { id, action, n } = JSON.parse(String(data));
        socket.send(JSON.stringify({ id, result: { action, n } }));
      });
    });
    await once(server, "listening");
    return { port: portOf(server) };
  },
  async connect(port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    await once(socket, "open");
    const waiting = new Map<number, (answer: Answer) => void>();
    let lastId = 0;
    socket.on("message", (data) => {
      const { id, result } = JSON.parse(String(data));
      waiting.get(id)?.(result);
      waiting.delete(id);
    });
    return {
      call: (action, n) =>
        new Promise((resolve) => {
          lastId += 1;
          waiting.set(lastId, resolve);
          socket.send(JSON.stringify({ id: lastId, action, n }));
        }),
    };
  },
};
