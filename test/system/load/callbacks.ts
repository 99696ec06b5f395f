/**
 * Call-backs: every handler asks its caller before it answers, and as many handlers as can be are at work before the first of them asks.
 * All calls succeed, or are refused where more are begun than a bounded queue takes; none waits for a deadline.
 */
import { setMaxListeners } from "node:events";
import {
  defineService,
  HbiError,
  type LimitOptions,
  Link,
  memoryTransportPair,
  method,
  ServiceHost,
  type Transport,
} from "hbi";
import { connect, serve } from "hbi/node";
import { quiet } from "hbi/testing";
import { z } from "zod";
import { explained, type Row, Scope } from "../../support/rows.ts";

const params = { i: z.int() };
const service = defineService({
  name: "callbacks",
  version: "1.0.0",
  methods: { work: method({ params, result: z.int() }) },
  reactions: { ask: method({ params, result: z.int() }) },
});
type Consumer = Link<typeof service>;

interface Size {
  readonly peers: number;
  /** of each peer */
  readonly calls: number;
}

interface Plan {
  readonly name: string;
  readonly over: "memory" | "TCP";
  readonly server: LimitOptions;
  readonly client: LimitOptions;
  /** one after the other */
  readonly sizes: readonly Size[];
  readonly isQuick?: boolean;
}

/** Nothing is to end by a deadline here, however slow the machine is; but a connection on which calls wait for each other is left soon. */
const PATIENT_MS = 250_000;
const COMMON: LimitOptions = { handlerTimeoutMs: PATIENT_MS, callTimeoutMs: PATIENT_MS, closeTimeoutMs: 200 };

/** No call settles in so many turns of the event loop and so long: they wait for each other. */
const STUCK_TURNS = 1_000;
const STUCK_MS = { memory: 300, TCP: 2_000 };

/** Handlers wait here until the door is opened. */
class Door {
  /** handlers that have begun */
  begun = 0;
  #open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  pass(): Promise<void> {
    this.begun += 1;
    return this.#opened;
  }

  /** When nothing has begun for a while: what can be at work is. */
  async openWhenQuiet(): Promise<void> {
    for (let before = -1; before !== this.begun; ) {
      before = this.begun;
      await quiet(50);
    }
    this.#open();
  }
}

interface Counts {
  succeeded: number;
  refused: number;
  readonly failed: Map<string, number>;
}

/** All sizes, also when one of them has failed. */
async function run(plan: Plan): Promise<string> {
  const told: string[] = [];
  const failed: string[] = [];
  for (const size of plan.sizes) {
    const scope = new Scope();
    const name = `${size.peers} x ${size.calls}`;
    try {
      told.push(`${name}: ${await runSize(scope, plan, size)}`);
    } catch (thrown) {
      failed.push(`${name}: ${explained(thrown)}`);
    } finally {
      await scope.close();
    }
  }
  if (failed.length > 0) throw new Error(`${failed.length} of ${plan.sizes.length} sizes: ${failed.join("; ")}`);
  return told.join("; ");
}

async function runSize(scope: Scope, plan: Plan, { peers, calls }: Size): Promise<string> {
  const door = new Door();
  let asked = 0;
  const ask = ({ i }: { readonly i: number }): number => {
    asked += 1;
    return i * 2;
  };
  const handlers: Handlers = (peer) => ({
    async work({ i }) {
      await door.pass();
      return (await peer.call.ask({ i })) + 1;
    },
  });
  const links = await connected(scope, plan, peers, handlers, ask);
  const counts: Counts = { succeeded: 0, refused: 0, failed: new Map() };
  let settled = 0;
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const call = async (link: Consumer, i: number): Promise<void> => {
    try {
      const result = await link.call.work({ i }, { signal: abort.signal });
      if (result === i * 2 + 1) counts.succeeded += 1;
      else tally(counts.failed, "a wrong answer");
    } catch (thrown) {
      if (thrown instanceof HbiError && thrown.code === "resource_exhausted") counts.refused += 1;
      else if (!abort.signal.aborted) tally(counts.failed, explained(thrown));
    }
    settled += 1;
  };
  const calling: Promise<void>[] = [];
  // Peer by peer in each turn, so that what all of them have in flight grows evenly.
  for (let i = 0; i < calls; i++, await new Promise(setImmediate)) calling.push(...links.map((link) => call(link, i)));
  const all = Promise.all(calling);
  await door.openWhenQuiet();
  const begun = peers * calls;
  const isStuck = await standsStill(() => settled, begun, STUCK_MS[plan.over]);
  const waiting = begun - settled;
  abort.abort();
  await all;
  judge(plan, { peers, calls }, counts, isStuck ? waiting : 0);
  const { succeeded, refused } = counts;
  if (asked < succeeded) throw new Error(`${succeeded} succeeded, and ${asked} were asked`);
  return `${begun} begun = ${succeeded} succeeded + ${refused} refused`;
}

/** Resolves with false when all are settled, with true when none is for so long. */
async function standsStill(settled: () => number, all: number, forMs: number): Promise<boolean> {
  let seen = -1;
  let turns = 0;
  let sinceMs = 0;
  for (; settled() < all; await new Promise(setImmediate)) {
    if (settled() !== seen) {
      seen = settled();
      turns = 0;
      sinceMs = performance.now();
    }
    turns += 1;
    if (turns > STUCK_TURNS && performance.now() - sinceMs > forMs) return true;
  }
  return false;
}

/** @throws Error when the counts do not add up, or a call waited or failed */
function judge(
  { server, client }: Plan,
  { peers, calls }: Size,
  { succeeded, refused, failed }: Counts,
  waiting: number,
): void {
  const begun = peers * calls;
  const others = [...failed].map(([what, count]) => `${count} failed: ${what}`).join("; ");
  const words = `of ${begun}, ${succeeded} succeeded, ${refused} were refused`;
  if (waiting > 0) throw new Error(`${words}, ${waiting} waited for each other`);
  if (failed.size > 0) throw new Error(`${words}; ${others}`);
  if (succeeded + refused !== begun) throw new Error(`${words}: that is not all`);
  const { maxInFlight = 100, maxPostedInFlight: answers = 100 } = server;
  const { maxPostedInFlight: posted = 100, maxInFlight: reactions = 100 } = client;
  const fits = posted <= maxInFlight && answers <= reactions; // nobody puts more on the wire than the other takes at once
  if (fits && refused > 0) throw new Error(`${words}, although no more were on the wire than are taken`);
  if (succeeded < peers) throw new Error(`${words}: not even one of each peer`);
}

function tally(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

type Handlers = ConstructorParameters<typeof ServiceHost<typeof service, undefined>>[1];

async function connected(
  scope: Scope,
  plan: Plan,
  peers: number,
  handlers: Handlers,
  ask: (given: { i: number }) => number,
) {
  const { over, server, client } = plan;
  const ofServer = { limits: { ...COMMON, ...server }, log: () => undefined };
  const ofClient = { limits: { ...COMMON, ...client }, log: () => undefined };
  const links: Consumer[] = [];
  if (over === "TCP") {
    const many = { maxConnectionsPerAddress: 1_000, acceptsPerSecond: 10_000 };
    const limits = { ...many, ...ofServer.limits };
    const listening = await serve(service, "127.0.0.1:0", handlers, { ...ofServer, limits });
    scope.add(() => listening.close());
    scope.add(() => Promise.all(links.map((link) => link.disconnect())));
    for (let i = 0; i < peers; i++) links.push(await connect(service, listening.address, { ask }, ofClient));
    return links;
  }
  const host = new ServiceHost(service, handlers, ofServer);
  for (let i = 0; i < peers; i++) {
    const [near, far] = memoryTransportPair();
    scope.add(() => near.destroy());
    host.accept(far).catch(() => undefined); // told to the link by the end of its connection
    const dial = async (): Promise<Transport> => near;
    links.push(await new Link(service, dial, { ask }, ofClient).open());
  }
  return links;
}

// --- rows --------------------------------------------------------------------------------------------------------------

const LIMITS = [1, 2, 100] as const;

const everyLimit = LIMITS.flatMap((served) =>
  LIMITS.flatMap((reacting) =>
    LIMITS.map((posted) => ({
      name: `maxInFlight ${served} and ${reacting}, maxPostedInFlight ${posted}`,
      server: { maxInFlight: served, maxPostedInFlight: posted },
      client: { maxInFlight: reacting, maxPostedInFlight: posted },
      isOfOne: served === reacting && (served === posted || posted === 100),
    })),
  ),
);

const sizes = (...pairs: readonly (readonly [number, number])[]): readonly Size[] =>
  pairs.map(([peers, calls]) => ({ peers, calls }));

const QUICK_SIZES = sizes([1, 1], [1, 20], [10, 20]);
const ALL_SIZES = sizes([1, 1], [1, 20], [1, 200], [20, 1], [20, 20], [20, 200], [200, 1], [200, 20]);
const LARGEST = sizes([200, 200]);

const plans: readonly Plan[] = [
  ...everyLimit.flatMap((limits): Plan[] => [
    { ...limits, over: "memory", sizes: QUICK_SIZES, isQuick: true },
    { ...limits, over: "memory", sizes: ALL_SIZES },
    ...(limits.isOfOne ? ([{ ...limits, over: "memory", sizes: LARGEST }] as const) : []),
  ]),
  ...LIMITS.flatMap((limit): Plan[] => {
    const both = { maxInFlight: limit, maxPostedInFlight: limit };
    const plan = {
      name: `maxInFlight and maxPostedInFlight ${limit}`,
      over: "TCP",
      server: both,
      client: both,
    } as const;
    return [
      { ...plan, sizes: sizes([1, 20], [10, 20]), isQuick: true },
      { ...plan, sizes: sizes([1, 200], [50, 20], [50, 200]) },
    ];
  }),
  // What may be in flight in the process is less than what is: both ends are in it.
  ...[1, 10, 100].flatMap((most) =>
    (["memory", "TCP"] as const).map((over): Plan => {
      const both = { maxProcessInFlight: most };
      const name = `maxProcessInFlight ${most}`;
      return { name, over, server: both, client: both, sizes: sizes([1, 50], [20, 50]), isQuick: over === "memory" };
    }),
  ),
  { name: "default limits", over: "memory", server: {}, client: {}, sizes: sizes([120, 100]), isQuick: true },
  {
    name: "the limits that docs/hardening.md recommends",
    over: "TCP",
    server: hardened(),
    client: {},
    sizes: sizes([1, 20], [1, 25], [1, 100]),
    isQuick: true,
  },
  {
    name: "the limits that docs/hardening.md recommends",
    over: "TCP",
    server: hardened(),
    client: {},
    sizes: sizes([1, 200], [20, 100]),
  },
];

/** Without its rates, which would make the row long. */
function hardened(): LimitOptions {
  return {
    maxConnections: 2_000,
    maxConnectionsPerAddress: 20,
    maxProcessInFlight: 1_000,
    maxInFlight: 20,
    maxPacketBytes: 64 * 1024,
    maxBodyBytes: 1,
    maxCallsPerScript: 8,
    maxSendBufferBytes: 2 * 1024 * 1024,
    idleTimeoutMs: 10 * 60_000,
  };
}

const listed = (all: readonly Size[]): string => all.map(({ peers, calls }) => `${peers} x ${calls}`).join(", ");

export const CALLBACK_ROWS: readonly Row[] = plans.map((plan) => ({
  name: `call-backs over ${plan.over}, ${plan.name}: ${listed(plan.sizes)}`,
  isQuick: plan.isQuick ?? false,
  seconds: 60,
  isAlone: true,
  run: () => run(plan),
}));
