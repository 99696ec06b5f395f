/**
 * NATS request and reply through a nats-server, a separate process whose CPU and memory count for the serving side.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Answer, Contender } from "./contender.ts";
import { portOf } from "./sockets.ts";

const SUBJECT = "jobs.do_job";

export const nats: Contender = {
  title: "NATS request/reply",
  packageName: "@nats-io/transport-node",
  async serve() {
    const port = await freePort();
    const broker = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
    process.once("exit", () => broker.kill());
    const connection = await connectWhenUp(port, broker);
    connection.subscribe(SUBJECT, {
      callback(_error, message) {
        const { action, n } = message.json<Answer>();
        message.respond(JSON.stringify({ action, n }));
      },
    });
    await connection.flush();
    return { port, ...(broker.pid === undefined ? {} : { otherPid: broker.pid }) };
  },
  async connect(port) {
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    return {
      async call(action, n) {
        const message = await connection.request(SUBJECT, JSON.stringify({ action, n }), { timeout: 30_000 });
        return message.json<Answer>();
      },
    };
  },
};

/** It writes a port that it chose itself only to files. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

async function connectWhenUp(port: number, broker: ChildProcess): Promise<NatsConnection> {
  let failure: unknown;
  for (let attempt = 0; attempt < 100 && broker.exitCode === null; attempt++) {
    try {
      return await connect({ servers: `127.0.0.1:${port}`, reconnect: false });
    } catch (error) {
      failure = error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("nats-server does not answer", { cause: failure });
}
