// A page and a service on one port: Express.
import { once } from "node:events";
import express from "express";
import { serveWebSocket } from "hbi/ws";
import { greeting, handlers, options } from "./greeting.js";

export async function start() {
  const app = express();
  app.get("/", (_request, response) => response.send("a page"));
  const httpServer = app.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  const server = await serveWebSocket(greeting, httpServer, handlers, options);
  return { server, stop: () => httpServer.close() };
}
