/**
 * A client and a server that do not speak the same protocol: both sides are told what the other one speaks.
 */
import { createServer as createHttpServer, get } from "node:http";
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { defineService, type HbiError, type LogEntry, method } from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";

const names = defineService({
  name: "names",
  version: "1.0.0",
  methods: { name: method({ params: {}, result: z.string() }) },
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serving(): Promise<{ port: number; told: Promise<LogEntry> }> {
  let tell: (entry: LogEntry) => void = () => undefined;
  const told = new Promise<LogEntry>((resolve) => {
    tell = resolve;
  });
  const server: Server<typeof names, undefined> = await serve(names, "127.0.0.1:0", () => ({ name: () => "a" }), {
    log: tell,
  });
  ends.push(() => server.close());
  return { port: Number(server.address.split(":")[1]), told };
}

const failed = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: HbiError) => error,
  );

describe("a server without TLS", () => {
  it("answers an HTTP client with 400, and logs what it was", async () => {
    const { port, told } = await serving();
    const { status, text } = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const request = get({ host: "127.0.0.1", port, path: "/health" }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode, text }));
      });
      request.on("error", reject);
    });
    expect(status).toBe(400);
    expect(text).toBe("malformed packet header: an HTTP request, and this port speaks HBI\n");
    expect((await told).error).toMatchObject({ reason: "bad_frame", message: text.trim() });
  });

  it.each([
    ["SSH-2.0-client\r\n", "the other side speaks SSH"],
    [Buffer.from([0x15, 3, 1, 0, 2, 2, 40]), "a TLS alert"],
    ["nothing known", undefined],
  ])("recognises %j", async (bytes, words) => {
    const { port, told } = await serving();
    const socket = connectSocket(port, "127.0.0.1", () => socket.write(bytes));
    ends.push(() => socket.destroy());
    const { message } = (await told).error;
    if (words === undefined) expect(message).toBe("malformed packet header");
    else expect(message).toContain(words);
  });

  it("says to a TLS client of this library, and to its own log, that one of them has no tls", async () => {
    const { port, told } = await serving();
    const error = await failed(connect(names, `127.0.0.1:${port}`, {}, { tls: {} }));
    expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed" });
    expect(error.message).toContain("does not speak TLS: set the option tls on both sides, or on neither");
    expect((await told).error.message).toContain("a TLS handshake, and this side does not use TLS");
  });

  it("is not ended by any TLS client", async () => {
    const { port } = await serving();
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once("error", resolve));
    const link = await connect(names, `127.0.0.1:${port}`);
    ends.push(() => link.close());
    expect(await link.call.name()).toBe("a");
  });
});

describe("a link", () => {
  it("that has dialed a web server says so", async () => {
    const web = createHttpServer((_, response) => response.end("hi")).listen(0, "127.0.0.1");
    await new Promise((resolve) => web.once("listening", resolve));
    ends.push(() => web.close());
    const link = await connect(names, { host: "127.0.0.1", port: (web.address() as AddressInfo).port }, {}, quiet);
    ends.push(() => link.disconnect());
    expect((await failed(link.call.name())).message).toContain("an HTTP response: the other side is a web server");
  });

  it.each(["closes", "resets"])("whose server %s without a word is told that it may require TLS", async (how) => {
    const mute = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => (how === "closes" ? socket.end() : socket.resetAndDestroy()));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    ends.push(() => mute.close());
    const { port } = mute.address() as AddressInfo;
    const link = await connect(names, { host: "127.0.0.1", port }, {}, quiet);
    ends.push(() => link.disconnect());
    expect((await failed(link.call.name())).message).toContain("does it require the option tls");
    const waiting = await connect(names, { host: "127.0.0.1", port }, {}, { ...quiet, reconnect: REPEATED });
    expect((await waiting.closed)?.message).toContain("does it require the option tls");
  });
});

const quiet = { log: () => undefined };
const REPEATED = { initialDelayMs: 1, maxDelayMs: 1, maxAttempts: 2, waitForFirst: true };
