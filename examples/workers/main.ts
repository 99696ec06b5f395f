/**
 * Starts workers and calls them; serves one of them. Usage: main
 */
import { MessageChannel, Worker } from "node:worker_threads";
import { connect, dialMessagePort, isConnectionLost, ServiceHost } from "hbi";
import { primes, settings } from "./service.ts";

const script = new URL("./worker.js", import.meta.url);
const reactions = { progress: ({ percent }: { percent: number }) => console.log(`${percent} %`) };

// --- a service in a worker -------------------------------------------------------------------------------------------

const worker = new Worker(script);
const link = await connect(primes, worker, reactions);
console.log(`${await link.call.count({ below: 100_000 })} primes`);
await link.close();

// --- a worker that is started again ----------------------------------------------------------------------------------

const restarting = await connect(
  primes,
  (dialing) => dialMessagePort(new Worker(script), { ...dialing, terminate: true }),
  reactions,
  { reconnect: {} },
);
restarting.onState((state, reason) => console.log(`${state} ${reason?.message ?? ""}`));
await restarting.call.crash().catch((error) => console.log(`lost: ${isConnectionLost(error)}`));
console.log(`${await restarting.call.count({ below: 10 })} primes`);
await restarting.close();

// --- a service for a worker ------------------------------------------------------------------------------------------

const host = new ServiceHost(settings, () => ({ read: ({ name }) => (name === "colour" ? "green" : null) }));
const { port1, port2 } = new MessageChannel();
const reader = new Worker(script, { workerData: port2, transferList: [port2] });
const peer = await host.accept(port1);
await peer.closed;
await reader.terminate();
