/**
 * The soaked service as a process. Commands on standard input: `sample NUMBER`. The end of the input drains it.
 */
import { createInterface } from "node:readline";
import { serve } from "hbi/node";
import { tellWhatIsLeft } from "../chaos/resources.ts";
import { sampleOf } from "../soak/sample.ts";
import { countFilled, filled, LIMITS, soaked } from "../soak/service.ts";

const server = await serve(
  soaked,
  "127.0.0.1:0",
  (peer) => {
    let notes = 0;
    return {
      add: ({ a, b }) => a + b,
      note() {
        notes += 1;
      },
      noted: () => notes,
      upload: ({ fill }, call) => countFilled(call.body, fill),
      download: ({ size, fill }) => ({ result: { size }, body: filled(size, fill) }),
      async exchange({ size, fill }, call) {
        await countFilled(call.body, fill);
        return { result: { size }, body: filled(size, fill + 1) };
      },
      async push({ n }) {
        await peer.post.told({ n });
        return peer.call.asked({ n });
      },
      hold: (_, call) =>
        new Promise((resolve) => call.signal.addEventListener("abort", () => resolve(0), { once: true })),
      drop: () => void peer.disconnect("soak"),
    };
  },
  { limits: LIMITS, log: () => undefined },
);

const lines = createInterface(process.stdin);
lines.on("line", (line) => console.log(`${line} ${JSON.stringify(sampleOf(server.connectionCount))}`));
lines.once("close", () => {
  tellWhatIsLeft();
  void server.drain();
});
console.log(`listening on ${server.address}`);
