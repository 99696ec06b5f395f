/**
 * Typed calls: `link.call.do_job(...)` and `link.post.do_job(...)`, typed by the methods of a definition.
 * docs/services.md.
 */
import type { z } from "zod";
import { failure } from "../../errors.ts";
import { aFunction, anything, type OptionsOf } from "../../options.ts";
import { type ErrorOf, isServiceError } from "../../registry/declared-errors.ts";
import type { ArgumentsOf, BodyKind, Method } from "../../registry/method.ts";
import type { Methods } from "../../registry/service.ts";
import type { Body, OpenBody } from "../conversation/body.ts";
import type { BodyGiven } from "../conversation/body-source.ts";
import type { Metadata } from "../conversation/metadata.ts";
import { failedAtOnce, leading } from "../failing.ts";
import type { PoCo } from "../session/po-co.ts";
import { WAIT_OPTIONS, type WaitOptions } from "../waits.ts";
import type { Caller } from "./caller.ts";
import { streamOf, type ValueStream } from "./value-stream.ts";

/** `signal` cancels the call, `timeoutMs` bounds it (default `callTimeoutMs`). The deadline travels to the peer. */
export interface CallOptions extends WaitOptions {
  /** Travels with the call: interceptors, `authorize` and the handler see it as `call.metadata`. Not sent to a peer that does not support
   *  the extension. At most `maxMetadataBytes`. */
  readonly metadata?: Metadata | undefined;
}

/** The additional options that a method with raw data requires. */
type WithBody<B extends BodyKind> = B extends "declared" | "unknown"
  ? { readonly body: BodyGiven }
  : B extends "manual"
    ? {
        /** Sends what the method expects behind the call: objects and raw data in the agreed order. */
        readonly send: (co: PoCo) => Promise<void>;
      }
    : unknown;

export type Arguments<P, B extends BodyKind> = B extends "none"
  ? Record<never, never> extends P
    ? [params?: P, options?: CallOptions]
    : [params: P, options?: CallOptions]
  : [params: P, options: CallOptions & WithBody<B>];

/** The result, the result with its raw data, or nothing. */
export type AnswerOf<R, S extends BodyKind> = R extends z.core.$ZodType
  ? S extends "none"
    ? z.output<R>
    : { readonly result: z.output<R>; readonly body: S extends "unknown" ? OpenBody : Body }
  : undefined;

export type CallOf<M> =
  M extends Method<infer P, infer R, infer B, infer S, infer _E, infer Y>
    ? [Y] extends [z.core.$ZodType]
      ? (...args: Arguments<ArgumentsOf<P>, B>) => ValueStream<z.output<Y>, AnswerOf<R, "none">>
      : (...args: Arguments<ArgumentsOf<P>, B>) => Promise<AnswerOf<R, S>>
    : never;

export type PostOf<M> =
  M extends Method<infer P, infer _R, infer B, infer _S, infer _E, infer Y>
    ? [Y] extends [z.core.$ZodType]
      ? never
      : (...args: Arguments<ArgumentsOf<P>, B>) => Promise<Posted>
    : never;

/** What a call that is tried resolves to. */
export type Tried<T, E> =
  | { readonly ok: T; readonly error?: undefined }
  | ([E] extends [never] ? never : { readonly ok?: undefined; readonly error: E });

export type TryOf<M> =
  M extends Method<infer P, infer R, infer B, infer S, infer E, infer Y>
    ? [Y] extends [z.core.$ZodType]
      ? never
      : (...args: Arguments<ArgumentsOf<P>, B>) => Promise<Tried<AnswerOf<R, S>, ErrorOf<E>>>
    : never;

/** Each resolves to the result or to an error that the method declares; any other error rejects. */
export type Tries<M extends Methods> = { readonly [K in keyof M]: TryOf<M[K]> };
/** Each waits for the result, or for the acknowledgement of a method without one. */
export type Calls<M extends Methods> = { readonly [K in keyof M]: CallOf<M[K]> };
/** Each resolves when the request is handed to the wire. */
export type Posts<M extends Methods> = { readonly [K in keyof M]: PostOf<M[K]> };

/** A posted call, whose completion can be awaited. */
export interface Posted {
  /** Resolves when the peer has landed it. @throws HbiError the peer's refusal; unavailable, with `mayHaveLanded` */
  waitCompleted(): Promise<void>;
}

/** The options of all kinds of methods. */
export interface AnyCallOptions extends CallOptions {
  readonly body?: BodyGiven | undefined;
  readonly send?: ((co: PoCo) => Promise<void>) | undefined;
}

export const CALL_OPTIONS: OptionsOf<AnyCallOptions> = {
  ...WAIT_OPTIONS,
  metadata: anything, // checked when it is written
  body: anything, // checked against the method
  send: aFunction,
};

export function callsOf<M extends Methods>(methods: M, caller: Caller): Calls<M> {
  return methodsOf(
    methods,
    (name, method) =>
      (params: unknown, options: AnyCallOptions = {}) =>
        method.streams === undefined
          ? caller.call(name, method, params, options)
          : streamOf(caller, { name, method, params, options }),
  ) as Calls<M>; // a function for each method
}

export function postsOf<M extends Methods>(methods: M, caller: Caller): Posts<M> {
  return methodsOf(
    methods,
    (name, method) =>
      (params: unknown, options: AnyCallOptions = {}) =>
        method.streams === undefined ? caller.post(name, method, params, options) : onlyCalled(name),
  ) as Posts<M>; // a function for each method
}

export function triesOf<M extends Methods>(methods: M, caller: Caller): Tries<M> {
  return methodsOf(
    methods,
    (name, method) =>
      (params: unknown, options: AnyCallOptions = {}) =>
        leading(
          (method.streams === undefined ? caller.call(name, method, params, options) : onlyCalled(name)).then(
            (ok) => ({ ok }),
            (error: unknown) => {
              if (isServiceError(error, method)) return { error };
              throw error;
            },
          ),
        ),
  ) as Tries<M>; // a function for each method
}

function onlyCalled(name: string): Promise<never> {
  return failedAtOnce(failure("bad_option", "it yields values: use link.call"), name);
}

/** An ordinary object, so that it can be spied on, wrapped, spread and listed. Its functions need no `this`. */
function methodsOf(methods: Methods, make: (name: string, method: Method) => unknown): object {
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, make(name, method)]));
}
