/**
 * Caller: makes the typed calls of one side, through its interceptors and retries. A carrier sends them on its current
 * connection. docs/services.md.
 */
import { asHbiError, failure, HbiError, ownError } from "../../errors.ts";
import type { Dialect, InstanceWriter } from "../../parser/repr.ts";
import type { Writing } from "../../registry/call-text.ts";
import type { Method } from "../../registry/method.ts";
import type { Methods } from "../../registry/service.ts";
import { keepFromFailingUnheard, release } from "../conversation/body.ts";
import { Call } from "../session/call.ts";
import { markHandled, withLanded } from "../waits.ts";
import type { AnyCallOptions, CallOptions, Posted } from "./calls.ts";
import { type Carrier, callOf, postedOf, type Sending, timeoutOf } from "./outgoing.ts";
import { buildScript, type ScriptMethods, type ScriptPlan, type ScriptResults } from "./script-builder.ts";

/** A call of this side, as interceptors see it. */
export interface OutgoingCall {
  readonly kind: "call" | "post" | "script";
  /** the method's name as declared; for a script, the names in its statements */
  readonly name: string;
  /** as the caller passed them; for a script, its text */
  readonly params: unknown;
  readonly options: CallOptions;
}

/** Wraps every call of this side: `next()` sends it and returns its result; it may be called again to send it again. */
export type OutgoingInterceptor = (call: OutgoingCall, next: () => Promise<unknown>) => Promise<unknown>;

export interface CallerOptions {
  /** writes the values of the definition */
  readonly writer: InstanceWriter | undefined;
  /** the constants that are written: `python` for a peer that does not know `null` */
  readonly dialect?: Dialect | undefined;
  readonly interceptors?: readonly OutgoingInterceptor[] | undefined;
  /** how often a call of an idempotent method is sent again after its connection was lost */
  readonly retries?: number | undefined;
}

/** The result of a call. */
type Give<T> = (call: Call) => Promise<T>;
const answerOf: Give<unknown> = (call) => call.promise;

export class Caller {
  readonly #carrier: Carrier;
  readonly #interceptors: readonly OutgoingInterceptor[];
  readonly #retries: number;
  readonly #writing: Writing;

  constructor(carrier: Carrier, { interceptors = [], retries = 0, dialect = "json", writer }: CallerOptions) {
    if (!Number.isSafeInteger(retries) || retries < 0)
      throw failure("bad_option", "retries must be a non-negative integer");
    this.#carrier = carrier;
    this.#interceptors = interceptors;
    this.#retries = retries;
    this.#writing = { dialect, maxDepth: carrier.limits.maxDepth, writer };
  }

  call(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<unknown> {
    return this.#run("call", { name, method, params, options }, answerOf);
  }

  post(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<Posted> {
    return this.#run("post", { name, method, params, options }, postedOf);
  }

  script<M extends Methods, const T extends ScriptPlan>(
    methods: M,
    build: (script: ScriptMethods<M>) => T,
    options: CallOptions,
  ): Promise<ScriptResults<T>> {
    return markHandled(this.#script(methods, build, options));
  }

  async #script<M extends Methods, const T extends ScriptPlan>(
    methods: M,
    build: (script: ScriptMethods<M>) => T,
    options: CallOptions,
  ): Promise<ScriptResults<T>> {
    const carrier = this.#carrier;
    let isSingle = false;
    const plan = (script: ScriptMethods<M>): T => {
      const built = build(script);
      isSingle = !Array.isArray(built);
      return built;
    };
    const { code, onlyOurs, name, results } = buildScript(methods, plan, this.#writing, carrier.limits);
    const declared = results.filter((schema) => schema !== undefined);
    const run = async (): Promise<unknown> => {
      const timeoutMs = timeoutOf(carrier, options);
      const { signal } = options;
      const request = { name, code, onlyOurs, results: declared, wantsResults: true, isList: true, timeoutMs, signal };
      const call = new Call(carrier.clock, carrier.limits, request, carrier.home, carrier.nextOrder());
      carrier.place(call);
      const values = ((await call.promise) as readonly unknown[]).values(); // a list, as requested
      const all = results.map((schema) => (schema === undefined ? undefined : values.next().value));
      return isSingle ? all[0] : all;
    };
    const outgoing: OutgoingCall = { kind: "script", name, params: code, options };
    return (await this.#intercepted(outgoing, run)) as ScriptResults<T>; // validated by the schemas that type them
  }

  #run<T>(kind: "call" | "post", sending: Sending, give: Give<T>): Promise<T> {
    const { name, params, options } = sending;
    const retries = kind === "call" && sending.method.spec.idempotent === true ? this.#retries : 0;
    if (this.#interceptors.length === 0) return this.#send(kind, sending, give, retries);
    let isBegun = false;
    const begin = (): Promise<T> => {
      isBegun = true;
      return this.#send(kind, sending, give, retries);
    };
    keepFromFailingUnheard(options.body);
    const answer = this.#intercepted({ kind, name, params, options }, begin) as Promise<T>; // or the result of an interceptor
    answer.catch(() => {
      if (!isBegun) release(options.body);
    });
    return answer;
  }

  /** If an interceptor throws synchronously, the call rejects as usual. If it ignores the promise of `next`, a
   *  rejection is not unhandled. */
  #intercepted(call: OutgoingCall, run: () => Promise<unknown>, at = 0): Promise<unknown> {
    const interceptor = this.#interceptors[at];
    if (interceptor === undefined) return markHandled(run());
    const next = (): Promise<unknown> => this.#intercepted(call, run, at + 1);
    return markHandled((async () => interceptor(call, next))());
  }

  #send<T>(kind: "call" | "post", sending: Sending, give: Give<T>, retries: number): Promise<T> {
    if (retries > 0) return markHandled(this.#retrying(sending, give, retries));
    try {
      const call = callOf(this.#carrier, sending, this.#writing, kind === "call");
      this.#carrier.place(call);
      return give(call);
    } catch (thrown) {
      release(sending.options.body);
      return markHandled(Promise.reject(asHbiError(thrown)));
    }
  }

  /** All attempts together have the call's timeout. */
  async #retrying<T>(sending: Sending, give: Give<T>, retries: number): Promise<T> {
    const { clock, limits } = this.#carrier;
    const { timeoutMs = limits.callTimeoutMs } = sending.options;
    const start = clock.now();
    let mayHaveLanded = false;
    for (let attempt = 0; ; attempt++) {
      const leftMs = timeoutMs - (clock.now() - start);
      try {
        return await this.#send("call", { ...sending, options: { ...sending.options, timeoutMs: leftMs } }, give, 0);
      } catch (thrown) {
        const isOver = attempt === retries || clock.now() - start >= timeoutMs;
        if (isOver || !isConnectionLost(thrown) || !isReplayable(sending.options)) {
          const own = ownError(thrown);
          throw mayHaveLanded && own?.mayHaveLanded === false ? withLanded(own, true) : thrown; // an earlier attempt may have
        }
        mayHaveLanded ||= thrown.mayHaveLanded === true;
      }
    }
  }
}

/** Whether a call failed because its connection was lost, so that it may be sent on a new one. `mayHaveLanded` says
 *  whether that might run it twice. */
export function isConnectionLost(thrown: unknown): thrown is HbiError {
  if (!(thrown instanceof HbiError) || thrown.mayHaveLanded === undefined) return false; // a handler may throw `unavailable` too
  return thrown.code === "unavailable" || thrown.reason === "peer_error";
}

/** Whether the body can be sent twice, which excludes sources that are consumed. */
function isReplayable({ body, send }: AnyCallOptions): boolean {
  if (send !== undefined) return false;
  return (
    body === undefined ||
    typeof body === "function" ||
    ArrayBuffer.isView(body) ||
    Array.isArray(body) ||
    "size" in body
  );
}
