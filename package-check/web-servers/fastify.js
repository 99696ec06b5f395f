// A page and a service on one port: Fastify, which drains the service when it closes.
import fastify from "fastify";
import { serveWebSocket } from "hbi/ws";
import { greeting, handlers, options } from "./greeting.js";

export async function start() {
  const app = fastify();
  app.get("/", async () => "a page");
  const server = await serveWebSocket(greeting, app.server, handlers, options);
  app.addHook("preClose", () => server.drain());
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { server, stop: () => app.close() };
}
