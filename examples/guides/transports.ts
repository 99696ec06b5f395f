/**
 * The code of docs/transports.md: addresses, streams, and an acceptor of the HBI layer over an in-memory transport.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Acceptor, Connection, defineService, HostingEnv, memoryTransportPair, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const n = z.number();

const acceptor = new Acceptor(
  () => new HostingEnv().expose("add", method({ params: { a: n, b: n }, result: n }), ({ a, b }) => a + b),
  { limits: { maxConnections: 100 }, name: "in memory" },
);

const [ours, theirs] = memoryTransportPair();
const accepted = acceptor.accept(theirs, { address: "203.0.113.7" });

const consumer = new Connection(ours, () => new HostingEnv());
await consumer.start();
const sum = await consumer.posting.converse(async (co) => {
  await co.sendCode("add(1, 2)");
  return co.recvObj();
});
console.log(sum, (await accepted).network, acceptor.connections.size);
await acceptor.drain("closing");

// --- addresses and streams -------------------------------------------------------------------------------------------

const greeting = defineService({
  name: "greeting",
  version: "1.0.0",
  methods: { hello: method({ params: {}, result: z.string() }) },
});
const folder = mkdtempSync(join(tmpdir(), "hbi-"));
process.chdir(folder);

const server = await serve(greeting, ["unix:greeting.sock", "127.0.0.1:0"], (peer) => ({
  hello: () => `hello, ${peer.network ?? "unix"}`,
}));
for (const address of server.addresses) {
  const link = await connect(greeting, address.includes(":") ? address : `unix:${address}`);
  console.log(await link.call.hello());
  await link.close();
}

const listener = createServer().listen(0, "127.0.0.1");
await once(listener, "listening");
const own = listener.address();
const dialed = connectSocket(typeof own === "object" && own !== null ? own.port : 0, "127.0.0.1");
const [[socket]] = (await Promise.all([once(listener, "connection"), once(dialed, "connect")])) as [[Socket], []];

await server.accept(socket, { remoteAddress: "203.0.113.9:51034" });
const link = await connect(greeting, dialed);

console.log(await link.call.hello());
await link.close();
await server.close();
listener.close();
rmSync(folder, { recursive: true });
