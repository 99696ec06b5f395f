/**
 * The code of docs/transports.md: an acceptor of the HBI layer over an in-memory transport.
 */
import { Acceptor, Connection, HostingEnv, memoryTransportPair, method } from "hbi";
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
