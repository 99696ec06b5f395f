/**
 * Run: one course of a world: the real ends of the library, in which nothing happens but what is chosen. The same choices always give the
 * same course, so that a state can be reached again.
 */
import { Application, type CallingEnd, type Place } from "./application.ts";
import type { Choice } from "./choice.ts";
import { Crossing } from "./crossing.ts";
import { Ends, type ExploredPeer } from "./ends.ts";
import { Ledger } from "./ledger.ts";
import type { End } from "./pipe.ts";
import type { Act, Side, World } from "./world.ts";

export interface Story {
  /** which of the choices was taken at each step */
  readonly path: readonly number[];
  /** each choice, and what came of it; the first event is the connection */
  readonly events: readonly { readonly label: string; readonly notes: readonly string[] }[];
}

/** Acts that may cost calls which have begun. */
const FAULTS: ReadonlySet<Act> = new Set<Act>(["connection breaks", "server disconnects", "client disconnects"]);

/** More than any world needs for closing. */
const CLOSING_STEPS = 200;

export class Run implements Place {
  readonly world: World;
  readonly ledger = new Ledger();
  readonly ends: Ends;
  /** the end of a connection that was still in use when closing it had resolved */
  closedEarly: string | undefined;
  readonly #application: Application;
  readonly #endOfTurn: (() => void)[] = [];
  readonly #path: number[] = [];
  readonly #history: { label: string; notes: string[] }[] = [{ label: "connected", notes: [] }];
  /** the events of each side */
  readonly #courses = { client: "", server: "" };
  readonly #done = new Set<Act>();
  readonly #timersLeft: { idle: number; deadline: number };
  readonly #isClosing = { client: false, server: false };
  /** how many promises of closing are pending */
  #closings = 0;

  constructor(world: World) {
    this.world = world;
    this.#timersLeft = { idle: world.idles ?? 0, deadline: world.deadlines ?? 0 };
    const watch = new Crossing(this.ledger);
    this.#application = new Application(world, this.ledger, watch, this);
    const fault = (what: string) => void this.ledger.faults.push(what);
    this.ends = new Ends(world, { application: this.#application, watch, endOfTurn: this.#endOfTurn, fault });
    this.ends.link.onState((state) => this.note(`the link is ${state}`));
  }

  /** Connects before anything is chosen. */
  async start(): Promise<void> {
    await this.#do(() => this.ends.open());
    if (this.world.areStrangers === true) return;
    const fault = (thrown: unknown) => void this.ledger.faults.push(`ping: ${thrown}`);
    await this.#do(() => void this.ends.link.ping().catch(fault));
    for (let [choice] = this.urgent(); choice !== undefined; [choice] = this.urgent()) await this.#do(choice.run);
  }

  // --- for the application -----------------------------------------------------------------------------------------------

  end(side: Side): CallingEnd | undefined {
    return this.ends.end(side);
  }

  knowledge(side: Side): string {
    return this.ends.knowledge(side);
  }

  isClosing(side: Side): boolean {
    return this.#isClosing[side];
  }

  note(text: string): void {
    this.#history.at(-1)?.notes.push(text);
  }

  // --- what can happen ---------------------------------------------------------------------------------------------------

  /** All events that can happen next, in a fixed order. */
  choices(): Choice[] {
    const { client, server } = this.ends.processes;
    const choices = this.urgent();
    const isOver = choices.length === 0 && this.isSettled;
    if (!isOver) choices.push(...client.timers("delay"), ...server.timers("delay"));
    choices.push(...this.#application.choices(), ...this.#acts());
    if (!isOver) choices.push(...this.#timers("idle"), ...this.#timers("deadline"));
    return choices;
  }

  /** Those that happen by themselves sooner or later: bytes that arrive, turns of the event loop, dials. */
  urgent(): Choice[] {
    return this.ends.choices();
  }

  /** Timers that fire as often as the world allows. */
  #timers(kind: "idle" | "deadline"): Choice[] {
    if (this.#timersLeft[kind] === 0) return [];
    const { client, server } = this.ends.processes;
    return [...client.timers(kind), ...server.timers(kind)].map(({ label, sides, run }) => {
      const pass = () => {
        this.#timersLeft[kind] -= 1;
        run();
      };
      return { label, sides, run: pass };
    });
  }

  #acts(): Choice[] {
    const acts = (this.world.acts ?? []).filter((act) => !this.#done.has(act));
    return acts.flatMap((act) => {
      return this.#waysOf(act).map(({ label, sides, run }) => {
        const take = () => {
          this.#done.add(act);
          run();
        };
        return { label, sides, run: take };
      });
    });
  }

  #waysOf(act: Act): Choice[] {
    const { link, pipes, isDialing } = this.ends;
    switch (act) {
      case "client closes":
        return [{ label: act, sides: ["client"], run: () => this.#closeClient(() => link.close()) }];
      case "client disconnects":
        return [{ label: act, sides: ["client"], run: () => this.#closeClient(() => link.disconnect("the end")) }];
      case "server drains":
        return [{ label: act, sides: ["server"], run: () => this.#closeServer((peer) => peer.drain("deploy")) }];
      case "server disconnects":
        return [{ label: act, sides: ["server"], run: () => this.#closeServer((peer) => peer.disconnect("deploy")) }];
      case "connection breaks":
        return pipes
          .flatMap(({ ends }) => ends)
          .filter(({ isClosed }) => !isClosed)
          .map((end) => {
            const label = `${end.side}: connection ${end.pipe.number} breaks`;
            return { label, sides: [end.side], run: () => end.lose() };
          });
      case "dial fails":
        return isDialing ? [{ label: act, sides: ["client"], run: () => this.ends.failDial() }] : [];
    }
  }

  #closeClient(close: () => Promise<void>): void {
    this.#isClosing.client = true;
    this.#closing(close(), () => this.ends.pipes.map(({ client }) => client));
  }

  #closeServer(close: (peer: ExploredPeer) => Promise<void>): void {
    this.#isClosing.server = true;
    for (const { peer, pipe } of this.ends.peers) this.#closing(close(peer), () => [pipe.server]);
  }

  #closing(closing: Promise<void>, ends: () => readonly End[]): void {
    this.#closings += 1;
    closing.then(
      () => {
        this.#closings -= 1;
        const open = ends().find(({ connection }) => connection?.isOpen === true);
        if (open !== undefined) this.closedEarly ??= open.localAddress;
      },
      (thrown) => this.ledger.faults.push(`closing rejects: ${thrown}`),
    );
  }

  // --- what has happened -------------------------------------------------------------------------------------------------

  /** A copy of what has happened so far. */
  get story(): Story {
    return { path: [...this.#path], events: this.#history.map(({ label, notes }) => ({ label, notes: [...notes] })) };
  }

  /** Whether every call has been made and is settled, and no handler runs. */
  get isSettled(): boolean {
    if (this.#application.unmade > 0) return false;
    return this.ledger.calls.every(
      ({ order, settlements, landings }) =>
        order !== undefined && settlements > 0 && landings.every(({ isOver }) => isOver),
    );
  }

  /** Whether an event has happened that may cost a call which has begun. */
  get hasFault(): boolean {
    return this.#timersLeft.deadline < (this.world.deadlines ?? 0) || [...this.#done].some((act) => FAULTS.has(act));
  }

  /** Whether the loss of one connection is the only fault so far. */
  get hasOnlyBroken(): boolean {
    const { deadlines = 0 } = this.world;
    return this.#timersLeft.deadline === deadlines && [...this.#done].every((act) => act === "connection breaks");
  }

  /** Whether anybody has begun to close a connection. */
  get isLeaving(): boolean {
    return this.#done.size > 0 || this.#timersLeft.idle < (this.world.idles ?? 0);
  }

  /** Identifies a state by all that an observer of the bytes, the clocks and the applications sees: what each side has read and written,
   *  what is on its way, places taken, timers, the story of each call. Each side may have got there in another order of its own events;
   *  that this makes no difference is tested by means of `exactFingerprint`. */
  get fingerprint(): string {
    const { idle, deadline } = this.#timersLeft;
    const rest = [idle, deadline, this.#closings, ...[...this.#done].sort()];
    return [this.ends.fingerprint, this.ledger.fingerprint, rest].join("\n");
  }

  /** Adds the order of all events of each side, which determines the state of that side. */
  get exactFingerprint(): string {
    return [this.#courses.client, this.#courses.server, this.fingerprint].join("\n\n");
  }

  // --- going on ----------------------------------------------------------------------------------------------------------

  /** Takes one of the choices, and lets all that its promises set off happen. @throws Error when there is no such choice */
  async take(at: number): Promise<void> {
    const choice = this.choices()[at];
    if (choice === undefined) throw new Error(`there is no choice ${at} behind "${this.#history.at(-1)?.label}"`);
    this.#path.push(at);
    await this.#take(choice);
  }

  async #take({ label, sides, run }: Choice): Promise<void> {
    this.#history.push({ label, notes: [] });
    for (const side of sides) this.#courses[side] += `\n${label}`;
    await this.#do(run);
  }

  /** Stands for one turn of the event loop: what it throws would have ended a process. */
  async #do(run: () => void): Promise<void> {
    for (let runs = [run]; runs.length > 0; runs = this.#endOfTurn.splice(0)) {
      for (const next of runs) {
        try {
          next();
        } catch (thrown) {
          this.ledger.faults.push(`thrown: ${thrown instanceof Error ? thrown.stack : thrown}`);
        }
      }
      await turn();
    }
  }

  /** Closes the link, and goes on until nothing is left to do. @returns false when something does not end */
  async finish(): Promise<boolean> {
    await this.#do(() => this.#closeClient(() => this.ends.link.close()));
    for (let step = 0; step < CLOSING_STEPS; step++) {
      const [choice] = this.urgent();
      if (choice === undefined) return this.#closings === 0;
      await this.#take(choice);
    }
    return false;
  }

  /** Loses all connections, whatever is going on, and lets all handlers return. */
  async abandon(): Promise<void> {
    const { link, pipes, processes } = this.ends;
    await this.#do(() => {
      for (const end of pipes.flatMap(({ ends }) => ends)) end.lose();
      this.#closeClient(() => link.disconnect());
    });
    await this.#do(() => {
      for (const { landings } of this.ledger.calls) for (const { proceed } of landings) proceed?.();
    });
    for (let step = 0; step < CLOSING_STEPS; step++) {
      const [choice] = [...processes.client.turns(), ...processes.server.turns()];
      if (choice === undefined) return;
      await this.#do(choice.run);
    }
  }
}

/** One turn of the engine's event loop: afterwards all reactions of promises have run, and unhandled rejections have been reported. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
