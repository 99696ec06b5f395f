/**
 * The code of docs/streaming.md, "Unknown lengths": recordings that are compressed on the way.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { pipeline as piped } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createGunzip, createGzip } from "node:zlib";
import { defineService, HbiError, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const recorder = defineService({
  name: "recorder",
  version: "1.0.0",
  methods: {
    record: method({
      params: { name: z.string() },
      body: "unknown", // ends when its source does
      result: z.strictObject({ size: z.int() }),
      limits: { call: { maxBodyBytes: 10_000_000 } }, // counted as it arrives
    }),
    play: method({ params: { name: z.string() }, result: z.strictObject({ name: z.string() }), resultBody: "unknown" }),
  },
});

const path = fileURLToPath(import.meta.url);
const recordings = new Map<string, Uint8Array>();

const server = await serve(recorder, "127.0.0.1:0", () => ({
  async record({ name }, call) {
    const recording = await call.bytes();
    recordings.set(name, recording);
    return { size: recording.length };
  },
  play({ name }) {
    const recording = recordings.get(name);
    if (recording === undefined) throw new HbiError("not_found", "no such recording", { name });
    return { result: { name }, body: [recording] };
  },
}));
const link = await connect(recorder, server.address);

const packed = pipeline(createReadStream(path), createGzip(), () => undefined); // fails if the file does
const { size } = await link.call.record({ name: "a.gz" }, { body: packed });

const { body } = await link.call.play({ name: "a.gz" });
let text = "";
await piped(body, createGunzip().setEncoding("utf8"), async (chunks: AsyncIterable<string>) => {
  for await (const chunk of chunks) text += chunk;
});
console.log(size < text.length, text.startsWith("/**")); // true true

async function* endless() {
  for (;;) yield new Uint8Array(65_536);
}
const refused = await link.call.record({ name: "b" }, { body: endless() }).catch((error: HbiError) => error);
console.log(refused instanceof HbiError && refused.reason); // body_too_big

await link.close();
await server.drain();
