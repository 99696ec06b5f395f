/**
 * Joins two WebSockets that have dialed the same path, since a page can only dial. Runs in Node, beside tests in a browser.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { type WebSocket, WebSocketServer } from "ws";

declare module "vitest" {
  interface ProvidedContext {
    /** URL of the relay */
    relay: string;
  }
}

/** Whoever sends waits while the other does not read. */
const MOST_BYTES = 1024 * 1024;

function forward(from: WebSocket, to: WebSocket): void {
  from.on("message", (data, isBinary) => {
    to.send(data, { binary: isBinary }, () => {
      if (to.bufferedAmount <= MOST_BYTES) from.resume();
    });
    if (to.bufferedAmount > MOST_BYTES) from.pause();
  });
  from.on("close", (code, reason) => {
    if (code === 1005 || code === 1006) to.terminate();
    else to.close(code, reason);
  });
  from.on("error", () => to.terminate());
}

export async function startRelay(): Promise<{ url: string; close(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const waiting = new Map<string, WebSocket>();
  server.on("connection", (socket, { url = "" }) => {
    const other = waiting.get(url);
    if (other === undefined) {
      socket.pause(); // what it sends meanwhile
      waiting.set(url, socket);
      return;
    }
    waiting.delete(url);
    forward(socket, other);
    forward(other, socket);
    other.resume();
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** For a project of vitest, by its option `globalSetup`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, close } = await startRelay();
  project.provide("relay", url);
  return close;
}
