/**
 * Servers of the jobs examples that say something wrong, to see that their consumers notice. The only part is a.txt, "one\ntwo\n".
 */
import { HostingEnv } from "hbi";
import { HBIS, serve } from "hbi/node";
import { perform } from "../../examples/jobs/actions.ts";
import { jobs } from "../../examples/jobs/service.ts";
import { service } from "../../examples/jobs-hbi/contract.ts";

const NAME = "a.txt";
const DATA = Buffer.from("one\ntwo\n");

export type Lie = "result" | "push" | "silence" | "download" | "composition";

interface Server {
  readonly address: string;
  close(): Promise<unknown>;
}

/** The typed service. */
export function lyingServer(lie?: Lie): Promise<Server> {
  return serve(jobs, "127.0.0.1:0", (peer) => ({
    async do_job({ id, action }, call) {
      const honest = await perform(action, call.body);
      const wrong = { ...honest, result: "nonsense" };
      if (lie !== "silence") await peer.post.job_done({ id, result: lie === "push" ? wrong : honest });
      return lie === "result" ? wrong : honest;
    },
    largest_part: () => NAME,
    async check_part({ name }) {
      const { bytes, result } = await perform("sha256", [DATA]);
      return { name, size: bytes, sha256: lie === "composition" ? "nonsense" : result };
    },
    fetch_part() {
      return { result: { size: DATA.length }, body: lie === "download" ? Buffer.from("one\ntwo!") : DATA };
    },
  }));
}

/** The service on the HBI layer, whose results are all wrong. */
export async function lyingHbis(): Promise<Server> {
  const server = new HBIS("127.0.0.1:0", () =>
    new HostingEnv().exposeAll(service, {
      async do_job({ action, data_len }, co) {
        await co.sendCode(`job_done(${JSON.stringify({ action, bytes: data_len, result: "nonsense" })})`);
      },
      run_job: ({ action, data_len }) => ({ action, bytes: data_len, result: "nonsense" }),
    }),
  );
  await server.listen();
  return server;
}
