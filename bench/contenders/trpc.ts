/**
 * tRPC over one WebSocket: trpc.io/docs/server/websockets, with zod for its input as throughout its documentation.
 */
import { once } from "node:events";
import type { createTRPCClient as CreateClient } from "@trpc/client";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import type { Contender } from "./contender.ts";
import { portOf } from "./sockets.ts";

async function makeRouter() {
  const { initTRPC } = await import("@trpc/server");
  const t = initTRPC.create();
  const input = z.object({ action: z.string().max(64), n: z.int() });
  return t.router({ doJob: t.procedure.input(input).mutation(({ input: { action, n } }) => ({ action, n })) });
}

type Router = Awaited<ReturnType<typeof makeRouter>>;

export const trpc: Contender = {
  title: "tRPC (ws)",
  packageName: "@trpc/server",
  async serve() {
    const { applyWSSHandler } = await import("@trpc/server/adapters/ws");
    const router = await makeRouter();
    const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    applyWSSHandler({ wss, router });
    await once(wss, "listening");
    return { port: portOf(wss) };
  },
  async connect(port) {
    const { createTRPCClient, createWSClient, wsLink } = await import("@trpc/client");
    const socket = createWSClient({
      url: `ws://127.0.0.1:${port}`,
      WebSocket: WebSocket as unknown as typeof globalThis.WebSocket, // as in its documentation
    });
    const client: ReturnType<typeof CreateClient<Router>> = createTRPCClient<Router>({
      links: [wsLink<Router>({ client: socket })],
    });
    return { call: (action, n) => client.doJob.mutate({ action, n }) };
  },
};
