/**
 * The reference's hello, as a server: the peer assigns its name to a slot and calls hello(). Usage: server HOST:PORT
 */
import { HostingEnv, method, repr, script } from "hbi";
import { HBIS } from "hbi/node";
import { z } from "zod";

const server = new HBIS(process.argv[2] ?? "127.0.0.1:3232", () => {
  const env = new HostingEnv();
  env.slot("my_name", z.string().max(100), "stranger");
  env.expose("hello", method({ params: {} }), async (_, co) => {
    await co.sendObj(repr(`Hello, ${env.get("my_name")} from ${env.po.remoteAddress}!`));
  });
  env.onInit(async (po) => {
    await po.notif(script`print(${"Welcome to HBI world!"})`);
  });
  return env;
});

await server.listen();
console.log(`listening on ${server.address}`);
process.once("SIGTERM", () => void server.drain());
process.stdin.resume().once("end", () => void server.drain());
await server.serveUntilClosed();
process.exit();
