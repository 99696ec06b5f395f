/**
 * The page: connects to the service, and joins the parts of the document.
 */
import { connect } from "hbi";
import { z } from "zod";
import { desk } from "../service.ts";
import { showState } from "./badge.ts";
import { chosenAction, onFiles } from "./choosing.ts";
import { UploadList } from "./list.ts";
import { Measures } from "./measures.ts";
import { show } from "./parts.ts";

z.config({ jitless: true }); // else zod tries whether it may evaluate code, which the policy of this page reports

const url = new URL("/desk", location.href);
url.protocol = url.protocol.replace("http", "ws"); // wss: for https:

const link = await connect(
  desk,
  url.href,
  {
    job_done({ id, result }) {
      list.done(id, result);
    },
    figures({ figures }) {
      for (const [name, count] of Object.entries(figures)) show(name, `${count}`);
    },
  },
  {
    reconnect: { waitForFirst: true, initialDelayMs: 200, maxDelayMs: 3_000 },
    retries: 10, // an upload that was interrupted is sent again, because its method is idempotent
    limits: { keepaliveMs: 5_000, keepaliveTimeoutMs: 5_000 }, // a network that is silently gone is noticed
  },
);

const measures = new Measures(link);
const list = new UploadList(link, (bytes) => measures.sent(bytes));

showState(link);
onFiles((files) => {
  for (const file of files) list.add(file, chosenAction());
});
