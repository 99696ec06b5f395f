/**
 * The service, in the style of HBI's own documents: does jobs for anyone who connects. examples/jobs is the typed form.
 * Usage: server HOST:PORT [--interrupt-at N], which drops the connection once, in the middle of the N-th job, to show how its
 * consumers react.
 */
import { HostingEnv, script } from "hbi";
import { HBIS } from "hbi/node";
import { perform } from "../jobs/actions.ts";
import { service } from "./contract.ts";

const [address = "127.0.0.1:3232", flag, count] = process.argv.slice(2);
let jobsUntilInterrupt = flag === "--interrupt-at" ? Number(count) : Number.POSITIVE_INFINITY;

/** One hosting environment for each consumer. */
function context(): HostingEnv {
  const env = new HostingEnv();
  env.exposeAll(service, {
    async do_job({ action }, co) {
      jobsUntilInterrupt -= 1;
      if (jobsUntilInterrupt === 0) void env.ho.disconnect("maintenance, back at once");
      const result = await perform(action, co.recvChunks());
      await co.sendCode(script`job_done(${result})`);
    },
    run_job({ action }, co) {
      return perform(action, co.recvChunks());
    },
  });
  return env;
}

const server = new HBIS(address, context);
await server.listen();
console.log(`listening on ${server.address}`);

process.once("SIGTERM", () => void server.drain());
// Ends with the program that started it.
process.stdin.resume().once("end", () => void server.drain());
await server.serveUntilClosed();
process.exit();
