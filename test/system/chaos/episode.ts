/**
 * An episode: a server process, a client process, the proxy between them, and the faults of a plan one after the other. After each of
 * them every link goes on; at the end nothing is left behind on either side, and the journals are judged.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChaosProxy, type ProxiedConnection } from "../../support/chaos-proxy.ts";
import { readJournals } from "./journal.ts";
import { PeerProcess } from "./peer-process.ts";
import { type Act, type Fault, PLACES, type Plan } from "./plan.ts";
import type { Sprung } from "./sprung.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface Outcome extends Verdict {
  readonly plan: Plan;
  readonly sprung: readonly Sprung[];
  /** where the journals are, if anything is wrong */
  readonly folder: string;
}

type Role = "server" | "client";

/** Longer than any of its steps takes on a slow machine. */
const STEP_MS = 30_000;

export async function runEpisode(plan: Plan): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "hbi-chaos-"));
  const episode = new Episode(plan, folder);
  const outcome = await episode.run();
  if (outcome.violations.length === 0) await rm(folder, { recursive: true });
  return outcome;
}

class Episode {
  readonly #plan: Plan;
  readonly #folder: string;
  readonly #processes = new Set<PeerProcess>();
  readonly #killed = new Set<string>();
  readonly #sprung: Sprung[] = [];
  readonly #violations: string[] = [];
  #serial = 0;
  #server: PeerProcess;
  #client: PeerProcess;
  /** started already, for the time after a kill; as many in all as the plan needs */
  readonly #next: Record<Role, PeerProcess | undefined>;
  readonly #left: Record<Role, number>;
  #proxy: ChaosProxy | undefined;

  constructor(plan: Plan, folder: string) {
    this.#plan = plan;
    this.#folder = folder;
    this.#server = this.#start("server");
    this.#client = this.#start("client");
    const uses = (acts: readonly Act[]) => plan.faults.filter(({ act }) => acts.includes(act)).length;
    this.#left = { server: uses(["killServer", "restartServer"]), client: uses(["killClient", "restartClient"]) };
    this.#next = { server: this.#spare("server"), client: this.#spare("client") };
  }

  async run(): Promise<Outcome> {
    try {
      await this.#happenings();
    } catch (thrown) {
      this.#violations.push(String(thrown));
    } finally {
      await this.#stop();
    }
    const { counts, violations } = verdictOf(readJournals(this.#folder), this.#killed, this.#sprung);
    return {
      plan: this.#plan,
      sprung: this.#sprung,
      counts,
      violations: [...this.#violations, ...violations],
      folder: this.#folder,
    };
  }

  async #happenings(): Promise<void> {
    const { seed, episode, weather, faults } = this.#plan;
    const address = await this.#step(this.#server.heard("listening on"), "the server listens");
    const proxy = await ChaosProxy.listen(address, seed + episode, weather);
    this.#proxy = proxy;
    await this.#connect(proxy);
    for (const [i, fault] of faults.entries()) {
      await this.#happen(proxy, fault, `trap${episode}.${i};`);
      await this.#goesOn(`fault ${i}`);
    }
    await this.#end(proxy);
  }

  /** Whatever is still there. */
  async #stop(): Promise<void> {
    for (const process of this.#processes) {
      this.#killed.add(process.name);
      process.signal("SIGKILL");
    }
    await Promise.all([...this.#processes].map(({ exited }) => exited));
    await this.#proxy?.close();
  }

  async #happen(proxy: ChaosProxy, fault: Fault, id: string): Promise<void> {
    const { place, act, link, size, grant } = fault;
    const { kind, way } = PLACES[place];
    const trap = proxy.trap(way, id, place === "work" ? 0 : fault.bytesBehind);
    this.#client.say(`grant ${grant}`);
    this.#client.say(`trap ${kind} ${id} ${link} ${size}`);
    const connection = await this.#step(trap.sprung, `in the middle of ${place}`);
    if (place === "work") {
      connection.release();
      await this.#step(this.#server.heard(`working ${id}`), "at work");
    }
    this.#sprung.push({ id, fault });
    const letGo = (server: PeerProcess): void => {
      connection.release();
      if (place === "work") server.say(`release ${id}`);
    };
    await this.#step(this.#acts[act](connection, proxy, fault, letGo), act);
  }

  readonly #acts: Readonly<Record<Act, ActOn>> = {
    killServer: async (connection, proxy, { isDelivered }) => {
      const server = this.#server;
      await this.#kill(server);
      if (isDelivered) connection.release();
      else connection.reset();
      await this.#replaceServer(proxy);
    },
    killClient: async (connection, proxy, { isDelivered }, letGo) => {
      await this.#kill(this.#client);
      if (isDelivered) letGo(this.#server);
      else connection.reset();
      await this.#replaceClient(proxy);
    },
    stopServer: async (_connection, _proxy, _fault, letGo) => {
      this.#server.signal("SIGSTOP");
      letGo(this.#server);
      await this.#poke(this.#client);
      this.#server.signal("SIGCONT");
    },
    stopClient: async (_connection, _proxy, _fault, letGo) => {
      this.#client.signal("SIGSTOP");
      letGo(this.#server);
      await this.#poke(this.#server);
      this.#client.signal("SIGCONT");
    },
    restartServer: async (_connection, proxy, _fault, letGo) => {
      const server = this.#server;
      server.signal("SIGTERM");
      await this.#replaceServer(proxy);
      letGo(server);
      await this.#leavesNothing(server);
    },
    restartClient: async (_connection, proxy, _fault, letGo) => {
      const client = this.#client;
      client.end();
      letGo(this.#server);
      await this.#leavesNothing(client);
      await this.#replaceClient(proxy);
    },
    reset: async (connection) => connection.reset(),
    closeUp: async (connection, _proxy, _fault, letGo) => {
      connection.halfClose("up");
      letGo(this.#server);
    },
    closeDown: async (connection, _proxy, _fault, letGo) => {
      connection.halfClose("down");
      letGo(this.#server);
    },
    stall: async (connection, _proxy, _fault, letGo) => {
      connection.stall();
      await this.#poke(this.#client);
      letGo(this.#server);
    },
  };

  #start(role: Role): PeerProcess {
    const { seed, episode, links, maxBytes } = this.#plan;
    const name = `${role}${this.#serial++}`;
    const load = role === "server" ? [] : [name, seed * 1_000 + episode, links, maxBytes].map(String);
    const args = [join(this.#folder, `${name}.log`), ...load];
    const process = new PeerProcess(name, `test/system/programs/chaos-${role}.ts`, args);
    this.#processes.add(process);
    void process.exited.then(() => this.#processes.delete(process));
    return process;
  }

  #spare(role: Role): PeerProcess | undefined {
    this.#left[role] -= 1;
    return this.#left[role] < 0 ? undefined : this.#start(role);
  }

  #takeNext(role: Role): PeerProcess {
    const next = this.#next[role] ?? this.#start(role);
    this.#next[role] = this.#spare(role);
    return next;
  }

  async #replaceServer(proxy: ChaosProxy): Promise<void> {
    this.#server = this.#takeNext("server");
    proxy.target = await this.#server.heard("listening on");
  }

  async #replaceClient(proxy: ChaosProxy): Promise<void> {
    this.#client = this.#takeNext("client");
    await this.#connect(proxy);
  }

  async #connect(proxy: ChaosProxy): Promise<void> {
    this.#client.say(`connect ${proxy.address}`);
    await this.#step(this.#client.heard("connected"), "connected");
  }

  async #kill(process: PeerProcess): Promise<void> {
    this.#killed.add(process.name);
    process.signal("SIGKILL");
    await process.exited;
  }

  async #poke(process: PeerProcess): Promise<void> {
    const word = `poked${this.#serial++}`;
    process.say(`poke ${word}`);
    await process.heard(word);
  }

  /** Every link is answered again, and the server has no connection but theirs. */
  async #goesOn(after: string): Promise<void> {
    const word = `on${this.#serial++}`;
    this.#client.say(`probe ${word}`);
    await this.#step(this.#client.heard(word), `${after}: the links go on`);
    this.#server.say(`peers ${this.#plan.links} ${word}`);
    await this.#step(this.#server.heard(word), `${after}: the server keeps no lost connection`);
  }

  async #end(proxy: ChaosProxy): Promise<void> {
    this.#client.end();
    await this.#leavesNothing(this.#client);
    await this.#step(proxy.whenEmpty(), "every connection is over");
    this.#server.end();
    await this.#leavesNothing(this.#server);
  }

  /** It ends by itself, as nothing keeps it. */
  async #leavesNothing(process: PeerProcess): Promise<void> {
    const left = await this.#step(process.heard("left"), `${process.name} closes`);
    if (left !== "nothing") this.#violations.push(`${process.name} left behind: ${left}`);
    const { code } = await this.#step(process.exited, `${process.name} ends by itself`);
    if (code !== 0 || process.errors !== "") this.#violations.push(`${process.name}: ${code} ${process.errors}`);
  }

  /** A deadline, not a sleep: a step that hangs fails with its name. */
  async #step<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}: timed out`)), STEP_MS); // a deadline
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }
}

type ActOn = (
  connection: ProxiedConnection,
  proxy: ChaosProxy,
  fault: Fault,
  letGo: (server: PeerProcess) => void,
) => Promise<void>;
