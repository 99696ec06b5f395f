/**
 * The typed jobs service with one lie in what it says, to see that its consumer notices. Usage: lying-jobs-server LIE, one of
 * result, push, silence, download, composition. Its only part is a.txt, "one\ntwo\n".
 */
import { serve } from "hbi/node";
import { perform } from "../../../examples/jobs/actions.ts";
import { jobs } from "../../../examples/jobs/service.ts";

const lie = process.argv[2];
const NAME = "a.txt";
const DATA = Buffer.from("one\ntwo\n");

const server = await serve(jobs, "127.0.0.1:0", (peer) => ({
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
console.log(`listening on ${server.address}`);
process.stdin.resume().once("end", () => process.exit());
