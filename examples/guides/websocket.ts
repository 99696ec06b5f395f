/**
 * The code of docs/websocket.md, in its order: a chat that pages and programs use, beside the pages of an HTTP server.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, defineService, type HbiError, method, type Peer } from "hbi";
import { connect as connectFromNode } from "hbi/node";
import { serveWebSocket } from "hbi/ws";
import { WebSocket } from "ws";
import { z } from "zod";

// Node has it from version 22 on, and browsers always.
if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket });

const chat = defineService({
  name: "chat",
  version: "1.0.0",
  methods: { say: method({ params: { text: z.string() }, result: z.int() }) },
  reactions: { said: method({ params: { by: z.string(), text: z.string() } }) },
});
const sessions = new Map([["s-17", "Ada"]]);

const httpServer = createServer((_request, response) => response.end("the page of the chat\n"));

type Guest = Peer<typeof chat, string>;
const guests = new Set<Guest>();
const handlers = (peer: Guest) => ({
  say({ text }: { text: string }) {
    for (const guest of guests) void guest.post.said({ by: peer.context, text });
    return guests.size;
  },
});

const server = await serveWebSocket(chat, httpServer, handlers, {
  path: "/chat",
  origins: ["https://chat.example.com"],
  authenticate: (_: undefined, peer: Peer<typeof chat, unknown>) => {
    const session = peer.request?.cookies?.get("session") ?? "";
    return sessions.get(session) ?? `a guest of ${peer.network}`;
  },
  onPeer: (peer) => guests.add(peer),
  onPeerLeft: (peer) => guests.delete(peer),
});

httpServer.listen(0, "127.0.0.1");
await once(httpServer, "listening");
const url = server.address;
console.log(await (await fetch(url.replace("ws:", "http:"))).text());

// --- a program -------------------------------------------------------------------------------------------------------

const reactions = { said: ({ by, text }: { by: string; text: string }) => console.log(`${by}: ${text}`) };

const link = await connectFromNode(chat, url, reactions, {
  webSocket: { headers: { cookie: "session=s-17" } },
});
console.log(await link.call.say({ text: "hello" }));

// --- who is refused --------------------------------------------------------------------------------------------------

const foreign = connectFromNode(chat, url, reactions, {
  webSocket: { headers: { cookie: "session=s-17", origin: "https://evil.example" } },
});
await foreign.catch((error: HbiError) => console.log(error.message.replace(/:\d+/, "")));

// --- a page ----------------------------------------------------------------------------------------------------------

const page = await connect(chat, url, reactions, { reconnect: {} });

console.log(await page.call.say({ text: "hi" }));
await page.close();
await link.close();
await server.close();
httpServer.close();
