/**
 * Caller: makes the typed calls of one side, through its interceptors and retries. A CallSender sends them. docs/services.md.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, HbiError, ownError } from "../../errors.ts";
import { type Limits, MAX_DEPTH } from "../../limits.ts";
import { checkOptions } from "../../options.ts";
import type { Dialect, InstanceWriter } from "../../parser/repr.ts";
import type { Writing } from "../../registry/call-text.ts";
import type { ArgumentsOf, Method } from "../../registry/method.ts";
import type { Methods } from "../../registry/service.ts";
import { type BodyGiven, keepFromFailingUnheard, release } from "../conversation/body-source.ts";
import { checkMetadata, type Metadata } from "../conversation/metadata.ts";
import { failedAtOnce, leading } from "../failing.ts";
import { markHandled, withLanded } from "../waits.ts";
import { type AnyCallOptions, CALL_OPTIONS, type CallOptions, type Posted } from "./calls.ts";
import type { Sending } from "./outgoing.ts";
import {
  type BuiltScript,
  buildScript,
  type ScriptMethods,
  type ScriptPlan,
  type ScriptResults,
} from "./script-builder.ts";

/** A call of this side, as interceptors see it. */
export interface OutgoingCall {
  readonly kind: "call" | "post" | "script";
  /** the method's name as declared; for a script, the names in its statements */
  readonly name: string;
  /** as the caller passed them; for a script, its text */
  readonly params: unknown;
  readonly options: CallOptions;
  /** Travels with the call; what is added before `next()` does as well. */
  readonly metadata: Record<string, string>;
}

/** A call of any of the methods: `kind` and `name` decide which type `params` has. */
export type AnyOutgoingCall<M extends Methods> =
  | {
      [K in keyof M & string]: OutgoingCall & {
        readonly kind: "call" | "post";
        readonly name: K;
        readonly params: M[K] extends Method<infer P> ? ArgumentsOf<P> : unknown;
      };
    }[keyof M & string]
  | (OutgoingCall & { readonly kind: "script"; readonly params: string });

/** Wraps every call of this side: `next()` sends it and returns its result; it may be called again to send it again. */
export type OutgoingInterceptor<M extends Methods = Methods> = (
  call: Methods extends M ? OutgoingCall : AnyOutgoingCall<M>,
  next: () => Promise<unknown>,
) => Promise<unknown>;

export interface CallerOptions {
  /** writes the values of the definition */
  readonly writer: InstanceWriter | undefined;
  /** the constants that are written: `python` for a peer that does not know `null` */
  readonly dialect?: Dialect | undefined;
  readonly interceptors?: readonly OutgoingInterceptor[] | undefined;
  /** how often a call of an idempotent method is sent again after its connection was lost */
  readonly retries?: number | undefined;
}

/** How calls leave this side: on connections (`connectionSender`), or by a carrier of the application (`callsOver`). */
export interface CallSender {
  readonly clock: Clock;
  readonly limits: Limits;
  /** @throws HbiError at once for what can't be sent */
  call(sending: Sending, writing: Writing): Promise<unknown>;
  /** Resolves when it is sent. @throws HbiError at once for what can't be sent */
  post(sending: Sending, writing: Writing): Promise<Posted>;
  /** The objects of the answer, validated: one for each statement that has a result. */
  script(script: BuiltScript, options: CallOptions): Promise<readonly unknown[]>;
}

export class Caller {
  readonly #sender: CallSender;
  readonly #interceptors: readonly OutgoingInterceptor[];
  readonly #retries: number;
  /** whether interceptors or retries wrap the calls */
  readonly #isWrapped: boolean;
  readonly #writing: Writing;

  constructor(sender: CallSender, { interceptors = [], retries = 0, dialect = "json", writer }: CallerOptions) {
    this.#sender = sender;
    this.#interceptors = interceptors;
    this.#retries = retries;
    this.#isWrapped = interceptors.length > 0 || retries > 0;
    this.#writing = { dialect, maxDepth: MAX_DEPTH, writer };
  }

  get clock(): Clock {
    return this.#sender.clock;
  }

  get limits(): Limits {
    return this.#sender.limits;
  }

  call(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<unknown> {
    const sending = { name, method, params, options };
    return this.#isWrapped ? this.#wrapped("call", sending) : this.#attempt("call", sending);
  }

  post(name: string, method: Method, params: unknown, options: AnyCallOptions): Promise<Posted> {
    const sending = { name, method, params, options };
    const posted = this.#isWrapped ? this.#wrapped("post", sending) : this.#attempt("post", sending);
    return posted as Promise<Posted>; // or the result of an interceptor
  }

  script<M extends Methods, const T extends ScriptPlan>(
    methods: M,
    build: (script: ScriptMethods<M>) => T,
    options: CallOptions,
  ): Promise<ScriptResults<T>> {
    return leading(this.#script(methods, build, options));
  }

  async #script<M extends Methods, const T extends ScriptPlan>(
    methods: M,
    build: (script: ScriptMethods<M>) => T,
    options: CallOptions,
  ): Promise<ScriptResults<T>> {
    checkOptions(options, "script", CALL_OPTIONS);
    const sender = this.#sender;
    let isSingle = false;
    const plan = (script: ScriptMethods<M>): T => {
      const built = build(script);
      isSingle = !Array.isArray(built);
      return built;
    };
    const built = buildScript(methods, plan, this.#writing);
    const { name, code: params, results } = built;
    const outgoing = outgoingCall("script", name, params, options);
    const run = async (): Promise<unknown> => {
      const values = (await sender.script(built, withMetadata(options, outgoing.metadata))).values();
      const all = results.map((schema) => (schema === undefined ? undefined : values.next().value));
      return isSingle ? all[0] : all;
    };
    return (await this.#intercepted(outgoing, run)) as ScriptResults<T>; // validated by the schemas that type them
  }

  /** Sends through the interceptors and, if it is idempotent, again after a loss. */
  #wrapped(kind: "call" | "post", sending: Sending): Promise<unknown> {
    if (this.#interceptors.length === 0) return this.#send(kind, sending);
    const { name, params, options } = sending;
    let outgoing: OutgoingCall;
    try {
      outgoing = outgoingCall(kind, name, params, options);
    } catch (thrown) {
      release(bodyOf(options));
      return failedAtOnce(asHbiError(thrown), name);
    }
    let isBegun = false;
    const begin = (): Promise<unknown> => {
      isBegun = true;
      return this.#send(kind, { ...sending, options: withMetadata(options, outgoing.metadata) });
    };
    keepFromFailingUnheard(options.body);
    const answer = this.#intercepted(outgoing, begin);
    answer.catch(() => {
      if (!isBegun) release(options.body);
    });
    return leading(answer);
  }

  /** If an interceptor throws synchronously, the call rejects as usual. If it ignores the promise of `next`, a
   *  rejection is not unhandled. */
  #intercepted(call: OutgoingCall, run: () => Promise<unknown>, at = 0): Promise<unknown> {
    const interceptor = this.#interceptors[at];
    if (interceptor === undefined) return markHandled(run());
    const next = (): Promise<unknown> => this.#intercepted(call, run, at + 1);
    return markHandled((async () => interceptor(call, next))());
  }

  #send(kind: "call" | "post", sending: Sending): Promise<unknown> {
    const isRetried = kind === "call" && this.#retries > 0 && sending.method.spec.idempotent === true;
    return isRetried ? leading(this.#retrying(sending)) : this.#attempt(kind, sending);
  }

  #attempt(kind: "call" | "post", sending: Sending): Promise<unknown> {
    try {
      checkOptions(sending.options, sending.name, CALL_OPTIONS);
      return kind === "call" ? this.#sender.call(sending, this.#writing) : this.#sender.post(sending, this.#writing);
    } catch (thrown) {
      release(bodyOf(sending.options));
      return failedAtOnce(asHbiError(thrown), sending.name);
    }
  }

  /** All attempts together have the call's timeout. */
  async #retrying(sending: Sending): Promise<unknown> {
    const { clock, limits } = this.#sender;
    const { timeoutMs = limits.callTimeoutMs } = sending.options;
    const start = clock.now();
    let mayHaveLanded = false;
    for (let attempt = 0; ; attempt++) {
      const leftMs = timeoutMs - (clock.now() - start);
      try {
        return await this.#attempt("call", { ...sending, options: { ...sending.options, timeoutMs: leftMs } });
      } catch (thrown) {
        const isOver = attempt === this.#retries || clock.now() - start >= timeoutMs;
        if (isOver || !isConnectionLost(thrown) || !isReplayable(sending.options)) {
          const own = ownError(thrown);
          throw mayHaveLanded && own?.mayHaveLanded === false ? withLanded(own, true) : thrown; // an earlier attempt may have
        }
        mayHaveLanded ||= thrown.mayHaveLanded === true;
      }
    }
  }
}

/** The body of options that were refused: null, or of a getter that throws. */
function bodyOf(options: AnyCallOptions | null): BodyGiven | undefined {
  try {
    return options?.body;
  } catch {
    return undefined;
  }
}

/** @throws HbiError invalid_argument for metadata that is no object */
function outgoingCall(kind: OutgoingCall["kind"], name: string, params: unknown, options: CallOptions): OutgoingCall {
  checkOptions(options, name, CALL_OPTIONS);
  if (options.metadata !== undefined) checkMetadata(options.metadata);
  return { kind, name, params, options, metadata: { ...options.metadata } };
}

function withMetadata<O extends CallOptions>(options: O, metadata: Metadata): O {
  return options.metadata === undefined && Object.keys(metadata).length === 0 ? options : { ...options, metadata };
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
