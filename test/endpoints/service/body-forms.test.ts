/**
 * The raw data of a result as a blob, with progress, and as a web stream.
 */
import { type Body, defineService, method } from "hbi";
import { quiet, testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";

const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    load: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
    ping: method({ params: {}, result: z.string() }),
  },
});

const CHUNK_BYTES = 10_000;
const byteAt = (at: number) => (at * 7) % 251;

async function start() {
  const state = { given: 0 };
  function* bytes(size: number): Generator<Uint8Array> {
    while (state.given < size) {
      const chunk = Uint8Array.from({ length: Math.min(CHUNK_BYTES, size - state.given) }, (_, i) =>
        byteAt(state.given + i),
      );
      state.given += chunk.length;
      yield chunk;
    }
  }
  const { link } = await testLink(
    store,
    () => ({ load: ({ size }) => ({ result: size, body: bytes(size) }), ping: () => "pong" }),
    { link: { limits: { maxBodyBytes: 1e9 } }, host: { limits: { maxBodyBytes: 1e9 } } },
  );
  return { link, state, load: async (size: number): Promise<Body> => (await link.call.load({ size })).body };
}

const isAsSent = (bytes: Uint8Array, from = 0) => bytes.every((byte, i) => byte === byteAt(from + i));

it.each([0, 1, 64_000, 3_333_333])("a blob of %i bytes", async (size) => {
  const { link, load } = await start();
  const seen: number[] = [];
  const blob = await (await load(size)).blob({ type: "text/plain", onProgress: (bytes) => void seen.push(bytes) });
  expect([blob.size, blob.type]).toEqual([size, "text/plain"]);
  expect(isAsSent(new Uint8Array(await blob.arrayBuffer()))).toBe(true);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.at(-1)).toBe(size === 0 ? undefined : size);
  await link.close();
});

it("a blob of what is left, without options", async () => {
  const { link, load } = await start();
  const body = await load(100_000);
  await body.readInto(new Uint8Array(99_990));
  const seen: number[] = [];
  const blob = await body.blob({ onProgress: (bytes) => void seen.push(bytes) });
  expect([blob.size, blob.type, seen.at(-1)]).toEqual([10, "", 100_000]);
  await expect(body.blob()).rejects.toMatchObject({ code: "failed_precondition" });
  await link.close();
});

it("what onProgress throws ends the reading, and the link goes on", async () => {
  const { link, load } = await start();
  const told = (await load(5_000_000)).blob({
    onProgress() {
      throw new Error("no more");
    },
  });
  await expect(told).rejects.toThrow("no more");
  expect(await link.call.ping()).toBe("pong");
  await link.close();
});

it("a stream gives what was sent, and ends", async () => {
  const { link, load } = await start();
  const bytes = new Uint8Array(await new Response((await load(1_000_000)).stream()).arrayBuffer());
  expect(bytes.length).toBe(1_000_000);
  expect(isAsSent(bytes)).toBe(true);
  await link.close();
});

it("a stream that is not read takes nothing, and one that is cancelled drops the rest", async () => {
  const { link, state, load } = await start();
  const reader = (await load(100_000_000)).stream().getReader();
  const first = await reader.read();
  expect(isAsSent(first.value ?? new Uint8Array([1]))).toBe(true);
  await quiet(300);
  const { given } = state;
  expect(given).toBeLessThan(5_000_000);
  await quiet(300);
  expect(state.given).toBe(given);
  await reader.cancel();
  expect(await link.call.ping()).toBe("pong");
  await link.disconnect();
});

it("a stream that is cancelled before it was read drops the rest as well", async () => {
  const { link, load } = await start();
  await (await load(5_000_000)).stream().cancel();
  expect(await link.call.ping()).toBe("pong");
  await link.close();
});

it("a stream fails as its connection does", async () => {
  const { link, load } = await start();
  const stream = (await load(50_000_000)).stream();
  const read = new Response(stream).arrayBuffer();
  await Promise.all([expect(read).rejects.toThrow(), quiet().then(() => link.disconnect())]);
});
