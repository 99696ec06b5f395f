/**
 * What a peer can make this side hold, as it is accounted and as the heap has it: fills every queue up to its limit, with the emptiest and
 * with the largest entries, on a few connections at once. Run with --expose-gc. Usage: [NAME ...]; prints a line of JSON
 * for each, or the names.
 */
import { Connection, HostingEnv, memoryTransportPair, method, repr, type Transport } from "hbi";
import { conversation, packet, quiet } from "hbi/testing";
import { z } from "zod";

const CONNECTIONS = 4;
const n = z.int().min(0);
const never = () => new Promise<never>(() => undefined);

type Held = Connection["held"];

interface End {
  readonly connection: Connection;
  readonly peer: Transport;
}

interface Filling {
  /** before the heap is looked at */
  prepare?(end: End): Promise<void>;
  fill(end: End): Promise<void>;
}

function exposed(): HostingEnv {
  const env = new HostingEnv();
  env.expose("e", method({ params: { text: z.string().optional() } }), () => undefined);
  env.expose("hold", method({ params: { text: z.string().optional() } }), never);
  env.expose("sit", method({ params: {} }), never);
  env.expose("take", method({ params: { n }, body: ({ n }) => n }), never);
  env.expose("say", method({ params: { n, size: n } }), async ({ n: count, size }, co) => {
    for (let i = 0; i < count; i++) await co.sendObj(repr("x".repeat(size)));
    await never();
  });
  env.expose("back", method({ params: { size: n }, result: z.string() }), ({ size }) => "x".repeat(size));
  return env;
}

const id = (seq: number, promise = "n") => `${seq};x;${promise}`;
const taking = (bytes: number) => packet("co_begin", `101;x;b=${bytes}`) + packet("", `take(${bytes})`);

/** A handler of this side waits for an answer, and all places are taken. */
async function crowded({ connection, peer }: End): Promise<void> {
  void connection.posting.notif("e()").catch(() => undefined);
  for (let i = 0; i < connection.limits.maxInFlight; i++) peer.write(conversation(id(200 + i), "hold()"));
  await quiet(10);
}

/** Says it again and again, in chunks of its own as a socket gives them, until so much is held. */
async function until(
  { peer, connection }: End,
  make: (i: number) => string,
  isFull: (held: Held) => boolean,
  atOnce = 20,
): Promise<void> {
  for (let i = 0; i < 300_000 && connection.isOpen; i++) {
    if (i % atOnce === 0) {
      for (let turns = 0; turns < 100 && peer.bufferedBytes > 0; turns++) await quiet(1);
      await quiet(2);
      if (isFull(connection.held) || peer.bufferedBytes > 0) return;
    }
    peer.write(make(i));
  }
}

const FULL = 256 * 1024;
const LARGE = "x".repeat(60_000);

const FILLINGS: Readonly<Record<string, Filling>> = {
  "calls at work, empty": {
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(200 + i), "hold()"),
        ({ places }) => places >= 100,
      ),
  },
  "calls at work, large": {
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(200 + i), `hold(${repr(LARGE)})`),
        ({ places }) => places >= 100,
      ),
  },
  "calls that wait, empty": {
    prepare: crowded,
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(1_000 + i), "e()"),
        ({ hosted }) => hosted >= 1_100,
      ),
  },
  "calls that wait, large": {
    prepare: crowded,
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(1_000 + i), `e("${LARGE}")`),
        () => end.connection.held.waiting > 200_000,
      ),
  },
  "objects that nobody asks for, empty": {
    prepare: async ({ peer }) => void peer.write(packet("co_begin", id(101)) + packet("", "sit()")),
    fill: async (end) =>
      until(
        end,
        () => packet("co_recv", "0").repeat(50),
        ({ unread }) => unread >= FULL,
      ),
  },
  "objects that nobody asks for, large": {
    prepare: async ({ peer }) => void peer.write(packet("co_begin", id(101)) + packet("", "sit()")),
    fill: async (end) =>
      until(
        end,
        () => packet("co_recv", `"${LARGE}"`),
        ({ unread }) => unread >= FULL,
      ),
  },
  "raw data that nobody reads, byte by byte": {
    prepare: async ({ peer }) => void peer.write(taking(1_000_000)),
    fill: async (end) =>
      until(
        end,
        () => "x",
        ({ unread }) => unread >= FULL,
      ),
  },
  "raw data that nobody reads, large": {
    prepare: async ({ peer }) => void peer.write(taking(10_000_000)),
    fill: async (end) =>
      until(
        end,
        () => LARGE,
        ({ unread }) => unread >= FULL,
      ),
  },
  "bytes that are not looked at, one by one": {
    prepare: async ({ peer }) => {
      for (let i = 0; i <= 100; i++) peer.write(conversation(String(200 + i), "hold()"));
      await quiet(10);
    },
    fill: async (end) =>
      until(
        end,
        () => "x",
        ({ received }) => received >= FULL,
      ),
  },
  "a packet that comes in drips": {
    prepare: async ({ peer }) => void peer.write(`${packet("co_begin", id(101))}[262144#]`),
    fill: async (end) =>
      until(
        end,
        () => "x".repeat(50),
        ({ received }) => received >= 250_000,
      ),
  },
  "answers that are built up, empty": {
    fill: async ({ peer }) => {
      peer.write(packet("co_begin", id(101)) + packet("", "say(1000, 0)"));
      await quiet();
    },
  },
  "answers that are built up, large": {
    fill: async ({ peer }) => {
      peer.write(packet("co_begin", id(101)) + packet("", "say(17, 60000)"));
      await quiet();
    },
  },
  "answers that are not read, empty": {
    prepare: async ({ peer }) => peer.pause(),
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(1_000 + i), "e()"),
        ({ unsent }) => unsent > 1_000_000,
      ),
  },
  "answers that are not read, large": {
    prepare: async ({ peer }) => peer.pause(),
    fill: async (end) =>
      until(
        end,
        (i) => conversation(id(1_000 + i), "back(60000)"),
        ({ unsent }) => unsent > 4_000_000,
      ),
  },
  "posts that wait": {
    fill: async ({ connection, peer }) => {
      peer.write(packet("co_begin", "100;x;n") + packet("co_end", "100;x;n"));
      for (let i = 0; i < 2_000; i++) void connection.posting.notif("e()").catch(() => undefined);
      await quiet();
    },
  },
  "calls of this side that wait": {
    fill: async ({ connection }) => {
      const request = { code: "e()", name: "e", results: [], wantsResults: false, timeoutMs: 30_000 };
      for (let i = 0; i < 2_000; i++) connection.posting.call(request).promise.catch(() => undefined);
      await quiet();
    },
  },
};

const collect = (globalThis as { gc?: () => void }).gc;

async function heap(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await quiet(5);
    collect?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function open(): Promise<End> {
  const [transport, peer] = memoryTransportPair();
  const nothing = () => undefined;
  peer.start({ onData: nothing, onDrain: nothing, onEnd: nothing, onClose: nothing });
  const connection = new Connection(transport, exposed, { log: nothing });
  await connection.start();
  return { connection, peer };
}

async function filled(
  { prepare, fill }: Filling,
  count: number,
): Promise<{ ends: End[]; before: number; heldBefore: number }> {
  const ends = await Promise.all(Array.from({ length: count }, open));
  for (const end of ends) await prepare?.(end);
  await quiet(20);
  const before = await heap();
  const heldBefore = accountedOf(ends);
  for (const end of ends) await fill(end);
  await quiet(20);
  return { ends, before, heldBefore };
}

/** With what has not been taken from the transport. */
function accountedOf(ends: readonly End[]): number {
  return ends.reduce((sum, { connection, peer }) => sum + connection.account.bytes + peer.bufferedBytes, 0);
}

const names = process.argv.slice(2);
if (names.length === 0) process.stdout.write(`${Object.keys(FILLINGS).join("\n")}\n`);
for (const name of names) {
  const filling = FILLINGS[name];
  if (filling === undefined) throw new Error(`no filling ${name}`);
  for (const { peer } of (await filled(filling, 1)).ends) peer.destroy(); // code is made when it first runs
  const { ends, before, heldBefore } = await filled(filling, CONNECTIONS);
  const accounted = accountedOf(ends) - heldBefore;
  const measured = (await heap()) - before;
  const held = ends[0]?.connection.held;
  const isOpen = ends.every(({ connection }) => connection.isOpen);
  process.stdout.write(
    `${JSON.stringify({ name, accounted, measured, factor: Number((measured / accounted).toFixed(2)), isOpen, held })}\n`,
  );
  for (const { peer } of ends) peer.destroy();
  await quiet(20);
}
process.exit(0);
