/**
 * A worker that serves the thread which has started it, and calls a service of that thread over a port of its own.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { connect, type MessagePortLike, ServiceHost } from "hbi";
import { primes, settings } from "./service.ts";

const host = new ServiceHost(primes, (peer) => ({
  async count({ below }) {
    let found = 0;
    for (let quarter = 1; quarter <= 4; quarter++) {
      for (let n = Math.ceil((below * (quarter - 1)) / 4); n < (below * quarter) / 4; n++) if (isPrime(n)) found += 1;
      await peer.post.progress({ percent: quarter * 25 });
    }
    return found;
  },
  crash: () =>
    new Promise<void>(() => {
      setTimeout(() => {
        throw new Error("out of primes");
      });
    }),
}));

await host.accept(parentPort as MessagePort); // it is a worker

const port = workerData as MessagePortLike | undefined;
if (port !== undefined) {
  const link = await connect(settings, port);
  console.log(`the worker reads: ${await link.call.read({ name: "colour" })}`);
  await link.close();
}

function isPrime(n: number): boolean {
  for (let by = 2; by * by <= n; by++) if (n % by === 0) return false;
  return n > 1;
}
