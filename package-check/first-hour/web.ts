// What can be inferred of servers and clients over WebSockets is exported, and needs no types of the package ws.
import { createServer } from "node:http";
import { connect, defineService, method } from "hbi";
import { serveWebSocket } from "hbi/ws";
import { z } from "zod";

export const echo = defineService({
  name: "echo",
  version: "1.0.0",
  methods: { echo: method({ params: { text: z.string() }, result: z.string() }) },
});
export const web = createServer();
export const server = await serveWebSocket(echo, web, () => ({ echo: ({ text }) => text }), {
  path: "/hbi",
  origins: ["https://example.com"],
});
export const link = await connect(echo, "ws://127.0.0.1:3232/hbi");
export const text = await link.call.echo({ text: "a" });
