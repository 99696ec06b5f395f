/**
 * Work: the handlers of both sides, which do what the plan of the call says: wait, read, fail, call back, answer.
 */
import { type Clock, type HandlersOf, HbiError, type HoCo, type ServiceCall } from "hbi";
import type { Caller } from "./caller.ts";
import type { Ledger } from "./ledger.ts";
import type { Network } from "./network.ts";
import { type HandlerPlan, PLAIN_HANDLER, plainCall } from "./plan.ts";
import { PlannedError, sleep, sourceOf } from "./source.ts";
import { bytesOf, checkBytes, type MethodName, resultOf, sendsBody, type Trial } from "./trial.ts";

export interface Place {
  /** "A": the reactions of a link; "a": the service towards it */
  readonly name: string;
  readonly clock: Clock;
  readonly caller: Caller;
}

interface Params {
  readonly call: number;
  readonly part?: number;
  readonly size?: number;
}

export class Work {
  readonly #ledger: Ledger;
  readonly #network: Network;
  mostUnread = 0;

  constructor(ledger: Ledger, network: Network) {
    this.#ledger = ledger;
    this.#network = network;
  }

  /** Handlers at one place; `place` is asked for when one runs. */
  handlers(place: () => Place): HandlersOf<Trial, undefined> {
    const names: MethodName[] = ["act", "again", "note", "take", "keep", "give", "swap", "pour", "drip", "churn"];
    const handler = (name: MethodName) => (params: Params, call: ServiceCall) =>
      this.#land(name, params, call, place());
    return Object.fromEntries(names.map((name) => [name, handler(name)])) as never; // one for each method
  }

  #land(name: MethodName, params: Params, call: ServiceCall, place: Place): unknown {
    const end = this.#network.ends.find(({ connection }) => connection?.hosting.co === call.co);
    const { call: id, part = 0 } = params;
    const budget = end === undefined ? undefined : this.#budgetOf(end.label);
    const landing = this.#ledger.landed(id, part, end?.label ?? "answer", budget);
    const plan = this.#ledger.calls[id]?.plan.handler ?? PLAIN_HANDLER;
    const { signal } = call;
    const giveUp = () => this.#ledger.givenUp(landing);
    signal.addEventListener("abort", giveUp);
    const finish = (outcome: string) => {
      signal.removeEventListener("abort", giveUp);
      this.#ledger.ended(landing, outcome);
    };
    const isAtOnce = plan.waitMs === 0 && !plan.asksBack && plan.pushes + plan.backs === 0 && params.size === undefined;
    if (!isAtOnce) {
      const working = this.#work(name, params, call, place, plan);
      working.then(
        () => finish("value"),
        (thrown) => finish(codeOf(thrown)),
      );
      return working;
    }
    try {
      const value = this.#answer(name, params, 0, plan, place);
      finish("value");
      return value;
    } catch (thrown) {
      finish(codeOf(thrown));
      throw thrown;
    }
  }

  #budgetOf(label: string): { maxInFlight: number; maxPostedInFlight: number } | undefined {
    const limitsOf = (which: string) => this.#network.ends.find((end) => end.label === which)?.connection?.limits;
    const own = limitsOf(label);
    const other = limitsOf(`${label.slice(0, -1)}${label.endsWith("f") ? "n" : "f"}`);
    if (own === undefined || other === undefined) return undefined;
    return { maxInFlight: own.maxInFlight, maxPostedInFlight: other.maxPostedInFlight };
  }

  async #work(name: MethodName, params: Params, call: ServiceCall, place: Place, plan: HandlerPlan): Promise<unknown> {
    for (let i = 0; i < plan.pushes; i++) place.caller.make(plainCall({ way: "post", method: "note" }));
    if (plan.backs > 0) await this.#sendBack(plan.backs, call, place);
    const read = sendsBody(name) ? await this.#read(params, call, place, plan) : 0;
    if (plan.asksBack) await place.caller.make(plainCall({ way: "call", method: "act" }));
    if (plan.waitMs > 0) await sleep(place.clock, plan.waitMs, plan.heedsSignal ? call.signal : undefined);
    return this.#answer(name, params, read, plan, place);
  }

  #answer(
    name: MethodName,
    { call, part = 0, size = 0 }: Params,
    read: number,
    plan: HandlerPlan,
    place: Place,
  ): unknown {
    if (plan.ending === "refuse") throw new HbiError("not_found", "as planned");
    if (plan.ending === "throw") throw new PlannedError("as planned");
    if (plan.ending === "wrong") return "not what was declared";
    if (name === "note" || name === "keep") return undefined;
    if (name === "take" || name === "pour") return read;
    if (name === "act" || name === "again") return resultOf(call, part);
    return { result: { call, size }, body: sourceOf(plan.source, bytesOf(call, size), place.clock) };
  }

  /** Scripts in the answer, which the caller's side lands. */
  async #sendBack(count: number, call: ServiceCall, place: Place): Promise<void> {
    if (!("startSend" in call.co)) return; // it stands in an answer itself
    const co: HoCo = call.co;
    for (let i = 0; i < count; i++) {
      await place.caller.back((id) => co.sendCode(`note(${id}, 0)`));
    }
  }

  async #read({ call: id, size = 0 }: Params, call: ServiceCall, place: Place, plan: HandlerPlan): Promise<number> {
    const { body } = call;
    switch (plan.body) {
      case "read":
        return checkBytes(id, await body.bytes());
      case "chunks":
        return this.#readChunks(id, body, place);
      case "half":
        return this.#readInto(id, call, Math.floor(size / 2));
      case "beyond":
        return this.#readInto(id, call, size + 8); // a source may give some bytes more
      case "leave":
        return 0;
      case "discard":
        body.discard();
        return 0;
      case "lazy":
        await this.#leaveUnread(call, place, plan);
        return checkBytes(id, await body.bytes());
    }
  }

  async #readChunks(id: number, body: AsyncIterable<Uint8Array>, place: Place): Promise<number> {
    let read = 0;
    let pauses = 2;
    for await (const chunk of body) {
      read += checkBytes(id, chunk);
      if (pauses-- > 0) await sleep(place.clock, 5, undefined);
    }
    return read;
  }

  async #readInto(id: number, call: ServiceCall, length: number): Promise<number> {
    const buffer = new Uint8Array(length);
    await call.body.readInto(buffer);
    return checkBytes(id, buffer);
  }

  /** Reads nothing for a while. What arrives meanwhile is held, up to a bound for the conversation and one for the connection. */
  async #leaveUnread(call: ServiceCall, place: Place, plan: HandlerPlan): Promise<void> {
    const end = this.#network.ends.find(({ connection }) => connection?.hosting.co === call.co);
    const before = end?.deliveredBytes ?? 0;
    await sleep(place.clock, 100 + plan.waitMs, undefined);
    const limits = end?.connection?.limits;
    // A body that fits in lets the connection go on to what stands behind it; one that was given up is skipped.
    if (end === undefined || limits === undefined || call.signal.aborted) return;
    if (call.bodyLength < 3 * limits.maxBufferedBytes + 3 * end.mostChunkBytes) return;
    if (end.connection?.lanes !== undefined) return; // other lanes go on
    const held = end.deliveredBytes - before;
    this.mostUnread = Math.max(this.mostUnread, held);
    if (held > 2 * (limits.maxBufferedBytes + end.mostChunkBytes)) {
      this.#ledger.violated(
        "maxBufferedBytes",
        `${held} bytes held at ${end.label}, ${limits.maxBufferedBytes} are allowed`,
      );
    }
  }
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof HbiError) return thrown.code;
  return thrown instanceof PlannedError ? "planned" : `thrown ${String(thrown)}`;
}
