/**
 * The serving process of the stream job: receives and sends raw data, and has a bare socket that discards everything.
 */
import { HostingEnv, method, repr } from "hbi";
import { HBIS } from "hbi/node";
import { z } from "zod";
import { listen } from "../contenders/sockets.ts";
import type { Requests } from "../harness/child.ts";
import { chunks, pause, QUARTER_MIB, watchMemory } from "./stream-data.ts";

const bytes = z.int().min(0);
const report = z.object({ bytes, growth: z.number() });

function context(): HostingEnv {
  const env = new HostingEnv();
  const upload = method({
    params: { bytes, pauseMs: z.int().min(0) },
    body: ({ bytes }) => bytes,
    result: report,
  });
  env.expose("upload", upload, async ({ pauseMs }, co) => {
    const growth = watchMemory();
    let received = 0;
    for await (const chunk of co.recvChunks()) {
      received += chunk.length;
      if (pauseMs > 0 && received % QUARTER_MIB < chunk.length) await pause(pauseMs);
    }
    return { bytes: received, growth: growth() };
  });
  env.expose("download", method({ params: { bytes } }), async ({ bytes }, co) => {
    const growth = watchMemory();
    await co.sendData(chunks(bytes));
    await co.sendObj(repr({ bytes, growth: growth() }));
  });
  return env;
}

export const requests = {
  async serve(): Promise<{ address: string; rawPort: number }> {
    const limits = { maxBodyBytes: 2 * 1024 ** 3, handlerTimeoutMs: 600_000 };
    const server = new HBIS("127.0.0.1:0", context, { limits });
    await server.listen();
    const rawPort = await listen((socket) => socket.resume().on("end", () => socket.end()));
    return { address: server.address, rawPort };
  },
} satisfies Requests;
