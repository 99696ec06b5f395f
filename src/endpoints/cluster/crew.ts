/**
 * Crew: the worker processes of a server, and the sockets that wait for one of them. It starts as many as its plan needs,
 * replaces those that fail, and ends all. docs/all-cores.md.
 */
import type { Clock, Timer } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { Place } from "../guard/accept-guard.ts";
import { refuse } from "../node/reception.ts";
import { ignore } from "../waits.ts";
import type { Settings } from "./options.ts";
import { Restarts } from "./restarts.ts";
import { type Supervisor, type Visit, type WorkerInfo, WorkerProcess, type WorkerState } from "./worker-process.ts";

/** Numbers of processes. */
export interface Tally {
  /** all that have not ended */
  readonly all: number;
  readonly starting: number;
  readonly ready: number;
  /** of those that are ready, those without a connection */
  readonly idle: number;
  /** sockets that wait for a process */
  readonly waiting: number;
}

/** How many processes there are, and for how long. */
export interface Plan {
  /** whether a process serves one connection and then ends */
  readonly isForOne: boolean;
  /** how many more are needed now */
  lacking(tally: Tally): number;
}

/** Who learns what happens. */
export interface CrewOwner {
  readonly clock: Clock;
  /** how long a socket waits for a process */
  readonly patienceMs: number;
  /** as bound, once it listens */
  addresses(): readonly string[];
  changed(info: WorkerInfo): void;
  report(info: WorkerInfo, error: HbiError): void;
  /** A socket has waited too long. */
  unserved(): void;
  /** Processes have failed too often; no more are started. */
  gaveUp(error: HbiError): void;
}

export class Crew implements Supervisor {
  readonly #plan: Plan;
  readonly #settings: Settings;
  readonly #owner: CrewOwner;
  readonly #restarts: Restarts;
  readonly #processes = new Set<WorkerProcess>();
  /** in the order of their arrival, each with what ends its wait */
  readonly #waiting = new Map<Visit, Timer>();
  /** how often processes of a number have failed */
  readonly #failures = new Map<number, number>();
  #isStarted = false;
  #isEnding = false;
  /** runs until the next start after a failure */
  #backoff: Timer | undefined;
  #restarting: Promise<void> | undefined;

  constructor(plan: Plan, settings: Settings, owner: CrewOwner) {
    this.#plan = plan;
    this.#settings = settings;
    this.#owner = owner;
    this.#restarts = new Restarts(owner.clock, settings.maxRestarts, settings.restartWindowMs);
  }

  get infos(): readonly WorkerInfo[] {
    return [...this.#processes].map(({ info }) => info);
  }

  /** sockets that wait for a process */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Resolves when the first ones are ready. @throws HbiError unavailable if one of them fails */
  async start(): Promise<void> {
    this.#fill();
    await Promise.all([...this.#processes].map(({ ready }) => ready));
    this.#isStarted = true;
    this.freed();
  }

  /** Serves an accepted socket in the process that has the fewest connections, as soon as there is one. */
  visit(socket: Visit["socket"], at: number, place: Place): void {
    const visit = { socket, at, place };
    socket.on("error", ignore);
    const timer = this.#owner.clock.after(this.#owner.patienceMs, () => {
      this.#turnAway(visit);
      this.#owner.unserved();
    });
    this.#waiting.set(visit, timer);
    this.freed();
  }

  #turnAway(visit: Visit): void {
    this.#waiting.get(visit)?.cancel();
    this.#waiting.delete(visit);
    refuse(visit.socket);
    visit.place.leave();
  }

  freed(): void {
    for (const [visit, timer] of this.#waiting) {
      const next = this.#leastBusy();
      if (next === undefined) break;
      timer.cancel();
      this.#waiting.delete(visit);
      next.take(visit);
    }
    if (this.#isStarted) this.#fill();
  }

  #leastBusy(): WorkerProcess | undefined {
    let least: WorkerProcess | undefined;
    for (const each of this.#processes) {
      if (each.isFree && (least === undefined || each.connectionCount < least.connectionCount)) least = each;
    }
    return least;
  }

  // --- how many there are --------------------------------------------------------------------------------------------

  #fill(): void {
    if (this.#isEnding || this.#backoff !== undefined) return;
    for (let lacking = this.#plan.lacking(this.#tally()); lacking > 0; lacking--) this.#fork(this.#freeNumber());
  }

  #tally(): Tally {
    const of = (state: WorkerState) => [...this.#processes].filter((each) => each.state === state);
    const ready = of("ready");
    return {
      all: this.#processes.size,
      starting: of("starting").length,
      ready: ready.length,
      idle: ready.filter(({ connectionCount }) => connectionCount === 0).length,
      waiting: this.#waiting.size,
    };
  }

  #freeNumber(): number {
    const taken = new Set([...this.#processes].map(({ number }) => number));
    let number = 1;
    while (taken.has(number)) number += 1;
    return number;
  }

  #fork(number: number): WorkerProcess {
    const restarts = this.#failures.get(number) ?? 0;
    const start = { number, restarts, addresses: this.#owner.addresses(), isForOne: this.#plan.isForOne };
    const worker = new WorkerProcess(start, this.#settings, this.#owner.clock, this);
    this.#processes.add(worker);
    this.#owner.changed(worker.info);
    return worker;
  }

  entered(worker: WorkerProcess, state: WorkerState): void {
    if (state === "ended") this.#processes.delete(worker);
    this.#owner.changed(worker.info);
  }

  report(worker: WorkerProcess, error: HbiError): void {
    this.#owner.report(worker.info, error);
  }

  failed(worker: WorkerProcess): void {
    const { number, connectionCount } = worker;
    this.#failures.set(number, (this.#failures.get(number) ?? 0) + 1);
    if (!this.#isStarted || this.#isEnding) return;
    if (this.#plan.isForOne && connectionCount > 0) return; // its consumer may be the cause, and harms no other
    const delayMs = this.#restarts.delayAfterFailure();
    if (delayMs === undefined) {
      const { maxRestarts, restartWindowMs } = this.#settings;
      const what = `more than ${maxRestarts} worker processes have failed within ${restartWindowMs} ms`;
      this.#owner.gaveUp(failure("worker_failed", `${what}: the server ends`));
      return;
    }
    this.#backoff?.cancel();
    this.#backoff = this.#owner.clock.after(delayMs, () => {
      this.#backoff = undefined;
      this.#fill();
    });
  }

  // --- restarting and ending -----------------------------------------------------------------------------------------

  /** One after the other: a new one is ready before the old one drains. A second call awaits the first.
   *  @throws HbiError unavailable if a new one fails; the old ones that are left go on */
  restart(): Promise<void> {
    if (this.#isEnding) return Promise.reject(failure("wrong_stage", "the server is closed"));
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  async #restart(): Promise<void> {
    for (const old of [...this.#processes]) {
      if (old.state !== "ready") continue; // new, or ending anyway
      if (!this.#plan.isForOne) await this.#fork(old.number).ready;
      old.drain("the server is being restarted");
      await old.ended;
      if (this.#isEnding) throw failure("wrong_stage", "the server is closed");
    }
  }

  drain(reason: string | undefined): Promise<unknown> {
    return this.#end((worker) => worker.drain(reason));
  }

  close(reason: string | undefined): Promise<unknown> {
    return this.#end((worker) => worker.close(reason));
  }

  #end(end: (worker: WorkerProcess) => void): Promise<unknown> {
    this.#isEnding = true;
    for (const visit of this.#waiting.keys()) this.#turnAway(visit);
    const all = [...this.#processes];
    for (const each of all) end(each);
    return Promise.all(all.map(({ ended }) => ended));
  }
}
