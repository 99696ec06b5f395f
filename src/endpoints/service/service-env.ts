/**
 * Lands the typed calls of a peer: a table of the declared methods, created once for all connections, whose entries
 * find the handlers of their connection. docs/services.md.
 */
import type { z } from "zod";
import { failure, ownError } from "../../errors.ts";
import { MAX_DEPTH, TO_THE_END } from "../../limits.ts";
import { checkMap, mustBe } from "../../options.ts";
import { repr } from "../../parser/repr.ts";
import {
  type Awaitable,
  type EntryTable,
  type ExposedMethod,
  entryTable,
  type HandlerTimes,
} from "../../registry/hosting-env.ts";
import type { BodyKind, Method, ParamsOf } from "../../registry/method.ts";
import { isPromise } from "../../registry/promised.ts";
import type { Methods, Values } from "../../registry/service.ts";
import { validate } from "../../registry/validate.ts";
import { type BodySource, exactly, type Feed, keepFromFailingUnheard, release } from "../conversation/body-source.ts";
import type { Connection } from "../session/connection.ts";
import { conversingNow } from "../session/conversing.ts";
import type { HoCo } from "../session/ho-co.ts";
import type { HostingEnv, TypedLayer } from "../session/hosting-env.ts";
import type { PoCo } from "../session/po-co.ts";
import { markHandled } from "../waits.ts";
import { type Interceptor, ServiceCall } from "./service-call.ts";

/** What a handler returns: the declared result; with a declared body, both. */
export type Returned<
  R extends z.core.$ZodType | undefined,
  S extends BodyKind,
  Y extends z.core.$ZodType | undefined = undefined,
> = [Y] extends [z.core.$ZodType]
  ? AsyncIterable<z.input<Y>, R extends z.core.$ZodType ? z.input<R> : unknown, undefined>
  : R extends z.core.$ZodType
    ? S extends "none"
      ? z.input<R>
      : { readonly result: z.input<R>; readonly body: BodySource }
    : unknown;

/** Exactly one handler for each method. `Other` and `Context` are those of its calls. */
export type ServiceHandlers<M extends Methods, Other, Context = unknown> = {
  readonly [K in keyof M]: M[K] extends Method<infer P, infer R, infer _B, infer S, infer E, infer Y>
    ? (params: ParamsOf<P>, call: ServiceCall<Other, Context, E>) => Awaitable<Returned<R, S, Y>>
    : never;
};

/** Handlers for which no method is declared. Members that are no functions may be there, such as the fields of a
 *  class. */
export type Surplus<H, M extends Methods> = {
  readonly [K in Exclude<keyof H, keyof M>]: H[K] extends (...args: never) => unknown
    ? `${K & string} is not declared in the definition` // the compiler's message
    : unknown;
};

type AnyHandler = (params: unknown, call: ServiceCall) => unknown;

/** A call of a method that yields values. */
export interface YieldingCall {
  readonly name: string;
  readonly method: Method;
  readonly call: ServiceCall;
  readonly env: HostingEnv;
}

/** Answers with what the handler yields. @param begin runs the handler within the interceptors, which wrap what `run`
 *  makes of it */
export type Yielding = (of: YieldingCall, begin: (run: (returned: unknown) => unknown) => unknown) => Promise<void>;

/** What the table reads from the environment of a connection. */
export interface Bound extends TypedLayer {
  readonly side: unknown;
  readonly context: unknown;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
  readonly interceptors: readonly Interceptor[];
  /** the connection, if its peer may authenticate again */
  readonly connection?: Connection;
}

/** @param times timeouts of handlers that differ from `handlerTimeoutMs`
 *  @param extra entries besides the declared methods: the one with which a peer authenticates
 *  @param called the methods that this side calls
 *  @param yielding answers with streams of values; reactions do not
 *  @throws HbiError invalid_argument for an undeclared name or an invalid timeout */
export function serviceTable(
  methods: Methods,
  values: Values,
  times: HandlerTimes = {},
  extra: readonly [string, ExposedMethod][] = [],
  called: Methods = {},
  yielding?: Yielding,
): EntryTable {
  checkMap(times, "handlerTimeoutsMs", methods, aTimeout);
  const handlerOf = (name: string, method: Method): ExposedMethod["handler"] => {
    const sendsBody = method.spec.resultBody !== undefined;
    return (params: unknown, co: HoCo | PoCo, env: HostingEnv): unknown => {
      const { side, context, handlers, interceptors } = env.bound as Bound; // created by this folder
      const call = new ServiceCall(name, method, params, co, side, context);
      if (method.streams !== undefined && yielding !== undefined) {
        return yielding({ name, method, call, env }, (run) =>
          intercepted(interceptors, 0, call, () => run((handlers[name] as AnyHandler)(params, call))),
        );
      }
      // Checked: present for every method of the table. Called as a member, so that `this` is the object.
      const returned =
        interceptors.length === 0
          ? (handlers[name] as AnyHandler)(params, call)
          : intercepted(interceptors, 0, call, () => (handlers[name] as AnyHandler)(params, call));
      return sendsBody ? answerWithBody(method, call, returned, env) : returned;
    };
  };
  const table = entryTable(methods, values, handlerOf, times, called);
  return extra.length === 0 ? table : { ...table, entries: new Map([...table.entries, ...extra]) };
}

const aTimeout = mustBe(
  "a positive integer or Infinity",
  (ms) => ms === Number.POSITIVE_INFINITY || (Number.isSafeInteger(ms) && Number(ms) >= 1),
);

function intercepted(chain: readonly Interceptor[], at: number, call: ServiceCall, handler: () => unknown): unknown {
  const interceptor = chain[at];
  if (interceptor === undefined) {
    if (call.co.isGivenUp) throw failure("cancelled"); // cancelled while an interceptor waited: too late to begin
    return handler();
  }
  return interceptor(call, () => {
    const result = intercepted(chain, at + 1, call, handler);
    return result instanceof Promise ? markHandled(result) : result; // an interceptor may ignore it
  });
}

/** The result as an object, followed by exactly as much raw data as the result declares, or by all of a source whose
 *  length is unknown. */
async function answerWithBody(method: Method, call: ServiceCall, returned: unknown, env: HostingEnv): Promise<void> {
  const answer: unknown = isPromise(returned) ? await returned : returned;
  const { name, co } = call;
  if (!(co instanceof conversingNow().HoCo))
    throw failure("wrong_stage", `${name} answers with raw data, inside an answer`);
  const { result: schema } = method.spec;
  if (schema === undefined || typeof answer !== "object" || answer === null || !("result" in answer)) {
    throw failure("bad_result", name);
  }
  const source = "body" in answer ? (answer.body as BodySource) : EMPTY; // as typed
  keepFromFailingUnheard(source); // until the answer has its turn
  let body: ArrayBufferView | Feed | undefined;
  try {
    const result = validate(schema, answer.result, "bad_result", name);
    const bytes = method.resultBytes(result);
    if (bytes === undefined) throw failure("bad_result", name);
    const { accepted } = co;
    if (bytes === TO_THE_END)
      body = exactly(source, (given) => accepted.checkBody(given, name, "result", method, true));
    else {
      accepted.checkBody(bytes, name, "result", method);
      body = exactly(source, bytes);
    }
    if (!call.hasAskedForBody) co.discardData();
    // The answer begins when the whole request was read, so a body that is read only for the answer would wait forever.
    if (co.unreadBytes > co.limits.maxBufferedBytes) throw failure("body_unread", name);
    const text = repr(result, co.isExtended ? "json" : "python", MAX_DEPTH, env.writer, accepted.readsRich);
    accepted.checkResult(text, name, method);
    await co.sendObj(text);
    await co.sendData(body);
  } catch (thrown) {
    release(body ?? source); // closes the source once
    const own = ownError(thrown);
    const isBadBody = own?.reason === "body_mismatch" || own?.reason === "bad_option";
    const isOwn = isBadBody || own?.reason === "not_representable"; // the caller has made no mistake
    throw isOwn ? failure("bad_result", own.message, { of: name, cause: thrown }) : thrown;
  }
}

const EMPTY = new Uint8Array(0);
