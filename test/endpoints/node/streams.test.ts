/**
 * Streams that were opened elsewhere: accepted sockets, any Duplex, and the standard input and output of child processes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { type Duplex, PassThrough } from "node:stream";
import { defineService, type HbiError, type LogEntry, method } from "hbi";
import { connect, duplexTransport, nodeSocketTransport, serve, spawnPeer } from "hbi/node";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { words } from "../../../examples/stdio/service.ts";
import { duplexPair } from "../../support/duplex-pair.ts";
import { hearsNothing } from "../../support/ear.ts";
import { program } from "../../support/programs.ts";

const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
    store: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    ask: method({ params: {}, result: z.string() }),
  },
  reactions: { name: method({ params: {}, result: z.string() }) },
});
const reactions = { name: () => "Ada" };

hearsNothing();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
async function serving(options: object = {}) {
  const server = await serve(
    depot,
    "127.0.0.1:0",
    (peer) => ({
      add: ({ a, b }) => a + b,
      async store(_, { body }) {
        let bytes = 0;
        for await (const chunk of body) bytes += chunk.length;
        return bytes;
      },
      ask: () => peer.call.name(),
    }),
    { log: () => undefined, ...options },
  );
  ends.push(() => server.close());
  return server;
}
const failureOf = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: HbiError) => error,
  );

describe("a stream that was opened elsewhere", () => {
  it("is an accepted socket", async () => {
    const server = await serving();
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    ends.push(() => listener.close());
    const { port } = listener.address() as { port: number };
    const accepted = once(listener, "connection");
    const dialed = connectSocket(port, "127.0.0.1");
    await once(dialed, "connect");
    const [socket] = (await accepted) as [Socket];
    const peer = await server.accept(socket);
    expect(peer.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    const link = await connect(depot, dialed, reactions);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.ask()).toBe("Ada");
    await link.close();
    await peer.closed;
    expect(server.connectionCount).toBe(0);
  });

  it("is any Duplex", async () => {
    const server = await serving();
    const [near, far] = duplexPair();
    const peer = await server.accept(far, { remoteAddress: "203.0.113.7:5000" });
    expect([peer.remoteAddress, peer.network]).toEqual(["203.0.113.7:5000", "203.0.113.7"]);
    const link = await connect(depot, near, reactions);
    expect(link.remoteAddress).toBe("stream");
    const body = new Uint8Array(3_000_000);
    expect(await link.call.store({ size: body.length }, { body })).toBe(body.length);
    expect(await link.call.ask()).toBe("Ada");
    await link.close();
    await peer.closed;
  });

  it("counts for the limits of the server", async () => {
    const server = await serving({ limits: { maxConnectionsPerAddress: 1 } });
    const at = { remoteAddress: "203.0.113.7:5000" };
    await server.accept(duplexPair()[0], at);
    const [refused] = duplexPair();
    expect(await failureOf(server.accept(refused, at))).toMatchObject({ reason: "too_many_connections" });
    expect(refused.destroyed).toBe(true);
  });

  it("that its other end destroys ends the link", async () => {
    const server = await serving();
    const [near, far] = duplexPair();
    await server.accept(far);
    const link = await connect(depot, near, reactions);
    await link.call.add({ a: 1, b: 2 });
    far.destroy(new Error("pulled out"));
    expect(await link.closed).toMatchObject({ code: "unavailable" });
  });

  it.each<[string, () => unknown, object, string]>([
    ["no stream", () => ({ pipe: 1 }), {}, 'unknown option "pipe" of an address'],
    ["a stream of objects", () => new PassThrough({ objectMode: true }), {}, "a stream must carry bytes"],
    ["a stream of text", () => new PassThrough().setEncoding("utf8"), {}, "a stream must carry bytes"],
    ["one that should be dialed again", () => new PassThrough(), { reconnect: {} }, "a stream cannot be dialed again"],
    ["one with TLS", () => new PassThrough(), { tls: {} }, "tls and webSocket are for addresses"],
  ])("is refused: %s", async (_, stream, options, message) => {
    const { reason, message: said } = await failureOf(connect(depot, stream() as Duplex, reactions, options));
    expect([reason, said]).toEqual(["bad_option", expect.stringContaining(message)]);
  });

  it("is refused by a server if it is none, and while it is connecting", async () => {
    const server = await serving();
    expect(await failureOf(server.accept({} as never))).toMatchObject({ reason: "bad_option" });
    const connecting = connectSocket(Number(server.address.split(":")[1]), "127.0.0.1");
    expect(() => duplexTransport(connecting)).toThrow("the socket is not connected yet");
    expect(() => duplexTransport(connecting, { remote: "a" } as never)).toThrow('unknown option "remote"');
    await once(connecting, "connect");
    expect(nodeSocketTransport(connecting).remoteAddress).toBe(server.address);
    connecting.destroy();
  });
});

const plugin = program("examples/stdio/plugin.ts");
const node = (script: string) => spawnPeer(process.execPath, ["--eval", script], { stderr: "ignore" });

describe("a child process", () => {
  const reading = { read: ({ file }: { file: string }) => `the text of ${file}` };

  it("is called, calls, and ends with the link; what it prints is not in the way", async () => {
    const link = await connect(words, spawnPeer(process.execPath, [plugin], { stderr: "ignore" }), reading);
    expect(await link.call.count({ file: "a" })).toBe(4);
    expect([link.remoteAddress, link.localAddress]).toEqual([process.execPath, "stdio"]);
    await link.close();
    expect(await link.closed).toBeUndefined();
  });

  it("is started again when it has ended", async () => {
    const link = await connect(words, spawnPeer(process.execPath, [plugin], { stderr: "ignore" }), reading, {
      reconnect: { initialDelayMs: 1, jitter: 0 },
      log: () => undefined,
    });
    ends.push(() => link.close());
    await link.call.count({ file: "a" });
    const states: string[] = [];
    link.onState((state) => states.push(state));
    await link.po.disconnect?.();
    expect(await link.call.count({ file: "a" })).toBe(4);
  });

  it.each<[string, string, RegExp]>([
    [
      "prints what is no HBI",
      'console.log("Server ready at port 80"); setTimeout(() => {}, 1e9)',
      /malformed packet header: the standard output of .*node is no HBI, as it begins with "Server ready at port 80\\n": does it use serveStdio, and print to its standard error\?/,
    ],
    ["exits with a code", "process.exitCode = 3; setTimeout(() => {}, 100)", /node has exited with code 3/],
    ["is ended by a signal", 'process.kill(process.pid, "SIGKILL")', /node was ended by SIGKILL/],
    ["ends without a word", "0", /node has ended without a word: does it use serveStdio\?/],
  ])("that %s is a clear error", async (_, script, message) => {
    const logged: LogEntry[] = [];
    const link = await connect(words, node(script), reading, { log: (entry) => void logged.push(entry) });
    const call = failureOf(link.call.count({ file: "a" }));
    expect((await link.closed)?.message).toMatch(message);
    await call;
  });

  it.each<[string, readonly string[], string]>([
    ["no-such-program", [], "no-such-program cannot be started: there is no such program"],
  ])("that cannot be started is a clear error: %s", async (command, args, message) => {
    const error = await failureOf(connect(words, spawnPeer(command, args), reading));
    expect(error).toMatchObject({ reason: "connect_failed", message: expect.stringContaining(message) });
  });

  it("that ignores the end is killed", async () => {
    const script = 'process.on("SIGTERM", () => {}); process.stdin.resume(); setInterval(() => {}, 1e6)';
    const link = await connect(words, node(script), reading, { limits: { closeTimeoutMs: 100 }, log: () => undefined });
    await link.disconnect();
    expect(link.state).toBe("closed");
  });

  it.each<[unknown[], string]>([
    [[5], "the command must be a string"],
    [["node", "a.js"], "the arguments must be a list of strings"],
    [["node", [], { stdout: "inherit" }], 'unknown option "stdout" of spawnPeer'],
    [["node", [], { stderr: "pipe" }], 'stderr must be "inherit" or "ignore", not "pipe"'],
  ])("is not started by wrong options: %#", (args, message) => {
    expect(() => spawnPeer(...(args as [string]))).toThrow(message);
  });

  it("serves only where there are pipes", async () => {
    const child = spawn(process.execPath, [plugin], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    expect((await once(child, "close"))[0]).toBe(1);
    expect(said).toContain("the standard input and output of this process are no pipes");
  });
});
