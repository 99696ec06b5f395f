/**
 * Desk: sends the typed calls of one side, through its interceptors, on whatever connection it has at the time.
 */
import type { Clock } from "../clock.ts";
import { asHbiError, failure, HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Dialect, InstanceWriter } from "../parser/repr.ts";
import type { Writing } from "../registry/call-text.ts";
import { isPromise } from "../registry/invoke.ts";
import type { Method } from "../registry/method.ts";
import type { Methods } from "../registry/service.ts";
import { keepFromFailingUnheard, release } from "./body.ts";
import type { AnyCallOptions, CallDesk, CallOptions, Posted } from "./caller.ts";
import type { Connection } from "./connection.ts";
import { type Sending, sendCall, sendPost, timeoutOf } from "./outgoing.ts";
import { buildScript, type ScriptMethods, type ScriptPlan, type ScriptResults } from "./script-builder.ts";
import { withLanded } from "./waits.ts";

/** A call of this side, to interceptors. */
export interface OutgoingCall {
  readonly kind: "call" | "post" | "script";
  /** the method's, as declared; of a script those of its statements */
  readonly name: string;
  /** as the caller gave them; of a script its text */
  readonly params: unknown;
  readonly options: CallOptions;
}

/** Around every call of this side: `next()` sends it and gives its result; it may be called again to send it again. */
export type OutgoingInterceptor = (call: OutgoingCall, next: () => Promise<unknown>) => Promise<unknown>;

export interface DeskOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  /** writes the values of the definition */
  readonly writer: InstanceWriter | undefined;
  /** which words are written: `python` for a peer that knows no `null` */
  readonly dialect?: Dialect | undefined;
  readonly interceptors?: readonly OutgoingInterceptor[] | undefined;
  /** how often a call that is marked idempotent is sent again after its connection was lost */
  readonly retries?: number | undefined;
}

type Connecting = Connection | Promise<Connection>;
type Send<T> = (connection: Connection, sending: Sending, writing: Writing) => Promise<T>;

export class Desk implements CallDesk {
  readonly #connectionFor: (options: CallOptions) => Connecting;
  readonly #options: DeskOptions;
  readonly #interceptors: readonly OutgoingInterceptor[];
  readonly #retries: number;
  readonly #writing: Writing;

  /** @param connectionFor the present connection, or the next one as soon as it is open */
  constructor(connectionFor: (options: CallOptions) => Connecting, options: DeskOptions) {
    this.#connectionFor = connectionFor;
    this.#options = options;
    const { interceptors = [], retries = 0, dialect = "json", limits, writer } = options;
    if (!Number.isSafeInteger(retries) || retries < 0) throw failure("bad_option", "retries is a count");
    this.#interceptors = interceptors;
    this.#retries = retries;
    this.#writing = { dialect, maxDepth: limits.maxDepth, writer };
  }

  call(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<unknown> {
    return this.#run("call", { name, method, params, options }, sendCall);
  }

  post(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<Posted> {
    return this.#run("post", { name, method, params, options }, sendPost);
  }

  async script<M extends Methods, const T extends ScriptPlan>(
    methods: M,
    build: (script: ScriptMethods<M>) => T,
    options: CallOptions,
  ): Promise<ScriptResults<T>> {
    let isSingle = false;
    const plan = (script: ScriptMethods<M>): T => {
      const built = build(script);
      isSingle = !Array.isArray(built);
      return built;
    };
    const { code, name, results } = buildScript(methods, plan, this.#writing, this.#options.limits);
    const declared = results.filter((schema) => schema !== undefined);
    const send = async (connection: Connection, left: CallOptions): Promise<unknown> => {
      const timeoutMs = timeoutOf(connection, left);
      const { signal } = left;
      const request = { name, code, results: declared, wantsResults: true, isList: true, timeoutMs, signal };
      const call = connection.posting.call(request);
      const values = ((await call.promise) as readonly unknown[]).values(); // a list, as asked for
      const all = results.map((schema) => (schema === undefined ? undefined : values.next().value));
      return isSingle ? all[0] : all;
    };
    const run = () => this.#withConnection(options, send);
    const outgoing: OutgoingCall = { kind: "script", name, params: code, options };
    return (await this.#intercepted(outgoing, run)) as ScriptResults<T>; // validated by the schemas that type them
  }

  #run<T>(kind: "call" | "post", sending: Sending, send: Send<T>): Promise<T> {
    const { name, params, options } = sending;
    const retries = kind === "call" && sending.method.spec.idempotent === true ? this.#retries : 0;
    const run = () => (retries === 0 ? this.#attempt(sending, send) : this.#retrying(sending, send, retries));
    if (this.#interceptors.length === 0) return run();
    let isBegun = false;
    const begin = (): Promise<T> => {
      isBegun = true;
      return run();
    };
    const answer = this.#intercepted({ kind, name, params, options }, begin) as Promise<T>; // or what an interceptor makes of it
    answer.catch(() => {
      if (!isBegun) release(options.body);
    });
    return answer;
  }

  /** Asynchronous, so that an interceptor that throws at once rejects the call as any other. */
  async #intercepted(call: OutgoingCall, run: () => Promise<unknown>, at = 0): Promise<unknown> {
    const interceptor = this.#interceptors[at];
    if (interceptor === undefined) return run();
    return interceptor(call, () => this.#intercepted(call, run, at + 1));
  }

  #attempt<T>(sending: Sending, send: Send<T>): Promise<T> {
    return this.#withConnection(sending.options, (connection, options) =>
      send(connection, options === sending.options ? sending : { ...sending, options }, this.#writing),
    );
  }

  #withConnection<T>(
    options: AnyCallOptions,
    send: (connection: Connection, options: AnyCallOptions) => Promise<T>,
  ): Promise<T> {
    try {
      const connection = this.#connectionFor(options);
      if (!isPromise(connection)) return send(connection, options);
      keepFromFailingUnheard(options.body);
      return this.#whenConnected(connection as Promise<Connection>, options, send);
    } catch (thrown) {
      release(options.body);
      return Promise.reject(asHbiError(thrown));
    }
  }

  /** The time that it waits is a part of the call's. */
  async #whenConnected<T>(
    connecting: Promise<Connection>,
    options: AnyCallOptions,
    send: (connection: Connection, options: AnyCallOptions) => Promise<T>,
  ): Promise<T> {
    const { clock, limits } = this.#options;
    const start = clock.now();
    try {
      const connection = await connecting;
      const leftMs = Math.max((options.timeoutMs ?? limits.callTimeoutMs) - (clock.now() - start), 1);
      return send(connection, { ...options, timeoutMs: leftMs });
    } catch (thrown) {
      release(options.body);
      throw thrown;
    }
  }

  /** All attempts together have the call's own time. */
  async #retrying<T>(sending: Sending, send: Send<T>, retries: number): Promise<T> {
    const { clock, limits } = this.#options;
    const { timeoutMs = limits.callTimeoutMs } = sending.options;
    const start = clock.now();
    let mayHaveLanded = false;
    for (let attempt = 0; ; attempt++) {
      const leftMs = timeoutMs - (clock.now() - start);
      try {
        return await this.#attempt({ ...sending, options: { ...sending.options, timeoutMs: leftMs } }, send);
      } catch (thrown) {
        const isOver = attempt === retries || clock.now() - start >= timeoutMs;
        if (isOver || !isConnectionLost(thrown) || !isReplayable(sending.options)) {
          const hasNot = thrown instanceof HbiError && thrown.mayHaveLanded === false;
          throw mayHaveLanded && hasNot ? withLanded(thrown, true) : thrown; // one before it may have
        }
        mayHaveLanded ||= thrown.mayHaveLanded === true;
      }
    }
  }
}

/** Whether a call failed because its connection went, in whatever way: a new one may serve it. `mayHaveLanded` says whether
 *  it would be the second time. */
export function isConnectionLost(thrown: unknown): thrown is HbiError {
  if (!(thrown instanceof HbiError) || thrown.mayHaveLanded === undefined) return false; // a handler may say `unavailable` too
  return thrown.code === "unavailable" || thrown.reason === "peer_error";
}

/** A body that can be sent twice: not one that is consumed by sending it. */
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
