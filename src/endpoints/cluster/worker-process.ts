/**
 * WorkerProcess: one worker process, as its primary sees it: started, given sockets, watched, drained and ended. What it
 * says is checked, because its consumer may have taken it over. docs/all-cores.md.
 */
import cluster, { type Worker } from "node:cluster";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterHearing, type Clock, type Timer } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { Place } from "../guard/accept-guard.ts";
import { ignore, markHandled } from "../waits.ts";
import { appointing, fromWorker, type ToWorker } from "./messages.ts";
import type { Settings } from "./options.ts";

export type WorkerState = "starting" | "ready" | "draining" | "ended";

/** A worker process at this moment. */
export interface WorkerInfo {
  /** Counted from 1. A process that takes the place of another has its number. */
  readonly number: number;
  /** undefined if it could not be started */
  readonly pid: number | undefined;
  readonly state: WorkerState;
  readonly connectionCount: number;
  /** how often a process of this number has failed and was replaced */
  readonly restarts: number;
}

/** A socket that waits for a process, with its slot. */
export interface Visit {
  readonly socket: Socket;
  /** which of the addresses has accepted it */
  readonly at: number;
  readonly place: Place;
}

export interface Start {
  readonly number: number;
  readonly restarts: number;
  readonly addresses: readonly string[];
  /** whether it serves one connection and then ends */
  readonly isForOne: boolean;
}

export interface Supervisor {
  entered(worker: WorkerProcess, state: WorkerState): void;
  /** It may take a socket. */
  freed(): void;
  /** For the log. */
  report(worker: WorkerProcess, error: HbiError): void;
  /** It has ended without having been asked to. */
  failed(worker: WorkerProcess): void;
}

const NEXT: Readonly<Record<WorkerState, readonly WorkerState[]>> = {
  starting: ["ready", "draining", "ended"],
  ready: ["draining", "ended"],
  draining: ["ended"],
  ended: [],
};

/** For the end of a process, beyond the time that its connections have to close. */
const GRACE_MS = 1_000;

export class WorkerProcess {
  readonly number: number;
  readonly restarts: number;
  /** Rejects if it ends before. @throws HbiError unavailable */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  readonly #isForOne: boolean;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #supervisor: Supervisor;
  readonly #process: Worker["process"];
  /** the slots of what it serves */
  readonly #places = new Map<number, Place>();
  #state: WorkerState = "starting";
  #nextId = 1;
  /** the socket that it has not taken yet: one at a time, so that no other is lost with it */
  #handing: { readonly id: number; readonly socket: Socket } | undefined;
  /** why this side has ended it */
  #why: string | undefined;
  #timer: Timer;
  #resolveReady: () => void = ignore;
  #rejectReady: (error: HbiError) => void = ignore;
  #resolveEnded: () => void = ignore;

  constructor(start: Start, settings: Settings, clock: Clock, supervisor: Supervisor) {
    const { number, restarts, addresses, isForOne } = start;
    this.number = number;
    this.restarts = restarts;
    this.#isForOne = isForOne;
    this.#settings = settings;
    this.#clock = clock;
    this.#supervisor = supervisor;
    this.ready = markHandled(
      new Promise((resolve, reject) => {
        this.#resolveReady = resolve;
        this.#rejectReady = reject;
      }),
    );
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const { program = process.argv[1], execArgv, startTimeoutMs } = settings;
    const exec = program instanceof URL ? fileURLToPath(program) : program;
    const args = settings.program === undefined ? process.argv.slice(2) : [];
    // These settings are of the whole process: those of the last fork may be another program's.
    cluster.setupPrimary({ ...(exec === undefined ? {} : { exec }), args, execArgv: [...execArgv] });
    const worker = cluster.fork(appointing({ number, addresses }));
    this.#process = worker.process;
    const late = `was not ready within ${startTimeoutMs} ms: does its program call serveOnAllCores or upstart?`;
    this.#timer = afterHearing(clock, startTimeoutMs, () => this.#kill(late));
    worker.on("message", (message: unknown) => this.#heard(message));
    worker.on("error", ({ message }) => {
      if (this.pid === undefined) this.#hasEnded(`could not be started: ${message}`);
    });
    worker.once("disconnect", () => this.#disconnected());
    worker.once("exit", (code, signal) => {
      this.#hasEnded(code === null ? `was ended by ${signal}` : `has exited with code ${code}`);
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get state(): WorkerState {
    return this.#state;
  }

  get connectionCount(): number {
    return this.#places.size;
  }

  /** Whether it takes a socket now. */
  get isFree(): boolean {
    if (this.#state !== "ready" || this.#handing !== undefined) return false;
    return !this.#isForOne || this.#places.size === 0;
  }

  get info(): WorkerInfo {
    const { number, pid, state, connectionCount, restarts } = this;
    return { number, pid, state, connectionCount, restarts };
  }

  /** Hands over a socket. If the process ends meanwhile, the socket ends too. */
  take({ socket, at, place }: Visit): void {
    const id = this.#nextId++;
    this.#places.set(id, place);
    this.#handing = { id, socket };
    Reflect.set(socket, "server", null); // otherwise Node asks the process about its sockets when the listener closes
    socket.on("error", ignore);
    const message: ToWorker = { hbi: "socket", id, at };
    // Node never closes its own copy if the process ends before it has taken the socket; so the copy is kept here.
    if (this.#process.connected) this.#process.send(message, socket, { keepOpen: true }, ignore);
  }

  /** The process has the socket, or has ended. Only the copy of this process is closed. */
  #handedOver(): void {
    this.#handing?.socket.destroy();
    this.#handing = undefined;
  }

  /** It answers what has begun, and ends; after `drainTimeoutMs`, it closes. */
  drain(reason: string | undefined): void {
    const { drainTimeoutMs } = this.#settings;
    const isStarting = this.#state === "starting";
    if (!this.#enters("draining")) return;
    if (isStarting) {
      this.#kill(undefined); // it serves nothing yet
      return;
    }
    this.#say({ hbi: "drain", reason });
    this.#timer = this.#clock.after(drainTimeoutMs, () => {
      this.#report(`has not drained within ${drainTimeoutMs} ms: its calls are lost`);
      this.close(reason);
    });
  }

  close(reason: string | undefined): void {
    this.drain(reason);
    if (this.#state === "ended") return;
    this.#timer.cancel();
    this.#say({ hbi: "close", reason });
    const { closeTimeoutMs } = this.#settings;
    this.#timer = this.#clock.after(closeTimeoutMs + GRACE_MS, () => {
      this.#report("did not end, and was killed");
      this.#kill(undefined);
    });
  }

  // --- what it says --------------------------------------------------------------------------------------------------

  #heard(given: unknown): void {
    const message = fromWorker(given);
    if (message === undefined || this.#state === "ended") return;
    switch (message.hbi) {
      case "ready":
        if (!this.#enters("ready")) return;
        this.#resolveReady();
        this.#watch();
        this.#supervisor.freed();
        return;
      case "failed":
        this.#why ??= `could not serve: ${message.why}`;
        return;
      case "pong":
        if (this.#state === "ready") this.#watch();
        return;
      case "taken":
        if (message.id !== this.#handing?.id) return;
        this.#handedOver();
        this.#supervisor.freed();
        return;
      case "left":
        if (this.#isForOne)
          this.drain(undefined); // its slot is free when the process has ended
        else this.#leave(message.id);
    }
  }

  #leave(id: number): void {
    this.#places.get(id)?.leave();
    this.#places.delete(id);
  }

  /** Asks it now and then whether its event loop runs. */
  #watch(): void {
    const { hangTimeoutMs } = this.#settings;
    this.#timer.cancel();
    if (hangTimeoutMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.after(hangTimeoutMs / 4, () => {
      this.#say({ hbi: "ping" });
      this.#timer = afterHearing(this.#clock, hangTimeoutMs * 0.75, () =>
        this.#kill(`has not answered for ${hangTimeoutMs} ms`),
      );
    });
  }

  #say(message: ToWorker): void {
    if (this.#process.connected) this.#process.send(message, ignore); // it may be ending
  }

  // --- its end -------------------------------------------------------------------------------------------------------

  /** Returns false if it cannot. */
  #enters(state: WorkerState): boolean {
    if (!NEXT[this.#state].includes(state)) return false;
    this.#state = state;
    this.#timer.cancel();
    this.#supervisor.entered(this, state);
    return true;
  }

  /** It is ending, or else it cannot be told anything any more. */
  #disconnected(): void {
    if (this.#state === "draining" || this.#state === "ended") return;
    this.#timer.cancel();
    this.#timer = this.#clock.after(GRACE_MS, () => this.#kill("has closed its channel to the primary"));
  }

  #kill(why: string | undefined): void {
    this.#why ??= why;
    this.#process.kill("SIGKILL");
  }

  #hasEnded(how: string): void {
    const hasFailed = this.#state !== "draining";
    if (!NEXT[this.#state].includes("ended")) return;
    const error = failure("worker_failed", this.#words(this.#why ?? how));
    this.#rejectReady(error);
    this.#enters("ended");
    if (hasFailed) {
      this.#supervisor.report(this, error);
      this.#supervisor.failed(this);
    }
    this.#handedOver();
    for (const id of this.#places.keys()) this.#leave(id);
    this.#resolveEnded();
    this.#supervisor.freed(); // for another process
  }

  #report(what: string): void {
    this.#supervisor.report(this, failure("worker_failed", this.#words(what)));
  }

  #words(what: string): string {
    return `worker ${this.number} (process ${this.pid ?? "none"}) ${what}`;
  }
}
