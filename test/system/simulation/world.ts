/**
 * World: one service, its links, the network between them, and what is done there: from one seed, and the same each time.
 */
import { type Clock, HbiError, Link, type LogEntry, type Peer, ServiceHost } from "hbi";
import { Caller, type CallingEnd, type CallingPlace } from "./caller.ts";
import { violationsOf } from "./checks.ts";
import { Faults } from "./faults.ts";
import { History } from "./history.ts";
import { Ledger } from "./ledger.ts";
import { dialFailed, type End, Network } from "./network.ts";
import { type Action, planWorld, type WorldPlan } from "./plan.ts";
import { Random } from "./random.ts";
import type { Facts, LinkSite } from "./site.ts";
import { PlannedError, sleep } from "./source.ts";
import { type Process, Time } from "./time.ts";
import { type Trial, trial } from "./trial.ts";
import { Work } from "./work.ts";

const MAX_LATE_MS = 20;
/** Beyond these a world hangs: every wait in it has a deadline. */
const MAX_STEPS = 400_000;
const MAX_SPAN_MS = 3_600_000;

export interface Outcome {
  readonly world: number;
  readonly plan: WorldPlan;
  readonly violations: readonly string[];
  readonly history: History;
  readonly ledger: Ledger;
  readonly faults: ReadonlyMap<string, number>;
  readonly steps: number;
  readonly spanMs: number;
  readonly mostUnread: number;
}

/** @param kept which of the planned actions are taken, by default all */
export async function runWorld(seed: number, world: number, kept?: ReadonlySet<number>): Promise<Outcome> {
  const plan = planWorld(new Random(seed, world, 1));
  const running = new World(seed, world, plan);
  await running.run(plan.actions.filter((_, at) => kept === undefined || kept.has(at)));
  return running.outcome();
}

class World {
  readonly #world: number;
  readonly #plan: WorldPlan;
  readonly #random: Random;
  readonly #time: Time;
  readonly #history: History;
  readonly #ledger: Ledger;
  readonly #network: Network;
  readonly #work: Work;
  readonly #faults: Faults;
  readonly #workClock: Clock;
  readonly #service: Process;
  readonly #host: ServiceHost<Trial>;
  readonly #sites: LinkSite[] = [];
  /** of the library: what is over leaves no timer there */
  readonly #processes: Process[] = [];
  #actionsLeft = 0;

  constructor(seed: number, world: number, plan: WorldPlan) {
    this.#world = world;
    this.#plan = plan;
    this.#random = new Random(seed, world, 2);
    this.#time = new Time(new Random(seed, world, 3), (thrown) => this.#ledger.violated("thrown", String(thrown)));
    const now = () => this.#time.nowMs;
    this.#history = new History(now);
    this.#ledger = new Ledger(this.#history, now);
    const { clock: networkClock } = this.#process(0);
    this.#network = new Network(new Random(seed, world, 4), networkClock, this.#history, plan);
    this.#faults = new Faults(this.#history);
    this.#workClock = this.#process(0).clock;
    this.#work = new Work(this.#ledger, this.#network);
    this.#service = this.#libraryProcess();
    this.#host = new ServiceHost<Trial>(trial, (peer) => this.#work.handlers(() => this.#placeOf(peer)), {
      clock: this.#service.clock,
      limits: plan.limits[0],
      log: (entry) => this.#log("service", entry),
    });
    for (let i = 0; i < plan.links; i++) this.#sites.push(this.#link("ABC".charAt(i)));
  }

  #process(maxLateMs: number): Process {
    const startMs = this.#random.pick([0, 1, 123_456.75]);
    return this.#time.process({ startMs, maxLateMs, knowsEndOfTurn: this.#random.chance(70) });
  }

  #libraryProcess(): Process {
    const process = this.#process(MAX_LATE_MS);
    this.#processes.push(process);
    return process;
  }

  // --- the two sides ---------------------------------------------------------------------------------------------------

  #link(name: string): LinkSite {
    const { limits, reconnects, retries } = this.#plan;
    const { clock } = this.#libraryProcess();
    const handlers = this.#work.handlers(() => ({ name, clock: this.#workClock, caller: site.caller }));
    const link = new Link<Trial>(trial, ({ signal }) => this.#dial(site, signal), handlers as never, {
      clock,
      limits: limits[1],
      retries,
      log: (entry) => this.#log(name, entry),
      ...(reconnects ? { reconnect: { initialDelayMs: 50, maxDelayMs: 800, jitter: 0 } } : {}),
    }); // its reactions are the same as the methods
    link.onState((state, reason) => {
      this.#history.add(name, `is ${state}${reason === undefined ? "" : `: ${reason.code} ${reason.reason}`}`);
      if (state !== "open") this.#troubled(site);
    });
    const callerAt = (from: string, timeoutMs = 30_000, end: CallingPlace["end"]) =>
      new Caller(from, this.#ledger, this.#workClock, timeoutMs, {
        end,
        isConnected: () => link.state === "open",
        quietMs: () => this.#quietMs(site),
      });
    const site: LinkSite = {
      name,
      link,
      caller: callerAt(name, limits[1].callTimeoutMs, () => link),
      peerCaller: callerAt(name.toLowerCase(), limits[0].callTimeoutMs, () => site.peer as CallingEnd | undefined),
      ends: [],
      peer: undefined,
      troubledAtMs: Number.POSITIVE_INFINITY,
    };
    return site;
  }

  #quietMs({ ends, name }: LinkSite): number {
    const present = ends.slice(-2);
    const labels = present.map(({ label }) => label);
    const idleMs = this.#ledger.idleMs(labels, [name, name.toLowerCase()]);
    return Math.min(idleMs, ...present.map(({ quietMs }) => quietMs));
  }

  async #dial(site: LinkSite, signal: AbortSignal): Promise<End> {
    const { latencyMs, failingDials } = this.#plan;
    await sleep(this.#workClock, this.#random.between(0, 2 * latencyMs), signal);
    if (signal.aborted) throw dialFailed();
    if (this.#random.chance(failingDials)) {
      this.#faults.happened("failing dial", site.name);
      this.#troubled(site);
      throw dialFailed();
    }
    const [near, far] = this.#network.connect(`${site.name}${site.ends.length / 2 + 1}`);
    site.ends.push(near, far);
    for (const end of [near, far]) end.onTrouble = () => this.#troubled(site);
    if (near.isBreaking) this.#faults.happened("break", site.name);
    this.#host.accept(far).then(
      (peer) => {
        site.peer = peer;
      },
      () => undefined, // told to the link by the end of its connection
    );
    return near;
  }

  #troubled(site: LinkSite): void {
    site.troubledAtMs = Math.min(site.troubledAtMs, this.#time.nowMs);
  }

  /** Where a handler of the service runs, and how it calls the peer. */
  #placeOf(peer: Peer<Trial, undefined>) {
    const site = this.#sites.find((candidate) => candidate.peer === peer) ?? this.#sites[0];
    if (site === undefined) throw new Error("a world without links");
    return { name: site.name.toLowerCase(), clock: this.#workClock, caller: site.peerCaller };
  }

  #log(where: string, { error, where: what }: LogEntry): void {
    this.#history.add(
      where,
      `log ${what}: ${error.code} ${error.reason ?? "planned"} ${error.reason === "handler" ? "" : error.message}`,
    );
    const { cause } = error;
    const isPlanned = cause instanceof PlannedError || cause instanceof HbiError || error.reason === "bad_result";
    if (error.code === "internal" && !isPlanned) {
      this.#ledger.violated("unexpected", `${what}: ${cause instanceof Error ? cause.stack : String(cause)}`);
    }
  }

  // --- running ---------------------------------------------------------------------------------------------------------

  async run(actions: readonly Action[]): Promise<void> {
    const director = this.#process(0);
    const onUnhandled = (thrown: unknown) => this.#ledger.violated("unhandled rejection", String(thrown));
    process.on("unhandledRejection", onUnhandled);
    let opening = this.#sites.length;
    for (const { link } of this.#sites) {
      const opened = () => void opening--;
      link.open().then(opened, opened);
    }
    this.#actionsLeft = actions.length;
    for (const action of actions) director.clock.after(action.atMs, () => this.#act(action));
    await this.#until("calls", () => opening === 0 && this.#actionsLeft === 0 && this.#ledger.unsettled === 0);
    await this.#quieten(actions);
    const endingAtMs = this.#time.nowMs;
    await this.#end();
    process.off("unhandledRejection", onUnhandled);
    const facts: Facts = { plan: this.#plan, sites: this.#sites, endingAtMs, maxLateMs: MAX_LATE_MS };
    for (const [check, what] of violationsOf(this.#ledger, facts)) this.#ledger.violated(check, what);
  }

  /** Runs until `isDone`, or there is nothing left that could be. */
  async #until(what: string, isDone: () => boolean): Promise<void> {
    await this.#time.settle();
    while (!isDone()) {
      const hangs = this.#time.steps > MAX_STEPS || this.#time.nowMs > MAX_SPAN_MS;
      if (hangs || !(await this.#time.step())) {
        this.#ledger.violated("hang", `${what}: ${this.#time.steps} steps, ${this.#time.nowMs} ms`);
        return;
      }
    }
  }

  /** Every call has settled: what peers made each other hold is given back as soon as the handlers have ended. */
  async #quieten(actions: readonly Action[]): Promise<void> {
    const keepsAll = actions.some((action) => action.kind === "call" && action.plan.reading === "never");
    if (keepsAll) return; // an answer that nobody reads is kept until the link closes
    const open = () =>
      this.#network.ends.flatMap(({ connection }) => (connection?.isOpen === true ? [connection] : []));
    const isQuiet = () => open().every(({ held }) => Object.values(held).every((amount) => amount === 0));
    await this.#until("what is held when all is quiet", isQuiet);
  }

  #act(action: Action): void {
    this.#actionsLeft -= 1;
    const site = this.#sites[action.link % this.#sites.length];
    if (site === undefined) return;
    if (action.kind === "call") void (action.isFromPeer ? site.peerCaller : site.caller).make(action.plan);
    else {
      this.#faults.happens(action.kind, site, action.isFromPeer, action.ms);
      this.#troubled(site);
    }
  }

  /** Closes everything, and looks at what is left. */
  async #end(): Promise<void> {
    const { ending } = this.#plan;
    this.#history.add("world", `ends by ${ending}`);
    const over = async (site: LinkSite) => {
      this.#troubled(site);
      if (ending === "drain") await site.peer?.drain("the end");
      await (ending === "disconnect" ? site.link.disconnect("the end") : site.link.close());
    };
    let isOver = false;
    void Promise.all(this.#sites.map(over)).then(() => {
      isOver = true;
    });
    await this.#until("the end", () => isOver && this.#network.ends.every((end) => end.isOver));
    const timers = this.#processes.reduce((sum, { timerCount }) => sum + timerCount, 0);
    if (timers > 0) this.#ledger.violated("timers", `${timers} are left`);
    let isQuiet = false;
    while (!isQuiet && this.#time.steps <= MAX_STEPS) isQuiet = !(await this.#time.step()); // handlers that still sleep
    if (this.#host.peers.size > 0) this.#ledger.violated("peers", `${this.#host.peers.size} are left`);
  }

  outcome(): Outcome {
    return {
      world: this.#world,
      plan: this.#plan,
      violations: this.#ledger.violations,
      history: this.#history,
      ledger: this.#ledger,
      faults: this.#faults.counts,
      steps: this.#time.steps,
      spanMs: this.#time.nowMs,
      mostUnread: this.#work.mostUnread,
    };
  }
}
