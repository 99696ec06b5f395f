// A page and a service on one port: Hono.
import { once } from "node:events";
import { serve } from "@hono/node-server";
import { serveWebSocket } from "hbi/ws";
import { Hono } from "hono";
import { greeting, handlers, options } from "./greeting.js";

export async function start() {
  const app = new Hono();
  app.get("/", (context) => context.text("a page"));
  const httpServer = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(httpServer, "listening");
  const server = await serveWebSocket(greeting, httpServer, handlers, options);
  return { server, stop: () => httpServer.close() };
}
