/**
 * Many at once, over real sockets.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HbiError, HostingEnv, method, script } from "hbi";
import { HBIC, HBIS } from "hbi/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { startProgram } from "../../support/programs.ts";

const n = z.int();
const waiting = new Map<number, () => void>();

function context(): HostingEnv {
  const env = new HostingEnv();
  env.expose(
    "held",
    method({ params: { n }, result: n }),
    ({ n }) => new Promise((resolve) => waiting.set(n, () => resolve(n * 2))),
  );
  env.expose("twice", method({ params: { n }, result: n }), ({ n }) => n * 2);
  return env;
}

const limits = {
  maxInFlight: 2_000,
  maxPostedInFlight: 2_000,
  maxConnectionsPerAddress: 1_000,
  acceptsPerSecond: 1_000,
};
const server = new HBIS("127.0.0.1:0", context, { limits });
beforeAll(() => server.listen());
afterAll(() => server.close());

it("1,000 conversations in flight on one connection, answered in random order", async () => {
  await using client = new HBIC(server.address, new HostingEnv(), { limits });
  const { po } = await client.connect();
  const order: number[] = [];
  const asked = Array.from({ length: 1_000 }, (_, i) =>
    po.converse(async (co) => {
      await co.sendCode(script`held(${i})`);
      const answer = await co.recvObj(n);
      order.push(i);
      return answer;
    }),
  );
  while (waiting.size < 1_000) await new Promise(setImmediate);
  const shuffled = [...waiting.keys()].sort((a, b) => ((a * 7919) % 1009) - ((b * 7919) % 1009));
  for (const i of shuffled) {
    waiting.get(i)?.();
    if (i % 50 === 0) await new Promise(setImmediate);
  }
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 1_000 }, (_, i) => i * 2));
  expect(order).toEqual(shuffled);
});

it("200 connections at once", async () => {
  const clients = Array.from({ length: 200 }, () => new HBIC(server.address, new HostingEnv()));
  const answers = await Promise.all(
    clients.map(async (client, i) => {
      const { po } = await client.connect();
      return Promise.all(
        [1, 2, 3].map((k) =>
          po.converse(async (co) => {
            await co.sendCode(script`twice(${i * k})`);
            return co.recvObj();
          }),
        ),
      );
    }),
  );
  expect(server.connectionCount).toBe(200);
  expect(answers).toEqual(clients.map((_, i) => [i * 2, i * 4, i * 6]));
  await Promise.all(clients.map((client) => client.disconnect()));
  while (server.connectionCount > 0) await new Promise(setImmediate);
});

it("both ends know where they are", async () => {
  const seen: string[] = [];
  await using listening = new HBIS("tcp://127.0.0.1:0", (po, ho) => {
    seen.push(po.localAddress, ho.remoteAddress, ho.netIdent);
    return new HostingEnv();
  });
  await listening.listen();
  await using client = new HBIC(`tcp://${listening.address}`, new HostingEnv());
  const { po, ho } = await client.connect();
  while (seen.length === 0) await new Promise(setImmediate);
  expect(po.remoteAddress).toBe(listening.address);
  expect(ho.netIdent).toBe(`${po.localAddress}<->${po.remoteAddress}`);
  expect(seen).toEqual([po.remoteAddress, po.localAddress, `${po.remoteAddress}<->${po.localAddress}`]);
});

it.each(["nowhere", "127.0.0.1:99999", "http://x:1", ""])(
  "an address that is none is refused at once: %j",
  (address) => {
    const make = () => new HBIC(address, new HostingEnv());
    if (address === "nowhere")
      expect(make().isConnected).toBe(false); // a host, at the usual port
    else expect(make).toThrow(expect.objectContaining({ reason: "bad_option" }));
  },
);

it("serves a Unix socket as well", async () => {
  const path = join(await mkdtemp(join(tmpdir(), "hbi-")), "socket");
  await using listening = new HBIS({ path }, context);
  await listening.listen();
  await using client = new HBIC(`unix:${path}`, new HostingEnv());
  const { po } = await client.connect();
  expect(await po.converse((co) => co.getObj("twice(21)"))).toBe(42);
});

it("a client dials once for many that ask at once, and again after a loss", async () => {
  await using client = new HBIC(server.address, new HostingEnv());
  const ends = await Promise.all([client.connect(), client.connect(), client.connect()]);
  expect(new Set(ends.map(({ po }) => po)).size).toBe(1);
  await client.disconnect();
  expect(client.isConnected).toBe(false);
  const { po } = await client.connect();
  expect(po).not.toBe(ends[0]?.po);
  expect(await po.converse((co) => co.getObj("twice(4)"))).toBe(8);
});

it("a server process that is killed: every call settles and says whether it may have landed", async () => {
  const running = await startProgram("test/system/programs/contract-server.ts", []);
  const env = new HostingEnv().expose("welcome", method({ params: { text: z.string() } }), () => undefined);
  const client = new HBIC(running.address, env);
  const { po } = await client.connect();
  const asked = Array.from({ length: 50 }, (_, i) =>
    po.converse(async (co) => {
      await co.sendCode(i % 2 === 0 ? "slow(60000, 'never')" : script`upload_crc(${4_000_000})`);
      if (i % 2 === 1) await co.sendData(new Uint8Array(4_000_000));
      return co.recvObj();
    }),
  );
  const outcomes = Promise.allSettled(asked);
  await Promise.race(asked); // the first upload is done; others are under way
  running.child.kill("SIGKILL");
  const settled = await outcomes;
  const failed = settled.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as HbiError] : []));
  expect(failed.length).toBeGreaterThanOrEqual(25);
  for (const error of failed) expect(error.code).toBe("unavailable");
  expect(failed.some(({ mayHaveLanded }) => mayHaveLanded === true)).toBe(true);
  expect(await client.closed).toMatchObject({ code: "unavailable" });
});

it("disconnect during a dial leaves no connection behind", async () => {
  await using server = new HBIS("127.0.0.1:0", () => new HostingEnv());
  await server.listen();
  const client = new HBIC(server.address, new HostingEnv());
  const dialed = client.connect().catch(() => undefined);
  await client.disconnect();
  await dialed;
  expect(client.isConnected).toBe(false);
});
