/**
 * Drains and restarts under load: links that call all the time while their server drains and another takes its place; calls that are
 * outstanding when it does. No call is lost, none runs twice, and what fails says truly whether it may have landed.
 */
import type { LimitOptions, LogEntry } from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { quiet } from "hbi/testing";
import type { Weather } from "../../support/chaos-lane.ts";
import { ChaosProxy } from "../../support/chaos-proxy.ts";
import { type Row, type Scope, within } from "../../support/rows.ts";
import { Ledger, type Rules } from "./ledger.ts";
import {
  type Consumer,
  Holding,
  handlersOf,
  KINDS,
  type Kind,
  type Restarted,
  reactionsOf,
  restarted,
} from "./service.ts";

const RECONNECT = { initialDelayMs: 5, maxDelayMs: 100 };

interface SiteOptions {
  readonly weather?: Weather;
  readonly server?: LimitOptions;
  readonly client?: LimitOptions;
  readonly reconnects?: boolean;
}

/** Servers that take each other's place behind one address, and links to it. */
class Site {
  readonly ledger = new Ledger();
  readonly pushes = new Ledger();
  readonly holding = new Holding();
  readonly #scope: Scope;
  readonly #options: SiteOptions;
  #proxy: ChaosProxy | undefined;
  #server: Server<Restarted, undefined> | undefined;
  /** unexpected failures of handlers */
  readonly internal: string[] = [];

  private constructor(scope: Scope, options: SiteOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  static async open(scope: Scope, options: SiteOptions = {}): Promise<Site> {
    const site = new Site(scope, options);
    const server = await site.start("127.0.0.1:0");
    const proxy = await ChaosProxy.listen(server.address, 1, options.weather ?? {});
    scope.add(() => proxy.close());
    site.#proxy = proxy;
    return site;
  }

  get server(): Server<Restarted, undefined> {
    if (this.#server === undefined) throw new Error("there is no server yet");
    return this.#server;
  }

  get proxy(): ChaosProxy {
    if (this.#proxy === undefined) throw new Error("there is no proxy yet");
    return this.#proxy;
  }

  /** Starts another server; it is the one that the next connections lead to. */
  async start(address: string): Promise<Server<Restarted, undefined>> {
    const log = ({ error }: LogEntry): void => {
      if (error.code === "internal") this.internal.push(`${error.message}: ${String(error.cause)}`);
    };
    const handlers = handlersOf(this.ledger, this.pushes, this.holding);
    const limits = { maxConnectionsPerAddress: 1_000, acceptsPerSecond: 10_000, ...this.#options.server };
    const server = await serve(restarted, address, handlers, { limits, log });
    this.#scope.add(() => server.close());
    this.#server = server;
    if (this.#proxy !== undefined) this.#proxy.target = server.address;
    return server;
  }

  /** A link to whichever server there is. */
  async link(address = this.proxy.address): Promise<Consumer> {
    const { client: limits = {}, reconnects = true } = this.#options;
    const options = { limits, log: () => undefined, ...(reconnects ? { reconnect: RECONNECT } : {}) };
    const link = await connect(restarted, address, reactionsOf(this.pushes), options);
    this.#scope.add(() => link.disconnect());
    return link;
  }

  /** @throws Error what does not add up */
  verify(rules: Rules = {}): string {
    if (this.internal.length > 0) throw new Error(`a handler failed: ${this.internal[0]}`);
    const pushed = this.pushes.settled > 0 ? `; pushed: ${this.pushes.verify(rules)}` : "";
    return `${this.ledger.verify(rules)}${pushed}`;
  }
}

// --- load --------------------------------------------------------------------------------------------------------------

const SIZES = [0, 100, 5_000, 70_000, 400_000] as const;
const ALL = Object.keys(KINDS) as Kind[]; // its own keys

/** Calls all the time, one after the other, until it is stopped. */
class Worker {
  readonly done: Promise<void>;
  readonly #ledger: Ledger;
  #isStopped = false;

  constructor(ledger: Ledger, link: Consumer, name: string) {
    this.#ledger = ledger;
    this.done = this.#work(link, name);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #work(link: Consumer, name: string): Promise<void> {
    for (let n = name.charCodeAt(name.length - 1); !this.#isStopped && link.state !== "closed"; n++) {
      const kind = ALL[n % ALL.length] ?? "work";
      const id = `${name}.${n}`;
      await this.#ledger.make(id, () => KINDS[kind](link, id, SIZES[n % SIZES.length] ?? 0));
      await new Promise(setImmediate); // what fails at once must not keep the event loop
    }
  }
}

interface RestartPlan extends SiteOptions {
  readonly name: string;
  readonly restarts: number;
  readonly links: number;
  readonly workers: number;
  /** the next server has the address of the one before, and listens as soon as that does not any more */
  readonly isInPlace?: boolean;
  readonly rules?: Rules;
  readonly isQuick?: boolean;
}

/** All handlers are short: a drain that takes so long waits for what does not come. */
const ended = (drained: Promise<void>): Promise<void> => within(drained, 20_000, () => "a drain has not ended in 20 s");

/** So many calls between two restarts. */
const CALLS_BETWEEN = 60;

async function restartUnderLoad(scope: Scope, plan: RestartPlan): Promise<string> {
  const site = await Site.open(scope, plan);
  const { ledger } = site;
  scope.told = () => `${ledger.settled} calls have been settled`;
  const address = plan.isInPlace === true ? site.server.address : site.proxy.address;
  const links = await Promise.all(Array.from({ length: plan.links }, () => site.link(address)));
  const workers = links.flatMap((link, i) =>
    Array.from({ length: plan.workers }, (_, k) => new Worker(ledger, link, `${i}-${String.fromCharCode(97 + k)}`)),
  );
  scope.add(() => {
    for (const worker of workers) worker.stop();
  });
  for (let i = 0; i < plan.restarts; i++) {
    await ledger.whenSettled(ledger.settled + CALLS_BETWEEN);
    const { server } = site;
    if (plan.isInPlace === true) {
      const drained = server.drain("restart");
      await site.start(address);
      await ended(drained);
    } else {
      await site.start("127.0.0.1:0");
      await ended(server.drain("restart"));
    }
    if (server.connectionCount > 0) throw new Error("a server that has drained keeps connections");
  }
  await ledger.whenSettled(ledger.settled + CALLS_BETWEEN);
  for (const worker of workers) worker.stop();
  await Promise.all(workers.map(({ done }) => done));
  await Promise.all(links.map((link) => link.close()));
  return `${plan.restarts} restarts; ${site.verify(plan.rules)}`;
}

const RESTARTS: readonly RestartPlan[] = [
  { name: "the next server is there before", restarts: 20, links: 3, workers: 8 },
  { name: "the next server is there before, a link", restarts: 2, links: 1, workers: 8, isQuick: true },
  { name: "the next server takes the address", restarts: 20, links: 3, workers: 8, isInPlace: true },
  {
    name: "the next server takes the address, a link",
    restarts: 5,
    links: 1,
    workers: 8,
    isInPlace: true,
    isQuick: true,
  },
  { name: "a line with latency", restarts: 20, links: 3, workers: 8, weather: { latencyMs: 10 } },
  { name: "bytes in small pieces", restarts: 20, links: 3, workers: 4, weather: { sliceBytes: 4_000, jitterMs: 3 } },
  {
    name: "most calls wait on their side",
    restarts: 20,
    links: 2,
    workers: 30,
    client: { maxPostedInFlight: 3 },
  },
  {
    name: "most calls wait at the server",
    restarts: 20,
    links: 2,
    workers: 30,
    server: { maxInFlight: 3 },
    rules: { mayBeRefused: true },
  },
  { name: "many links", restarts: 20, links: 50, workers: 2 },
];

// --- outstanding calls -------------------------------------------------------------------------------------------------

const OUTSTANDING = 300;
const ON_THE_WIRE = 100;

interface OutstandingPlan extends SiteOptions {
  readonly name: string;
  readonly kind: Kind | "hold";
  /** what happens while 300 calls are outstanding of which 100 are on the wire */
  readonly happens: (site: Site, link: Consumer) => Promise<unknown>;
  readonly rules?: Rules;
  readonly isQuick?: boolean;
}

async function whileOutstanding(scope: Scope, plan: OutstandingPlan): Promise<string> {
  const site = await Site.open(scope, plan);
  const { ledger, holding } = site;
  scope.told = () => `${ledger.settled} calls have been settled`;
  const link = await site.link();
  await ledger.make("first", () => KINDS.work(link, "first", 0)); // what the peer speaks is known from its first answer on
  const { kind } = plan;
  const calls = Array.from({ length: OUTSTANDING }, (_, i) => {
    const id = `call ${i}`;
    const held = async (): Promise<void> => void (await link.call.hold({ id }));
    return ledger.make(id, kind === "hold" ? held : () => KINDS[kind](link, id, 20_000));
  });
  if (kind === "hold") await holding.holding(ON_THE_WIRE);
  const happening = plan.happens(site, link);
  const letGo = setInterval(() => holding.letGo(), 50); // those that come later as well
  scope.add(() => clearInterval(letGo));
  await Promise.all(calls);
  await happening;
  return site.verify(plan.rules);
}

const replace = async (site: Site): Promise<void> => {
  const { server } = site;
  await site.start("127.0.0.1:0");
  await server.drain("deploy");
};

const OUTSTANDING_PLANS: readonly OutstandingPlan[] = [
  { name: "the server is replaced", kind: "hold", happens: replace, isQuick: true },
  { name: "the server is replaced, bodies", kind: "upload", happens: replace },
  { name: "the server is replaced, posts with bodies", kind: "store", happens: replace },
  { name: "the server is replaced, result bodies", kind: "download", happens: replace },
  { name: "the server is replaced, call-backs", kind: "ask", happens: replace },
  {
    name: "the server is replaced over a line with latency",
    kind: "hold",
    happens: replace,
    weather: { latencyMs: 20 },
  },
  {
    name: "the server drains, and the link does not connect again",
    kind: "hold",
    happens: ({ server }) => server.drain("deploy"),
    reconnects: false,
    rules: { mayFail: OUTSTANDING - ON_THE_WIRE },
    isQuick: true,
  },
  {
    name: "the link closes",
    kind: "hold",
    happens: (_, link) => link.close("done"),
    rules: { mayFail: OUTSTANDING - ON_THE_WIRE },
  },
  {
    name: "the connection is reset",
    kind: "hold",
    happens: async ({ proxy }) => proxy.cut(),
    rules: { mayFail: OUTSTANDING },
    isQuick: true,
  },
  {
    name: "the server is replaced, and has no more patience",
    kind: "hold",
    happens: async (site) => {
      const { server } = site;
      await site.start("127.0.0.1:0");
      const drained = server.drain("a new version comes");
      await server.close("closing");
      await drained;
    },
    rules: { mayFail: ON_THE_WIRE },
    isQuick: true,
  },
];

// --- others ------------------------------------------------------------------------------------------------------------

/** Links that call about as often as a connection is closed for being idle. */
async function callAboutAsOften(scope: Scope, links: number, calls: number): Promise<string> {
  const site = await Site.open(scope, { server: { idleTimeoutMs: 1_000 }, weather: { latencyMs: 20 } });
  const { ledger } = site;
  const work = async (_: unknown, n: number): Promise<void> => {
    const link = await site.link();
    for (let i = 0; i < calls; i++) {
      const id = `${n}.${i}`;
      await ledger.make(id, () => KINDS.work(link, id, 0));
      await new Promise((resolve) => setTimeout(resolve, 940 + ((n * 120) / links) * ((i % 2) + 0.5))); // its pace
    }
  };
  await Promise.all(Array.from({ length: links }, work));
  return site.verify();
}

/** What the caller gives up is given up, also while its server drains. */
async function cancelWhileDraining(scope: Scope, reconnects: boolean): Promise<string> {
  // A handler that is told nothing outlives the row, however busy the machine is.
  const site = await Site.open(scope, { server: { handlerTimeoutMs: 600_000 }, reconnects });
  const { holding, server } = site;
  const link = await site.link();
  await link.call.work({ id: "first" });
  const abort = new AbortController();
  const given = link.call.hold({ id: "held" }, { signal: abort.signal }).catch(() => undefined);
  await holding.holding(1);
  const drained = server.drain("deploy");
  // It is told to go elsewhere.
  for (let n = 0; link.state === "open"; n++) {
    const isRefused = await link.call.work({ id: `${n}` }).catch(() => undefined);
    if (isRefused === undefined) break;
  }
  await quiet(200); // and the server has heard that it knows
  abort.abort();
  await given;
  await drained;
  const { code } = (holding.signals[0]?.reason ?? {}) as { code?: string }; // an HbiError
  if (code !== "cancelled") throw new Error(`its handler was told ${code}, not cancelled`);
  return "its handler was told at once";
}

/** Calls begin in the order in which they are made, whatever their size. */
async function order(scope: Scope, kind: "call" | "post", sizes: readonly number[]): Promise<string> {
  const site = await Site.open(scope);
  const link = await site.link();
  const begun: string[] = [];
  const { ledger } = site;
  ledger.onRun = (id) => begun.push(id);
  const made = sizes.flatMap((size, i) => {
    const [put, commit] = [`put ${i} of ${size}`, `commit ${i}`];
    const first = () => (kind === "call" ? KINDS.upload(link, put, size) : KINDS.store(link, put, size));
    return [ledger.make(put, first), ledger.make(commit, () => KINDS.work(link, commit, 0))];
  });
  const expected = sizes.flatMap((size, i) => [`put ${i} of ${size}`, `commit ${i}`]);
  await Promise.all(made);
  if (begun.join() !== expected.join()) throw new Error(`begun in this order: ${begun.join(", ")}`);
  return site.verify();
}

export const RESTART_ROWS: readonly Row[] = [
  ...RESTARTS.map(
    (plan): Row => ({
      name: `restarts under load: ${plan.name}, ${plan.restarts} times`,
      isQuick: plan.isQuick ?? false,
      seconds: 30,
      run: (scope) => restartUnderLoad(scope, plan),
    }),
  ),
  ...OUTSTANDING_PLANS.map(
    (plan): Row => ({
      name: `${OUTSTANDING} calls outstanding: ${plan.name}`,
      isQuick: plan.isQuick ?? false,
      seconds: 30,
      run: (scope) => whileOutstanding(scope, plan),
    }),
  ),
  {
    name: "calls about as often as idle connections are closed: 20 links",
    isQuick: true,
    seconds: 5,
    run: (scope) => callAboutAsOften(scope, 20, 4),
  },
  {
    name: "calls about as often as idle connections are closed: 100 links",
    isQuick: false,
    seconds: 20,
    run: (scope) => callAboutAsOften(scope, 100, 20),
  },
  ...[true, false].map(
    (reconnects): Row => ({
      name: `a call is given up while its server drains, the link ${reconnects ? "connects again" : "does not connect again"}`,
      isQuick: true,
      seconds: 10,
      run: (scope) => cancelWhileDraining(scope, reconnects),
    }),
  ),
  ...(["call", "post"] as const).map(
    (kind): Row => ({
      name: `order: ${kind}s with bodies of every size, each with a small call behind it`,
      isQuick: true,
      seconds: 5,
      run: (scope) => order(scope, kind, [0, 1_000, 60_000, 900_000, 1_200_000, 3_000_000, 10]),
    }),
  ),
];
