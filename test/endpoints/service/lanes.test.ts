/**
 * Lanes: conversations that send or receive much do not delay others. docs/lanes.md.
 */
import { defineService, method } from "hbi";
import { connect, serve } from "hbi/node";
import { expect, it } from "vitest";
import { z } from "zod";

const MIB = 1024 * 1024;
const files = defineService({
  name: "files",
  version: "1.0.0",
  methods: {
    ping: method({ params: { n: z.int() }, result: z.int() }),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    download: method({
      params: { size: z.int() },
      result: z.object({ size: z.int() }),
      resultBody: ({ size }) => size,
    }),
  },
});

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024);
  for (let left = size; left > 0; left -= chunk.length) yield left < chunk.length ? chunk.subarray(0, left) : chunk;
}

it("small calls pass an upload and a download", async () => {
  const server = await serve(
    files,
    "127.0.0.1:0",
    () => ({
      ping: ({ n }) => n + 1,
      upload: async (_, call) => {
        let got = 0;
        for await (const chunk of call.body) got += chunk.length;
        return got;
      },
      download: ({ size }) => ({ result: { size }, body: zeros(size) }),
    }),
    { log: (e) => console.log(e.where, e.error.message) },
  );
  const link = await connect(files, server.address, {}, { log: (e) => console.log(e.where, e.error.message) });
  const size = 32 * MIB;
  const up = link.call.upload({ size }, { body: zeros(size) });
  const down = (async () => {
    const { body } = await link.call.download({ size });
    let got = 0;
    for await (const chunk of body) got += chunk.length;
    return got;
  })();
  let calls = 0;
  let isOver = false;
  void Promise.all([up, down]).finally(() => (isOver = true));
  while (!isOver) expect(await link.call.ping({ n: calls++ })).toBe(calls);
  console.log("calls", calls);
  expect(await up).toBe(size);
  expect(await down).toBe(size);
  await link.close();
  await server.close();
});
