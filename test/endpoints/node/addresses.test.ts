/**
 * Where servers listen and links connect: what the system refuses is said in words, the files of Unix sockets come and
 * go with their servers, and a link finds another server.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { defineService, type HbiError, HostingEnv, type Link, type LinkState, method } from "hbi";
import { connect, HBIC, HBIS, type Server, serve } from "hbi/node";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { startProgram, stopProgram } from "../../support/programs.ts";
import { LIMITS, ledger } from "../../system/programs/ledger.ts";

const names = defineService({
  name: "names",
  version: "1.0.0",
  methods: { name: method({ params: {}, result: z.string() }) },
});
const folder = mkdtempSync(join(tmpdir(), "hbi-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const freshPath = () => join(folder, `${count++}.sock`);

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function serving(address: Parameters<typeof serve>[1], name = "a", options: object = {}): Promise<Server> {
  const server = await serve(names, address, () => ({ name: () => name }), { log: () => undefined, ...options });
  open.push(server);
  return server as never;
}
async function connected(address: Parameters<typeof connect>[1], options: object = {}): Promise<Link<typeof names>> {
  const link = await connect(names, address, {}, { log: () => undefined, ...options });
  open.push(link);
  return link;
}
const failureOf = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: HbiError) => error,
  );
const messageOf = async (promise: Promise<unknown>): Promise<string> => (await failureOf(promise)).message;

/** A server of another program that is killed: its file stays. */
async function killedAt(path: string): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [
    "-e",
    'require("node:net").createServer().listen(process.argv[1], () => console.log("listening"))',
    path,
  ]);
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
  expect(existsSync(path)).toBe(true);
}

describe("a server that cannot listen says why:", () => {
  it("the port is in use", async () => {
    const { address } = await serving("127.0.0.1:0");
    const port = address.split(":")[1];
    const error = await failureOf(serving(address));
    expect(error).toMatchObject({ code: "unavailable", reason: "listen_failed", cause: { code: "EADDRINUSE" } });
    expect(error.message).toContain(`cannot listen: port ${port} is in use at 127.0.0.1`);
    const hbis = new HBIS(address, () => new HostingEnv());
    expect(await messageOf(hbis.listen())).toContain(`port ${port} is in use`);
  });

  it.each([
    ["192.0.2.1:0", "this machine does not have the address 192.0.2.1"],
    ["no-such-host.invalid:0", "the host no-such-host.invalid was not found"],
    [{ path: join(folder, "none", "a.sock") }, "the folder of"],
    [{ path: folder }, "exists and is not a socket"],
  ])("%j", async (address, words) => {
    expect(await messageOf(serving(address))).toContain(words);
  });

  it("privileges are missing", async () => {
    const { listenTrouble } = await import("../../../src/wire/transport/node-trouble.ts"); // tests may run as root
    const refused = Object.assign(new Error("listen EACCES"), { code: "EACCES" });
    expect(listenTrouble({ host: "127.0.0.1", port: 80 }, refused).message).toBe(
      "cannot listen: port 80 requires privileges that this process does not have: choose a port from 1024 on",
    );
    expect(listenTrouble({ path: "/run/a" }, refused).message).toBe(
      "cannot listen: this process has no permission to create /run/a",
    );
  });

  it("and may listen once more when the port is free", async () => {
    const first = await serving("127.0.0.1:0");
    const hbis = new HBIS(first.address, () => new HostingEnv());
    await failureOf(hbis.listen());
    await first.close();
    await hbis.listen();
    await hbis.close();
  });
});

describe("a link that cannot connect says why:", () => {
  it.each([
    ["127.0.0.1:1", "could not connect: 127.0.0.1:1: nobody listens there"],
    ["no-such-host.invalid:80", "could not connect: no-such-host.invalid:80: its host was not found"],
    [{ path: join(folder, "missing.sock") }, "there is no such socket: is the server running?"],
  ])("%j", async (address, words) => {
    const error = await failureOf(connected(address));
    expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed" });
    expect(error.message).toContain(words);
    const client = new HBIC(address, new HostingEnv());
    expect(await messageOf(client.connect())).toContain(words);
  });

  it.each([8_123, "8123", null, {}, [], [8_123], { port: 8_123 }])("%j is no address", async (address) => {
    const expected = { code: "invalid_argument", reason: "bad_option" };
    expect(await failureOf(connected(address as never))).toMatchObject(expected);
    if (!Array.isArray(address)) expect(await failureOf(serving(address as never))).toMatchObject(expected);
  });
});

describe("the file of a Unix socket", () => {
  it("is removed when its server is closed or drained", async () => {
    for (const end of ["close", "drain"] as const) {
      const path = freshPath();
      const server = await serving({ path });
      const link = await connected(`unix:${path}`);
      expect(await link.call.name()).toBe("a");
      await server[end]();
      expect(existsSync(path)).toBe(false);
    }
  });

  it("is taken over from a server that was killed", async () => {
    const path = freshPath();
    await killedAt(path);
    expect(await messageOf(connected({ path }))).toContain("nobody listens there");
    await serving({ path }, "next");
    expect(await (await connected({ path })).call.name()).toBe("next");
  });

  it("is taken over by one of several that begin at once", async () => {
    const path = freshPath();
    await killedAt(path);
    const results = await Promise.allSettled([1, 2, 3].map((name) => serving({ path }, `${name}`)));
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await (await connected({ path })).call.name()).toMatch(/^[123]$/);
  });

  it("is not taken over from a server that lives, of this library or another", async () => {
    const path = freshPath();
    await serving({ path }, "first");
    expect(await messageOf(serving({ path }))).toBe(`cannot listen: ${path} is in use: another server listens there`);
    expect(await (await connected({ path })).call.name()).toBe("first");
    const other = freshPath();
    const foreign = await new Promise<NetServer>((resolve) => {
      const server = createServer((socket) => socket.on("error", () => undefined)).listen(other, () => resolve(server));
    });
    expect(await messageOf(serving({ path: other }))).toContain("is in use");
    foreign.close();
  });

  it("stays when an older server ends that listened there before", async () => {
    for (const end of ["close", "drain"] as const) {
      const path = freshPath();
      const older = await serving({ path }, "older");
      const held = await connected({ path });
      rmSync(path);
      const newer = await serving({ path }, "newer");
      await Promise.all([older[end](), held.closed]);
      expect(await (await connected({ path })).call.name()).toBe("newer");
      expect(readdirSync(folder).filter((file) => file.startsWith(basename(path)))).toEqual([basename(path)]);
      await newer.close();
      expect(existsSync(path)).toBe(false);
    }
  });

  it("stays when an older server of another process ends, and when this one is the older", async () => {
    const path = freshPath();
    const log = `${path}.log`;
    const program = "test/system/programs/ledger-server.ts";
    const older = await startProgram(program, [`unix:${path}`, log]);
    rmSync(path);
    const newer = await serving({ path }, "newer");
    await stopProgram(older);
    expect(await (await connected({ path })).call.name()).toBe("newer");
    rmSync(path);
    const newest = await startProgram(program, [`unix:${path}`, log]);
    await newer.close();
    const link = await connect(ledger, { path }, {}, { limits: LIMITS });
    open.push(link);
    expect(await link.call.record({ id: "1", delayMs: 0 })).toBeDefined();
    await link.close();
    await stopProgram(newest);
    expect(existsSync(path)).toBe(false);
  });

  it("stays if something else is there when its server ends", async () => {
    const path = freshPath();
    const server = await serving({ path });
    rmSync(path);
    writeFileSync(path, "precious");
    await server.close();
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("stays if it is not a socket", async () => {
    const file = freshPath();
    writeFileSync(file, "precious");
    const link = freshPath();
    symlinkSync(file, link);
    for (const path of [file, link]) {
      expect(await messageOf(serving({ path }))).toBe(`cannot listen: ${path} exists and is not a socket`);
      expect(existsSync(path)).toBe(true);
    }
  });

  it.runIf(process.platform === "linux")("has a path of at most 107 bytes", async () => {
    const pathOf = (bytes: number) => join(folder, "ä".repeat(10).padEnd(bytes - folder.length - 1 - 10, "x"));
    const longest = pathOf(107);
    expect(Buffer.byteLength(longest)).toBe(107);
    await serving({ path: longest });
    expect(existsSync(longest)).toBe(true);
    expect(await (await connected({ path: longest })).call.name()).toBe("a");
    const words = "the path of a Unix socket must have at most 107 bytes; this one has 108";
    for (const path of [pathOf(108)]) {
      expect(await messageOf(serving({ path }))).toContain(words);
      expect(await messageOf(connected({ path }))).toContain(words);
      expect(() => new HBIS({ path }, () => new HostingEnv())).toThrow(words);
    }
  });

  it("has the permissions of socketMode", async () => {
    const path = freshPath();
    await serving({ path }, "a", { socketMode: 0o600 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await messageOf(serving("127.0.0.1:0", "a", { socketMode: 0o600 }))).toContain("is for a Unix socket");
    expect(await messageOf(serving({ path }, "a", { socketMode: 0o1000 }))).toContain("socketMode must be permissions");
  });
});

describe("a server with several addresses", () => {
  it("serves one service at all of them, and ends them together", async () => {
    const path = freshPath();
    const server = await serving(["127.0.0.1:0", { path }, "tcp://127.0.0.1:0", "ws://127.0.0.1:0/hbi"]);
    expect(server.address).toBe(server.addresses[0]);
    expect(server.addresses).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      path,
      expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/hbi$/),
    ]);
    for (const address of [server.address, { path }, server.addresses[2], server.addresses[3]])
      expect(await (await connected(address as string)).call.name()).toBe("a");
    expect(server.peers.size).toBe(4);
    const { addresses } = server;
    await server.drain();
    expect(existsSync(path)).toBe(false);
    for (const address of [addresses[0], { path }, addresses[3]])
      expect(await failureOf(connected(address as string))).toMatchObject({ reason: "connect_failed" });
  });

  it("listens at none if it cannot listen at all of them", async () => {
    const taken = await serving("127.0.0.1:0");
    const path = freshPath();
    const error = await failureOf(serving([{ path }, taken.address]));
    expect(error).toMatchObject({ reason: "listen_failed", message: expect.stringContaining("is in use") });
    expect(existsSync(path)).toBe(false);
    const hbis = new HBIS([{ path }, taken.address], () => new HostingEnv());
    await failureOf(hbis.listen());
    await taken.close();
    await hbis.listen();
    expect(hbis.addresses[0]).toBe(path);
    await hbis.close();
  });

  it.each<[unknown, object, string]>([
    [[], {}, "a server needs at least one address"],
    ["tls://127.0.0.1:0", {}, "tls:// and wss:// need the option tls with a key and a certificate"],
    [["127.0.0.1:0", "wss://127.0.0.1:0"], {}, "tls:// and wss:// need the option tls"],
    [["127.0.0.1:0", "127.0.0.1:0"], { socketMode: 0o600 }, "socketMode is for a Unix socket"],
    ["tcp://127.0.0.1:0", { tls: { key: "", cert: "" } }, "the option tls is not used by tcp:// and ws://"],
    ["127.0.0.1:0", { webSocket: {} }, "webSocket is for an address ws:// or wss://"],
  ])("%j is refused", async (address, options, message) => {
    const error = await failureOf(serving(address as string, "a", options));
    expect(error).toMatchObject({ reason: "bad_option", message: expect.stringContaining(message) });
  });

  it.runIf(hasOpenssl)("of which some use TLS", async () => {
    const ca = new Authority("ca");
    const tls = ca.server();
    const server = await serving(
      ["tls://127.0.0.1:0", "tcp://127.0.0.1:0", "wss://127.0.0.1:0/hbi", "127.0.0.1:0"],
      "a",
      { tls },
    );
    const [secure = "", plain = "", web = "", asTheOptionSays = ""] = server.addresses;
    expect(secure).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
    const own = { tls: { ca: ca.cert } };
    for (const address of [secure, web, asTheOptionSays])
      expect(await (await connected(address, own)).call.name()).toBe("a");
    for (const address of [secure, web])
      expect(await messageOf(connected(address))).toContain("the server's certificate");
    expect(await (await connected(plain)).call.name()).toBe("a");
    expect(await (await connected(`tcp://${plain}`)).call.name()).toBe("a");
    expect(await (await connected([`tcp://${plain}`, secure], own)).call.name()).toBe("a");
    server.reloadTls(ca.server());
    expect(await (await connected(web, own)).call.name()).toBe("a");
    expect(await messageOf(connected(`tcp://${plain}`, own))).toContain("the option tls is not used by tcp://");
    ca.remove();
  });
});

const QUICK = { initialDelayMs: 1, maxDelayMs: 5, jitter: 0 };

function statesOf(link: Link<typeof names>) {
  const states: LinkState[] = [link.state];
  link.onState((state) => states.push(state));
  return states;
}
const until = async (link: Link<typeof names>, state: LinkState) => {
  if (link.state !== state)
    await new Promise<void>((resolve) => {
      link.onState((now) => {
        if (now === state) resolve();
      });
    });
};

describe("a link with several addresses", () => {
  it("connects to the first that accepts, and later to the next", async () => {
    const [one, two] = [await serving("127.0.0.1:0", "one"), await serving("127.0.0.1:0", "two")];
    const link = await connected(["127.0.0.1:1", one.address, { path: join(folder, "none") }, two.address], {
      reconnect: QUICK,
    });
    expect(await link.call.name()).toBe("one");
    const { address } = one;
    await one.close();
    expect(await link.call.name()).toBe("two");
    const again = await serving(address, "one again");
    await two.drain();
    expect(await link.call.name()).toBe("one again");
    expect(again.connectionCount).toBe(1);
  });

  it("passes by one that accepts and says nothing", async () => {
    const silent = await new Promise<NetServer>((resolve) => {
      const server = createServer((socket) => socket.on("error", () => undefined).destroy());
      server.listen(0, "127.0.0.1", () => resolve(server));
    });
    const { port } = silent.address() as { port: number };
    const { address } = await serving("127.0.0.1:0", "one");
    const link = await connected([`127.0.0.1:${port}`, address], { reconnect: { ...QUICK, waitForFirst: true } });
    expect(await link.call.name()).toBe("one");
    silent.close();
  });

  it("says why none of them accepts", async () => {
    const error = await failureOf(connected(["127.0.0.1:1", "no-such-host.invalid:80"]));
    expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed" });
    expect(error.message).toMatch(/127\.0\.0\.1:1: nobody listens there.*; .*no-such-host\.invalid:80: its host/);
    expect((error.cause as AggregateError).errors).toHaveLength(2);
  });
});

describe("a link that waits for its first connection", () => {
  it("is there at once, and its calls are made when there is one", async () => {
    const path = freshPath();
    const link = await connected({ path }, { reconnect: { ...QUICK, waitForFirst: true } });
    const states = statesOf(link);
    const call = link.call.name();
    expect(link.state).toBe("connecting");
    await serving({ path }, "late");
    expect(await call).toBe("late");
    await until(link, "open");
    expect(states).toEqual(["connecting", "open"]);
  });

  it("keeps the deadlines of its calls, and says why there is no connection", async () => {
    const link = await connected("127.0.0.1:1", { reconnect: { ...QUICK, waitForFirst: true } });
    const error = await failureOf(link.call.name({}, { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: "deadline_exceeded", cause: { reason: "connect_failed" } });
    expect(error.message).toContain("nobody listens there");
    expect(link.state).toBe("connecting");
  });

  it("closes after maxAttempts, by its signal, and when it is told to", async () => {
    const reconnect = { ...QUICK, waitForFirst: true };
    const counted = await connected("127.0.0.1:1", { reconnect: { ...reconnect, maxAttempts: 3 } });
    expect(await counted.closed).toMatchObject({ reason: "connect_failed" });
    const abort = new AbortController();
    const aborted = await connected("127.0.0.1:1", { reconnect, signal: abort.signal });
    abort.abort();
    expect(await aborted.closed).toMatchObject({ code: "cancelled" });
    const told = await connected("127.0.0.1:1", { reconnect });
    const lost = failureOf(told.call.name());
    await told.close();
    expect(told.state).toBe("closed");
    expect(await lost).toMatchObject({ code: "unavailable", mayHaveLanded: false });
  });

  it("still rejects what can never be dialed", async () => {
    const reconnect = { ...QUICK, waitForFirst: true };
    expect(await messageOf(connected("8123", { reconnect }))).toContain("not a port alone");
    expect(await messageOf(connected({ path: "/x" }, { reconnect, tls: {} }))).toContain("requires tls.serverName");
    expect(await messageOf(connected("a:1", { reconnect, tls: { ca: "x" } }))).toContain("tls.ca is not a PEM");
  });
});
