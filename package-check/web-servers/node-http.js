// A page and a service on one port: node:http.
import { once } from "node:events";
import { createServer } from "node:http";
import { serveWebSocket } from "hbi/ws";
import { greeting, handlers, options } from "./greeting.js";

export async function start() {
  const httpServer = createServer((_request, response) => response.end("a page"));
  const server = await serveWebSocket(greeting, httpServer, handlers, options);
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  return { server, stop: () => httpServer.close() };
}
