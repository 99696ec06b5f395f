/**
 * The test contract, offered by this library: what the servers of the transcripts offered.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { HostingEnv, method, recvArray, repr, script } from "hbi";
import { z } from "zod";
import { pattern } from "./transcript.ts";

const count = z
  .int()
  .min(0)
  .max(16 * 1024 * 1024);
const text = z.string();
const ends = { n: count };
const body = ({ n }: { n: number }) => n;
const none = method({ params: {} });

async function bytesOf(co: { recvData(into: Uint8Array): Promise<void> }, n: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(n);
  await co.recvData(bytes);
  return bytes;
}

/** The neutral form of a value, as `describe` tells it. */
export function describeValue(value: unknown): unknown {
  if (value === null) return ["null"];
  if (typeof value === "boolean") return ["bool", value];
  if (typeof value === "bigint") return ["big", String(value)];
  if (typeof value === "number") return ["num", Number.isNaN(value) ? "nan" : bitsOf(value)];
  if (typeof value === "string") return ["str", hexOf(value)];
  if (value instanceof Uint8Array) return ["bytes", Buffer.from(value).toString("hex")];
  if (Array.isArray(value)) return ["list", value.map(describeValue)];
  return ["map", Object.entries(value as object).map(([key, item]) => [describeValue(key), describeValue(item)])];
}

/** UTF-8 in hex; a lone surrogate as any other code point of three bytes, as the recordings have it. */
function hexOf(text: string): string {
  return Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    const isLone = char.length === 1 && code >= 0xd800 && code < 0xe000;
    const bytes = isLone ? [0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)] : Buffer.from(char, "utf8");
    return Buffer.from(bytes).toString("hex");
  }).join("");
}

function bitsOf(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

export function contractEnv(): HostingEnv {
  const env = new HostingEnv();
  const notes: unknown[] = [];
  const note = (value: unknown): void => {
    notes.push(value);
  };
  env.onInit((po) => po.notif("\nwelcome('HBI test server')\n"));
  env.expose("echo", method({ params: { x: z.unknown() }, result: z.unknown() }), ({ x }) => x);
  env.expose("add", method({ params: { a: z.number(), b: z.number() }, result: z.number() }), ({ a, b }) => a + b);
  env.expose("describe", method({ params: { x: z.unknown() }, result: z.unknown() }), ({ x }) => describeValue(x));
  env.expose("note", method({ params: { x: z.unknown() } }), ({ x }) => note(x));
  env.expose("nothing", none, () => undefined);
  env.expose("get_notes", method({ params: {}, result: z.array(z.unknown()) }), () => [...notes]);
  env.expose("slow", method({ params: { ms: count, tag: text }, result: text }), async ({ ms, tag }) => {
    await new Promise((resolve) => setTimeout(resolve, ms)); // the peer asks for it: it is what this method does
    return tag;
  });
  env.expose("fail", method({ params: { why: text } }), ({ why }) => {
    throw new Error(why);
  });
  env.expose("many", method({ params: ends }), async ({ n }, co) => {
    for (let i = 0; i < n; i++) await co.sendObj(repr(i));
  });
  env.expose("recv_objs", method({ params: ends }), async ({ n }, co) => {
    const objects: unknown[] = [];
    for (let i = 0; i < n; i++) objects.push(await co.recvObj());
    await co.sendObj(repr(objects, "python"));
  });
  exposeRawData(env, note);
  exposePushes(env);
  return env;
}

function exposeRawData(env: HostingEnv, note: (value: unknown) => void): void {
  env.expose("upload", method({ params: ends, body, result: z.array(z.unknown()) }), async ({ n }, co) => {
    const bytes = await bytesOf(co, n);
    return [n, crc32(bytes), createHash("sha256").update(bytes).digest("hex")];
  });
  env.expose("upload_crc", method({ params: ends, body, result: z.number() }), async ({ n }, co) =>
    crc32(await bytesOf(co, n)),
  );
  env.expose("sink", method({ params: { ...ends, tag: text }, body }), async ({ n, tag }, co) => {
    note(`${tag}:${n}:${crc32(await bytesOf(co, n))}`);
  });
  const parts = method({
    params: { sizes: z.array(count).max(100) },
    body: ({ sizes }) => sizes.reduce((sum, size) => sum + size, 0),
    result: z.array(z.number()),
  });
  env.expose("upload_parts", parts, async ({ sizes }, co) => {
    const sums: number[] = [];
    for (const size of sizes) sums.push(crc32(await bytesOf(co, size)));
    return sums;
  });
  env.expose("mixed", method({ params: ends, body: "manual" }), async ({ n }, co) => {
    const head = await co.recvObj();
    const crc = crc32(await bytesOf(co, n));
    await co.sendObj(repr([head, crc, await co.recvObj()]));
  });
  env.expose("sum_array", method({ params: {}, body: "manual" }), async (_, co) => {
    const { shape, dtype, data } = await recvArray(co);
    let sum = 0;
    for (const value of data) sum += Number(value);
    await co.sendObj(`[${repr(shape)}, '${dtype}', ${sum.toFixed(1)}]`);
  });
  env.expose("download", method({ params: { ...ends, seed: count } }), async ({ n, seed }, co) => {
    const bytes = pattern(n, seed);
    await co.sendObj(repr(n));
    await co.sendData(bytes);
    await co.sendObj(repr(crc32(bytes)));
  });
  const chunks = method({ params: { sizes: z.array(count).max(100), seed: count.optional() } });
  env.expose("chunks", chunks, async ({ sizes, seed = 0 }, co) => {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    await co.sendObj(repr([sizes.length, total]));
    const buffers = sizes.map((size, i) => pattern(size, seed + i));
    await co.sendData(buffers);
    await co.sendObj(repr(buffers.reduce((crc, bytes) => crc32(bytes, crc), 0)));
  });
}

function exposePushes(env: HostingEnv): void {
  env.expose("push", method({ params: ends, result: count }), async ({ n }) => {
    for (let i = 0; i < n; i++) await env.po.notif(script`on_event(${i}, ${`event ${i}`})`);
    return n;
  });
  env.expose("push_data", method({ params: { ...ends, seed: count }, result: z.number() }), async ({ n, seed }) => {
    const bytes = pattern(n, seed);
    await env.po.notifData(script`on_blob(${n})`, bytes);
    return crc32(bytes);
  });
  env.expose("ask", method({ params: { a: z.number(), b: z.number() }, result: z.number() }), ({ a, b }) =>
    env.po.converse(async (co) => {
      await co.sendCode(script`client_mul(${a}, ${b})`);
      return co.recvObj(z.number());
    }),
  );
  env.expose("back_script", method({ params: { tag: text } }), async ({ tag }, co) => {
    await co.sendCode(script`on_event(-1, ${tag})`);
    await co.sendCode(script`on_event(-2, ${tag})`);
    await co.sendObj(repr(`done ${tag}`));
  });
  env.expose("back_only", method({ params: { tag: text } }), ({ tag }, co) =>
    co.sendCode(script`on_event(-3, ${tag})`),
  );
  env.expose("bye", method({ params: { why: text }, result: text }), ({ why }) => {
    setImmediate(() => void env.ho.disconnect(why));
    return "ok";
  });
}
