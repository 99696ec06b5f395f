/**
 * What is passed as a body and is none: the message says what it is, and what to pass instead. The call is refused, and the
 * connection lives.
 */
import { Readable } from "node:stream";
import { type BodySource, defineService, HbiError, type LogEntry, method } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    put: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    take: method({ params: {}, result: z.int(), resultBody: (size) => size }),
  },
});
const USUAL = "pass a Uint8Array, a stream or another iterable of them, or a Blob";
const ENCODE = "encode it: new TextEncoder().encode(it), or open its source without an encoding";

class Picture {}

const encoded = () => Readable.from([Buffer.from("abc")], { objectMode: false }).setEncoding("utf8");
const decoded = () => (new Response("abc").body as ReadableStream).pipeThrough(new TextDecoderStream());
async function* texts() {
  yield "abc";
}

/** Each has three bytes, or would have. */
const MISTAKES: readonly [name: string, make: () => unknown, words: string][] = [
  ["an ArrayBuffer", () => new ArrayBuffer(3), "the body is an ArrayBuffer; pass new Uint8Array(it)"],
  [
    "a SharedArrayBuffer",
    () => new SharedArrayBuffer(3),
    "the body is a SharedArrayBuffer; pass a copy: new Uint8Array(it).slice()",
  ],
  ["a Response", () => new Response("abc"), "the body is a Response; pass its body"],
  [
    "a Request",
    () => new Request("http://localhost/", { method: "POST", body: "abc" }),
    "the body is a Request; pass its body",
  ],
  ["a FormData", () => new FormData(), "the body is a FormData; pass the body of new Response(it)"],
  [
    "a URLSearchParams",
    () => new URLSearchParams("a=b"),
    "the body is a URLSearchParams; encode it: new TextEncoder().encode(String(it))",
  ],
  ["a string", () => "abc", `the body is a string; ${ENCODE}`],
  ["a stream with an encoding", encoded, `a chunk of raw data is a string; ${ENCODE}`],
  ["a web stream of text", decoded, `a chunk of raw data is a string; ${ENCODE}`],
  ["a generator of text", texts, `a chunk of raw data is a string; ${ENCODE}`],
  [
    "a list of ArrayBuffers",
    () => [new ArrayBuffer(3)],
    "a chunk of raw data is an ArrayBuffer; pass new Uint8Array(it)",
  ],
  ["a list of numbers", () => [1, 2, 3], `a chunk of raw data is a number; ${USUAL}`],
  ["a Map", () => new Map([["a", 1]]), `the body is a Map; ${USUAL}`],
  ["a Headers", () => new Headers(), `the body is a Headers; ${USUAL}`],
  ["a Date", () => new Date(0), `the body is a Date; ${USUAL}`],
  ["a number", () => 3, `the body is a number; ${USUAL}`],
  ["null", () => null, `the body is null; ${USUAL}`],
  ["an object", () => ({ a: 1 }), `the body is an object; ${USUAL}`],
  ["an instance of a class", () => new Picture(), `the body is a Picture; ${USUAL}`],
  ["a promise", () => Promise.resolve(new Uint8Array(3)), "the body is a Promise; await it first"],
];

async function opened(answer: () => unknown = () => undefined) {
  const log: LogEntry[] = [];
  const { link } = await testLink(
    service,
    () => ({
      put: async (_, call) => (await call.body.bytes()).length,
      take: () => ({ result: 3, body: answer() as BodySource }),
    }),
    { host: { log: (entry) => void log.push(entry) } },
  );
  return { link, log };
}
const failureOf = async (promise: Promise<unknown>): Promise<HbiError> => {
  const thrown = await promise.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(HbiError);
  return thrown as HbiError;
};

describe("as the body of a call", () => {
  it.each(MISTAKES)("%s", async (_, make, words) => {
    const { link } = await opened();
    for (const body of [make(), make]) {
      const error = await failureOf(link.call.put({ size: 3 }, { body: body as BodySource }));
      expect(error).toMatchObject({
        code: "invalid_argument",
        reason: "bad_option",
        message: `put: bad option: ${words}`,
      });
    }
    expect(await link.call.put({ size: 3 }, { body: new Uint8Array(3) })).toBe(3);
    await link.close();
  });

  it("nothing at all", async () => {
    const { link } = await opened();
    const error = await failureOf(link.call.put({ size: 3 }, {} as never));
    expect(error.message).toBe("put: bad option: a body is required: pass { body } as an option");
    await link.close();
  });
});

describe("as the body of a result: the caller learns nothing of it, the log does", () => {
  it.each(MISTAKES.filter(([name]) => name !== "a promise"))("%s", async (_, make, words) => {
    const { link, log } = await opened(make);
    const call = async () => {
      const { body } = await link.call.take({});
      return body.bytes();
    };
    const error = await failureOf(call());
    expect(error.message).not.toContain("localhost");
    expect(JSON.stringify(log.map((entry) => entry.error.message))).toContain(words.replaceAll('"', '\\"'));
    await link.disconnect();
  });
});
