/**
 * Application: what the two programs of a world do. They make calls and give them up; their handlers wait, call back and return. Each of
 * these happens when the scheduler says so.
 */
import { HbiError, type Link, type Peer, type ServiceCall } from "hbi";
import { z } from "zod";
import type { Choice } from "./choice.ts";
import type { Crossing } from "./crossing.ts";
import type { Call, Landing, Ledger } from "./ledger.ts";
import { bytesOf, checkBytes, type Explored } from "./service.ts";
import { otherSide, type Side, type Step, type World } from "./world.ts";

/** Where a side makes its calls: the link, or the server's present peer. */
export type CallingEnd = Pick<Link<Explored>, "call" | "post" | "po"> | Peer<Explored, undefined>;

/** The run, as its applications see it. */
export interface Place {
  /** undefined while there is none */
  end(side: Side): CallingEnd | undefined;
  /** what the side has read and written up to now */
  knowledge(side: Side): string;
  /** Whether the side has begun to close, and refuses new calls. */
  isClosing(side: Side): boolean;
  note(text: string): void;
}

/** The handler of call 1 calls back with call 101. */
const BACK = 100;

/** The result of a call. */
export function resultOf({ id, plan: { method, size = 0 } }: Call): unknown {
  if (method === "note") return undefined;
  return method === "give" ? { id, size } : id * 10;
}

export class Application {
  readonly #ledger: Ledger;
  readonly #crossing: Crossing;
  readonly #place: Place;
  readonly #world: World;
  /** planned and not made */
  readonly #next: Readonly<Record<Side, Call[]>> = { client: [], server: [] };

  constructor(world: World, ledger: Ledger, crossing: Crossing, place: Place) {
    this.#world = world;
    this.#ledger = ledger;
    this.#crossing = crossing;
    this.#place = place;
    for (const [at, plan] of world.calls.entries()) this.#next[plan.from].push(ledger.add(at + 1, plan.from, plan));
  }

  /** Calls that are not made yet. */
  get unmade(): number {
    return this.#next.client.length + this.#next.server.length;
  }

  choices(): Choice[] {
    const choices: Choice[] = [];
    for (const side of ["client", "server"] as const) this.#addCall(side, choices);
    for (const call of this.#ledger.calls) {
      if (call.plan.mayAbort === true && call.order !== undefined && call.settlements === 0 && !call.isGivenUp) {
        choices.push({
          label: `${call.from}: give up ${call.name}`,
          sides: [call.from],
          run: () => this.#giveUp(call),
        });
      }
      for (const { proceed } of call.landings) {
        if (proceed === undefined) continue;
        const side = otherSide(call.from);
        choices.push({ label: `${side}: handler ${call.name} goes on`, sides: [side], run: proceed });
      }
    }
    return choices;
  }

  #addCall(side: Side, choices: Choice[]): void {
    const queue = this.#next[side];
    const end = this.#place.end(side);
    if (queue.length === 0 || end === undefined) return;
    const calls = this.#world.atOnce === true ? queue : queue.slice(0, 1);
    const label = `${side}: ${calls.map(({ plan: { way = "call" }, name }) => `${way} ${name}`).join(", ")}`;
    const run = () => {
      for (const call of queue.splice(0, calls.length)) void this.#make(call, end);
    };
    choices.push({ label, sides: [side], run });
  }

  #giveUp(call: Call): void {
    call.isGivenUp = true;
    call.abort?.abort();
  }

  // --- calling -----------------------------------------------------------------------------------------------------------

  /** Resolves, and never rejects, when the call is over. */
  async #make(call: Call, end: CallingEnd): Promise<void> {
    this.#ledger.made(call, this.#place.isClosing(call.from));
    try {
      const value = await this.#start(call, end);
      call.settlements += 1;
      call.value = value;
      this.#place.note(`${call.from}: ${call.name} is answered`);
    } catch (thrown) {
      call.settlements += 1;
      if (!(thrown instanceof HbiError)) {
        this.#ledger.faults.push(`${call.name} threw ${String(thrown)}`);
        return;
      }
      call.error = thrown;
      const { code, message, mayHaveLanded } = thrown;
      if (mayHaveLanded === true) call.knowledge = this.#place.knowledge(call.from);
      const landed = mayHaveLanded === undefined ? "" : `, mayHaveLanded ${mayHaveLanded}`;
      this.#place.note(`${call.from}: ${call.name} fails: ${code} (${message})${landed}`);
    }
  }

  async #start(call: Call, end: CallingEnd): Promise<unknown> {
    const { id } = call;
    const { method = "work", way = "call", size = 0 } = call.plan;
    const options = call.abort === undefined ? {} : { signal: call.abort.signal };
    const given = { ...options, body: bytesOf(size) };
    if (way === "talk") {
      return end.po.converse(
        async (co) => {
          await co.sendCode(`work(${id})`);
          return co.recvObj(z.int());
        },
        { ...options, hasNoRawData: true, hasNoRawAnswer: true },
      );
    }
    if (way === "post") {
      const posted = await this.#post(end, method, id, size, options);
      await posted.waitCompleted();
      return resultOf(call); // of a post nothing is told but that it has landed
    }
    switch (method) {
      case "work":
        return end.call.work({ id }, options);
      case "again":
        return end.call.again({ id }, options);
      case "note":
        return end.call.note({ id }, options);
      case "put":
        return end.call.put({ id, size }, given);
      case "give": {
        const { result, body } = await end.call.give({ id, size }, options);
        checkBytes(await body.bytes(), size);
        return result;
      }
    }
  }

  #post({ post }: CallingEnd, method: string, id: number, size: number, options: { readonly signal?: AbortSignal }) {
    switch (method) {
      case "note":
        return post.note({ id }, options);
      case "put":
        return post.put({ id, size }, { ...options, body: bytesOf(size) });
      default:
        return post.work({ id }, options);
    }
  }

  // --- handling ----------------------------------------------------------------------------------------------------------

  /** The handlers of one side.
   *  @param pipe the number of their connection; undefined: the one on which the call was written
   *  @param end where they call back */
  handlers(pipe: number | undefined, end: () => CallingEnd | undefined) {
    const land = (id: number, call: ServiceCall) => this.#land(id, call, pipe, end);
    return {
      work: ({ id }: { id: number }, call: ServiceCall) => after(land(id, call), () => id * 10),
      again: ({ id }: { id: number }, call: ServiceCall) => after(land(id, call), () => id * 10),
      note: ({ id }: { id: number }, call: ServiceCall) => after(land(id, call), () => undefined),
      put: ({ id }: { id: number }, call: ServiceCall) => after(land(id, call), () => id * 10),
      give: ({ id, size }: { id: number; size: number }, call: ServiceCall) =>
        after(land(id, call), () => ({ result: { id, size }, body: bytesOf(size) })),
    };
  }

  /** @returns undefined when the handler returns at once */
  #land(
    id: number,
    serviceCall: ServiceCall,
    pipe: number | undefined,
    end: () => CallingEnd | undefined,
  ): Promise<void> | undefined {
    const call = this.#ledger.call(id);
    if (call === undefined) throw new Error(`call ${id} was never made`);
    const at = pipe ?? call.writtenAt ?? 0;
    const landing = this.#ledger.began(call, at, this.#crossing.isCancelled(call.from, at, serviceCall.co.coSeq));
    this.#place.note(`${otherSide(call.from)}: handler ${call.name} begins`);
    const { handler = [] } = call.plan;
    if (handler.length === 0) {
      landing.isOver = true;
      return undefined;
    }
    const { signal } = serviceCall;
    const told = () => {
      landing.isTold = true;
      this.#place.note(`${otherSide(call.from)}: handler ${call.name} is told that nobody waits`);
    };
    if (signal.aborted) told();
    else signal.addEventListener("abort", told, { once: true });
    return this.#run(call, landing, handler, serviceCall, end).finally(() => {
      landing.isOver = true;
      signal.removeEventListener("abort", told);
    });
  }

  async #run(
    call: Call,
    landing: Landing,
    steps: readonly Step[],
    serviceCall: ServiceCall,
    end: () => CallingEnd | undefined,
  ): Promise<void> {
    for (const step of steps) {
      if (step === "read") checkBytes(await serviceCall.bytes(), call.plan.size ?? 0);
      else if (step === "wait") await untilChosen(landing, serviceCall.signal);
      else if (step === "stay") await untilChosen(landing, undefined);
      else await this.#callBack(call, end());
    }
  }

  async #callBack({ id, name, from, plan }: Call, end: CallingEnd | undefined): Promise<void> {
    const side = otherSide(from);
    const { backHandler = [] } = plan;
    const back = this.#ledger.add(id + BACK, side, { from: side, handler: backHandler });
    this.#place.note(`${side}: handler ${name} calls back: ${back.name}`);
    if (end !== undefined) await this.#make(back, end); // its failure is judged like that of any call
  }
}

/** Waits for the scheduler. @throws the reason of the signal when it aborts first */
function untilChosen(landing: Landing, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      landing.proceed = undefined;
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = () => end(() => reject(signal?.reason));
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    landing.proceed = () => end(resolve);
  });
}

/** Stays synchronous where nothing was waited for: the library treats a handler that returns no promise differently. */
function after<T>(done: Promise<void> | undefined, value: () => T): T | Promise<T> {
  return done === undefined ? value() : done.then(value);
}
