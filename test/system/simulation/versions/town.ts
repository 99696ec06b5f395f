/**
 * Town: a service in one version, consumers of both, and the simulated network between them, for as long as is asked for; from one
 * seed, and the same each time. Whatever ends a connection but the town itself is a violation.
 */
import { type LimitOptions, Link, type ReactionsOf, ServiceHost } from "hbi";
import { History } from "../history.ts";
import { dialFailed, type End, Network } from "../network.ts";
import { Random } from "../random.ts";
import { sleep } from "../source.ts";
import { type Process, Time } from "../time.ts";
import { Consumer } from "./consumer.ts";
import { type Newer, newer, older, type Version } from "./definitions.ts";
import { type AnyPeer, Provider } from "./provider.ts";
import { Record } from "./record.ts";

const MAX_LATE_MS = 20;
/** To finish what was begun in time. */
const AFTER_MS = 600_000;
const HISTORY_LINES = 2_000;
const PROGRAMS = 3;

export interface TownOptions {
  readonly seed: number;
  /** of the service */
  readonly version: Version;
  /** simulated */
  readonly minutes: number;
  /** of each consumer, beside each other; 3 by default */
  readonly programs?: number;
  /** of the service */
  readonly limits?: LimitOptions;
}

export interface TownOutcome {
  readonly version: Version;
  readonly counts: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
  readonly connections: number;
  readonly bytes: number;
  readonly steps: number;
  readonly spanMs: number;
  readonly history: History;
}

interface Site {
  readonly name: string;
  readonly version: Version;
  readonly link: Link<Newer>;
  /** near and far, of each connection */
  readonly ends: End[];
  peer: AnyPeer | undefined;
}

export async function runTown(options: TownOptions): Promise<TownOutcome> {
  return new Town(options).run();
}

class Town {
  readonly #options: TownOptions;
  readonly #random: Random;
  readonly #time: Time;
  readonly #history: History;
  readonly #record: Record;
  readonly #network: Network;
  readonly #outside: Process;
  /** of the library: what is over leaves no timer there */
  readonly #processes: Process[] = [];
  readonly #provider: Provider;
  readonly #host: ServiceHost<Newer>;
  readonly #sites: readonly Site[];
  /** ends that the town has cut, or whose other end it has */
  readonly #cut = new Set<End>();

  constructor(options: TownOptions) {
    const { seed, version, limits = {} } = options;
    const salt = version === "older" ? 100 : 200;
    this.#options = options;
    this.#random = new Random(seed, salt, 1);
    this.#time = new Time(new Random(seed, salt, 2), (thrown) => this.#record.violated(`thrown: ${String(thrown)}`));
    this.#history = new History(() => this.#time.nowMs, HISTORY_LINES);
    this.#record = new Record(() => this.#time.nowMs);
    this.#outside = this.#time.process({ startMs: 0, maxLateMs: 0, knowsEndOfTurn: true });
    const { clock } = this.#outside;
    const latencyMs = this.#random.pick([1, 10, 30]);
    const chunkBytes = this.#random.pick([16_384, 65_536, 1e10]);
    this.#network = new Network(new Random(seed, salt, 3), clock, this.#history, { latencyMs, chunkBytes, breaks: 0 });
    this.#provider = new Provider({
      version,
      clock,
      random: new Random(seed, salt, 4),
      record: this.#record,
      haste: 1,
    });
    this.#host = new ServiceHost<Newer>(definitionOf(version), (peer) => this.#provider.handlers(peer) as never, {
      clock: this.#process().clock,
      limits,
      log: ({ where, error }) => this.#told("service", where, error.reason ?? error.code),
    });
    const versions: readonly Version[] = ["older", "newer", "older", "newer"];
    this.#sites = versions.map((each, i) => this.#site("ABCD".charAt(i), each));
  }

  #process(): Process {
    const process = this.#time.process({ startMs: 0, maxLateMs: MAX_LATE_MS, knowsEndOfTurn: this.#random.chance(70) });
    this.#processes.push(process);
    return process;
  }

  #site(name: string, version: Version): Site {
    const link = new Link<Newer>(
      definitionOf(version),
      ({ signal }) => this.#dial(site, signal),
      reactionsOf(version),
      {
        clock: this.#process().clock,
        reconnect: { initialDelayMs: 50, maxDelayMs: 2_000 },
        log: ({ where, error }) => this.#told(name, where, error.reason ?? error.code, version),
      },
    );
    const site: Site = { name, version, link, ends: [], peer: undefined };
    return site;
  }

  /** What an operator is told of a conversation is that it was given up or refused; of a connection nothing should be told, and of a
   *  definition that the other side has another version. */
  #told(side: string, where: string, reason: string, version = this.#options.version): void {
    this.#history.add(side, `log ${where}: ${reason}`);
    const isOther = where === "definition" && version !== this.#options.version;
    if (where.startsWith("conversation") || isOther) this.#record.count(`told: ${reason}`);
    else this.#record.violated(`${side} is told of its ${where}: ${reason}`);
  }

  async #dial(site: Site, signal: AbortSignal): Promise<End> {
    await sleep(this.#outside.clock, this.#random.between(0, 50), signal);
    if (signal.aborted) throw dialFailed();
    const [near, far] = this.#network.connect(`${site.name}${site.ends.length / 2 + 1}`);
    site.ends.push(near, far);
    this.#host.accept(far).then(
      (peer) => {
        site.peer = peer as AnyPeer; // the definition is a version of the same
      },
      () => undefined, // told to the link by the end of its connection
    );
    return near;
  }

  // --- what happens ----------------------------------------------------------------------------------------------------

  async run(): Promise<TownOutcome> {
    const onUnhandled = (thrown: unknown) => this.#record.violated(`unhandled rejection: ${String(thrown)}`);
    process.on("unhandledRejection", onUnhandled);
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0; // stacks of thousands of expected errors cost time, and nobody looks at them
    const untilMs = this.#options.minutes * 60_000;
    await this.#runUntil("opening", Promise.all(this.#sites.map(({ link }) => link.open())), AFTER_MS);
    await this.#runUntil(
      "calls",
      Promise.all(this.#sites.flatMap((site) => this.#live(site, untilMs))),
      untilMs + AFTER_MS,
    );
    this.#checkHeld();
    const closing = Promise.all([...this.#sites.map(({ link }) => link.close()), this.#host.drain()]);
    await this.#runUntil("closing", closing, this.#time.nowMs + AFTER_MS);
    this.#checkEnds();
    Error.stackTraceLimit = stackTraceLimit;
    process.off("unhandledRejection", onUnhandled);
    return this.#outcome();
  }

  #live(site: Site, untilMs: number): Promise<void>[] {
    const { version: serviceVersion, programs: count = PROGRAMS } = this.#options;
    const { clock } = this.#outside;
    const { name, version, link } = site;
    const programs = Array.from({ length: count }, (_, i) => {
      const random = new Random(this.#options.seed, name.charCodeAt(0), i);
      return new Consumer(link, { name, version, serviceVersion, clock, random, record: this.#record, haste: 1 });
    });
    return [
      ...programs.map((program) => program.run(untilMs)),
      this.#provider.push(name, version, () => site.peer, untilMs),
      this.#trouble(site, untilMs),
    ];
  }

  /** What a network and operators do: it is cut, it stands still for a while, the service asks a consumer to go elsewhere. */
  async #trouble(site: Site, untilMs: number): Promise<void> {
    const { clock } = this.#outside;
    for (;;) {
      await sleep(clock, this.#random.between(10_000, 120_000), undefined);
      if (clock.now() >= untilMs) return;
      const [near, far] = site.ends.slice(-2);
      if (near === undefined || far === undefined) continue;
      const what = this.#random.weighted({ cut: 3, stall: 4, drain: 2 });
      this.#history.add(site.name, what);
      if (what === "cut") {
        this.#record.cut(site.name);
        for (const end of [near, far]) this.#cut.add(end);
        this.#random.pick([near, far]).destroy();
      } else {
        this.#record.count(what);
        if (what === "drain") void site.peer?.drain("elsewhere");
        else for (const end of [near, far]) end.holdUp(this.#random.between(100, 3_000));
      }
    }
  }

  async #runUntil(what: string, promise: Promise<unknown>, mostMs: number): Promise<void> {
    let isOver = false;
    const failed = (thrown: unknown) => this.#record.violated(`${what}: ${String(thrown)}`);
    void promise.catch(failed).then(() => {
      isOver = true;
    });
    await this.#time.settle();
    while (!isOver) {
      if (this.#time.nowMs < mostMs && (await this.#time.step())) continue;
      this.#record.violated(`${what} hangs`);
      return;
    }
  }

  // --- what must hold --------------------------------------------------------------------------------------------------

  /** Every call has settled: what peers made each other hold is given back. */
  #checkHeld(): void {
    for (const { label, connection } of this.#network.ends) {
      if (connection?.isOpen !== true) continue;
      const left = Object.entries(connection.held).filter(([, amount]) => amount !== 0);
      if (left.length > 0) this.#record.violated(`${label} holds ${left.map((entry) => entry.join(" ")).join()}`);
    }
  }

  #checkEnds(): void {
    for (const end of this.#network.ends) {
      if (!end.isOver) this.#record.violated(`${end.label} is not over`);
      else if (end.reason !== undefined && !this.#cut.has(end)) {
        this.#record.violated(`${end.label} is lost: ${end.reason.reason}: ${end.reason.message}`);
      }
    }
    for (const { timerCount } of this.#processes)
      if (timerCount > 0) this.#record.violated(`${timerCount} timers are left`);
  }

  #outcome(): TownOutcome {
    const { ends } = this.#network;
    const { counts, violations } = this.#record;
    return {
      version: this.#options.version,
      counts,
      violations,
      connections: ends.length / 2,
      bytes: ends.reduce((sum, { deliveredBytes }) => sum + deliveredBytes, 0),
      steps: this.#time.steps,
      spanMs: this.#time.nowMs,
      history: this.#history,
    };
  }
}

/** Those of a consumer; an older one has fewer. */
export const reactionsOf = (version: Version): ReactionsOf<Newer> =>
  (version === "newer" ? { news: ignore, alert: hears, progress: ignore } : { news: ignore }) as never;

const ignore = (): void => undefined;
const hears = ({ text }: { readonly text: string }): number => text.length;

/** As the newer one: what the older one has is a part of it, and nobody uses more. */
export const definitionOf = (version: Version): Newer => (version === "newer" ? newer : (older as unknown as Newer));

/** What was done, and what came of it. */
export function townText({ version, counts, connections, bytes, steps, spanMs }: TownOutcome): string {
  const all = [...counts].sort().map(([what, count]) => `${what} ${count}`);
  return [
    `the service is the ${version} one: ${(spanMs / 60_000).toFixed(0)} minutes of their time, ${connections} connections, ${(bytes / 1e6).toFixed(0)} MB, ${steps} steps`,
    `  ${all.join(", ")}`,
  ].join("\n");
}
