/**
 * The calling process of the stream job.
 */
import { once } from "node:events";
import { HostingEnv, script } from "hbi";
import { HBIC } from "hbi/node";
import { z } from "zod";
import { dial } from "../contenders/sockets.ts";
import type { Requests } from "../harness/child.ts";
import { chunks, pause, QUARTER_MIB, watchMemory } from "./stream-data.ts";

const Report = z.object({ bytes: z.number(), growth: z.number() });

export interface Streaming {
  readonly address: string;
  readonly bytes: number;
  /** of the reader, for every quarter of a MiB */
  readonly pauseMs: number;
}

export interface Streamed {
  readonly seconds: number;
  /** the growth of each process's memory */
  readonly growthHere: number;
  readonly growthThere: number;
}

type PostingEnd = Awaited<ReturnType<HBIC["connect"]>>["po"];

async function withClient(address: string, run: (po: PostingEnd) => Promise<Streamed>): Promise<Streamed> {
  const limits = { maxBodyBytes: 2 * 1024 ** 3, callTimeoutMs: 600_000 };
  const client = new HBIC(address, new HostingEnv(), { limits });
  const { po } = await client.connect();
  const streamed = await run(po);
  await client.drain();
  return streamed;
}

function check(what: string, received: number, bytes: number): void {
  if (received !== bytes) throw new Error(`${what}: ${received} bytes, not ${bytes}`);
}

export const requests = {
  upload: ({ address, bytes, pauseMs }: Streaming) =>
    withClient(address, async (po) => {
      const growth = watchMemory();
      const start = performance.now();
      const there = await po.converse(
        async (co) => {
          await co.sendCode(script`upload(${bytes}, ${pauseMs})`);
          await co.sendData(chunks(bytes));
          return co.recvObj(Report);
        },
        { rawBytes: bytes },
      );
      check("upload", there.bytes, bytes);
      return { seconds: (performance.now() - start) / 1000, growthHere: growth(), growthThere: there.growth };
    }),

  download: ({ address, bytes, pauseMs }: Streaming) =>
    withClient(address, async (po) => {
      const growth = watchMemory();
      const start = performance.now();
      let received = 0;
      const there = await po.converse(async (co) => {
        await co.sendCode(script`download(${bytes})`);
        for await (const chunk of co.recvChunks(bytes)) {
          received += chunk.length;
          if (pauseMs > 0 && received % QUARTER_MIB < chunk.length) await pause(pauseMs);
        }
        return co.recvObj(Report);
      });
      check("download", received, bytes);
      return { seconds: (performance.now() - start) / 1000, growthHere: growth(), growthThere: there.growth };
    }),

  /** The reference: the same bytes through a bare socket. */
  async raw({ port, bytes }: { port: number; bytes: number }): Promise<{ seconds: number }> {
    const socket = await dial(port);
    const start = performance.now();
    for (const chunk of chunks(bytes)) if (!socket.write(chunk)) await once(socket, "drain");
    socket.end();
    socket.resume();
    await once(socket, "close");
    return { seconds: (performance.now() - start) / 1000 };
  },
} satisfies Requests;
