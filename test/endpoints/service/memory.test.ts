/**
 * Through sockets: what a text of a peer keeps of the heap while handlers and callers hold what it says, before anybody has authenticated, by the
 * limits for trusted peers, and of a server that is hostile to its clients.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { defineService, type LimitOptions, method } from "hbi";
import { connect, serve } from "hbi/node";
import { answer, conversation, packet } from "hbi/testing";
import { afterEach, expect, it } from "vitest";
import { z } from "zod";
import { liveBytes } from "../../support/heap.ts";

const MAX_BYTES_PER_CHAR = 128;
/** Of the connections themselves, and of what the engine keeps. */
const FREE_BYTES = 2 * 1_024 * 1_024;

const anything = z.record(z.string(), z.json());
const guestbook = defineService({
  name: "guestbook",
  version: "1.0.0",
  methods: {
    write: method({ params: { entries: z.array(anything) } }),
    read: method({ params: {}, result: z.array(anything) }),
  },
  credentials: { proof: z.array(anything) },
});
const open = defineService({ name: "open", version: "1.0.0", methods: guestbook.methods });

const ITEMS = ["{1023:1,2574:1}", "{'1023':1,'2574':1}", '{"1023":1,"2574":1}', "{9:{9:{9:{9:1}}}}"];
const many = (item: string, chars: number) =>
  `[${new Array(Math.floor(chars / (item.length + 1))).fill(item).join(",")}]`;
const quietly = { log: () => undefined };

let sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});

/** Says it on a connection of its own. */
function say(address: string, text: string): void {
  const [host, port] = address.split(":");
  const socket = dial(Number(port), host, () => socket.write(text)).on("error", () => undefined);
  sockets.push(socket);
}

/** Handlers that keep what they are given, and never end. */
class Keeping {
  readonly kept: unknown[] = [];
  #wake: () => void = () => undefined;

  keep(given: unknown): Promise<never> {
    this.kept.push(given);
    this.#wake();
    return new Promise(() => undefined);
  }

  async has(count: number): Promise<void> {
    while (this.kept.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

it.each(ITEMS)("before it has authenticated a peer costs what its packet does: %s", async (item) => {
  const CONNECTIONS = 50;
  const keeping = new Keeping();
  const handlers = () => ({ write: () => undefined, read: () => [] });
  const authenticate = (credentials: unknown) => keeping.keep(credentials);
  const server = await serve(guestbook, "127.0.0.1:0", handlers, { ...quietly, authenticate });
  const text = `$hbi.authenticate(${many(item, 4_000)})`;
  const before = liveBytes();
  for (let i = 0; i < CONNECTIONS; i++) say(server.address, conversation("101;x;n", text));
  await keeping.has(CONNECTIONS);
  expect(liveBytes() - before).toBeLessThan(FREE_BYTES + CONNECTIONS * text.length * MAX_BYTES_PER_CHAR);
  for (const socket of sockets) socket.destroy();
  await server.close();
});

it.each(ITEMS)("by the limits for trusted peers a call costs what its text does: %s", async (item) => {
  const CHARS = 500_000;
  const keeping = new Keeping();
  const handlers = () => ({ write: ({ entries }: { entries: unknown }) => keeping.keep(entries), read: () => [] });
  const limits: LimitOptions = { preset: "trusted" };
  const server = await serve(open, "127.0.0.1:0", handlers, { ...quietly, limits });
  const text = `write(${many(item, CHARS)})`;
  const before = liveBytes();
  say(server.address, conversation("101;x;n", text));
  await keeping.has(1);
  expect(liveBytes() - before).toBeLessThan(FREE_BYTES + text.length * MAX_BYTES_PER_CHAR);
  for (const socket of sockets) socket.destroy();
  await server.close();
});

it.each(ITEMS)("a hostile server costs a client what its answer does: %s", async (item) => {
  const text = many(item, 30_000);
  const server = createServer((socket) => {
    sockets.push(socket);
    const heard = { text: "" };
    socket
      .on("error", () => undefined)
      .on("data", (chunk) => {
        heard.text += chunk.toString("latin1");
        if (heard.text.includes("co_end")) socket.write(answer("101", packet("co_recv", text)));
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const link = await connect(open, `127.0.0.1:${port}`, {}, quietly);
  const before = liveBytes();
  const answered = await link.call.read({});
  expect(answered.length).toBeGreaterThan(1_000);
  expect(liveBytes() - before).toBeLessThan(FREE_BYTES + text.length * MAX_BYTES_PER_CHAR);
  expect(answered[0]).toEqual(answered.at(-1)); // held until here
  for (const socket of sockets) socket.destroy();
  await link.closed;
  server.close();
});
