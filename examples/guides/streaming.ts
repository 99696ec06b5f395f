/**
 * The code of docs/streaming.md, in its order: an archive of files, over loopback.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { defineService, HbiError, type HoCo, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const name = z.string().max(100);
const size = z.int().min(0).max(100_000_000);

const archive = defineService({
  name: "archive",
  version: "1.0.0",
  methods: {
    store: method({
      params: { name, size },
      body: ({ size }) => size, // behind the call
      result: z.strictObject({ sha256: z.string() }),
    }),
    load: method({
      params: { name },
      result: z.strictObject({ size }),
      resultBody: ({ size }) => size, // behind the result
    }),
    checksums: method({
      params: { columns: z.int().min(1).max(1_000), rows: z.int().min(1).max(1_000) },
      body: ({ columns, rows }) => columns * rows * 8, // any function of the parameters
      result: z.array(z.number()),
    }),
    store_all: method({ params: { count: z.int().max(100) }, body: "manual", result: z.int() }),
    ping: method({ params: {}, result: z.string() }),
  },
});

const path = fileURLToPath(import.meta.url);
const files = new Map<string, Uint8Array>();

// --- the service -------------------------------------------------------------------------------------------------------

const server = await serve(
  archive,
  "127.0.0.1:0",
  () => ({
    async store({ name }, call) {
      const hash = createHash("sha256");
      const chunks: Uint8Array[] = [];
      for await (const chunk of call.body) {
        hash.update(chunk); // the sender waits while this side is busy
        chunks.push(chunk);
      }
      files.set(name, Buffer.concat(chunks));
      return { sha256: hash.digest("hex") };
    },
    async load({ name }) {
      const stored = files.get(name);
      if (stored !== undefined) return { result: { size: stored.length }, body: stored };
      if (name !== "source") throw new HbiError("not_found", "no such file", { name });
      return { result: { size: (await stat(path)).size }, body: createReadStream(path) };
    },
    async checksums({ columns, rows }, call) {
      const row = new Float64Array(columns);
      const sums: number[] = [];
      for (let i = 0; i < rows; i++) {
        await call.readInto(row); // one buffer, filled again for each row
        sums.push(row.reduce((sum, cell) => sum + cell, 0));
      }
      return sums;
    },
    async store_all({ count }, call) {
      const co = call.co as HoCo;
      let bytes = 0;
      for (let i = 0; i < count; i++) {
        const file = await co.recvObj(z.strictObject({ name, size: z.int().max(1_000_000) }));
        const data = new Uint8Array(file.size);
        await co.recvData(data);
        files.set(file.name, data);
        bytes += data.length;
      }
      return bytes;
    },
    ping: () => "pong",
  }),
  { limits: { maxBodyBytes: 100_000_000 } },
);

const link = await connect(archive, server.address);

// --- sending -----------------------------------------------------------------------------------------------------------

const data = new TextEncoder().encode("0123456789".repeat(20_000));
await link.call.store({ name: "buffer", size: data.length }, { body: data });
await link.call.store({ name: "chunks", size: 10 }, { body: [data.subarray(0, 4), data.subarray(4, 10)] });
await link.call.store({ name: "blob", size: data.length }, { body: new Blob([data]) });
await link.call.store({ name: "web", size: data.length }, { body: new Blob([data]).stream() });

const file = await open(path);
const stored = await link.call.store(
  { name: "file", size: (await file.stat()).size },
  { body: file.createReadStream() }, // closes the file
);
console.log(stored.sha256.length);

const table = new Float64Array([1, 2, 3, 4, 5, 6]);
console.log(await link.call.checksums({ columns: 3, rows: 2 }, { body: table })); // [ 6, 15 ]

// --- receiving ---------------------------------------------------------------------------------------------------------

const streamed = await link.call.load({ name: "source" });
let bytes = 0;
for await (const chunk of streamed.body) bytes += chunk.length; // as it arrives, without a copy
console.log(bytes === streamed.result.size);

const whole = await link.call.load({ name: "buffer" });
const head = new Uint8Array(10);
await whole.body.readInto(head); // the first ten bytes
console.log(new TextDecoder().decode(head), whole.body.unreadBytes);
const rest = await whole.body.bytes(); // all unread bytes in one buffer
console.log(head.length + rest.length === whole.body.length);

const unwanted = await link.call.load({ name: "blob" });
unwanted.body.discard(); // skipped as it arrives

// --- several bodies in one call --------------------------------------------------------------------------------------

const total = await link.call.store_all(
  { count: 2 },
  {
    async send(co) {
      for (const [name, text] of [
        ["a", "alpha"],
        ["b", "beta"],
      ] as const) {
        const encoded = new TextEncoder().encode(text);
        await co.sendObj(JSON.stringify({ name, size: encoded.length })); // code that yields the object
        await co.sendData(encoded);
      }
    },
  },
);
console.log(total);

// --- blocking ----------------------------------------------------------------------------------------------------------

const held = await link.call.load({ name: "buffer" });
console.log(await link.call.ping()); // the body is unread
held.body.discard();

// --- giving up -------------------------------------------------------------------------------------------------------

const abort = new AbortController();
let given = 0;
async function* slowly() {
  for (let at = 0; at < data.length; at += 10_000) {
    if (at === 100_000) abort.abort();
    given += 10_000;
    yield data.subarray(at, at + 10_000);
  }
}
const upload = link.call.store({ name: "slow", size: data.length }, { body: slowly(), signal: abort.signal });
const gone = await upload.catch((error: HbiError) => error);
console.log(gone instanceof HbiError && gone.code); // cancelled, at once
console.log(await link.call.ping(), given < data.length); // nothing more was taken from the source

// --- sources that fail -------------------------------------------------------------------------------------------------

const short = await link.call.store({ name: "short", size: 10 }, { body: new Uint8Array(9) }).catch((e: HbiError) => e);
console.log(short instanceof HbiError && short.message); // nothing was sent: the link stays open

async function* failing() {
  yield data;
  throw new Error("the disk is broken");
}
const broken = await link.call
  .store({ name: "broken", size: 1_000_000 }, { body: failing() })
  .catch((e: HbiError) => e);
assert(broken instanceof HbiError);
console.log(broken.reason, (broken.cause as Error).message); // body_failed
console.log(await link.call.ping());

await link.close();
await server.drain();
