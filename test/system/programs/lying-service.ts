/**
 * The jobs service of examples/jobs-hbi with wrong answers, to see that its consumer notices.
 */
import { HostingEnv } from "hbi";
import { HBIS } from "hbi/node";
import { service } from "../../../examples/jobs-hbi/contract.ts";

const server = new HBIS("127.0.0.1:0", () =>
  new HostingEnv().exposeAll(service, {
    async do_job({ action, data_len }, co) {
      await co.sendCode(`job_done(${JSON.stringify({ action, bytes: data_len, result: "nonsense" })})`);
    },
    run_job: ({ action, data_len }) => ({ action, bytes: data_len, result: "nonsense" }),
  }),
);
await server.listen();
console.log(`listening on ${server.address}`);
process.stdin.resume().once("end", () => process.exit());
