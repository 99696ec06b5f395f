/**
 * ServiceCall: what a handler of a typed method learns about the call besides its parameters. docs/services.md.
 */

import type { z } from "zod";
import { CODES, type Code, failure, HbiError } from "../../errors.ts";
import { TO_THE_END } from "../../limits.ts";
import { aString, checkOptions, didYouMean, mustBe, type OptionsOf } from "../../options.ts";
import { detailsOf, type Errors } from "../../registry/declared-errors.ts";
import type { Method, ParamsOf } from "../../registry/method.ts";
import type { Methods } from "../../registry/service.ts";
import { Body } from "../conversation/body.ts";
import type { Metadata } from "../conversation/metadata.ts";
import type { HoCo } from "../session/ho-co.ts";
import type { PoCo } from "../session/po-co.ts";

/** What a declared error says besides its name and details. */
export interface RaiseOptions {
  /** for people; by default the name in words: "quota exceeded" */
  readonly message?: string | undefined;
  /** what callers see that do not know the error; `failed_precondition` by default */
  readonly code?: Code | undefined;
}

const RAISE_OPTIONS: OptionsOf<RaiseOptions> = {
  message: aString,
  code: mustBe("a code", (value) => CODES.has(value as string)),
};

/** The names of the errors; without any, the compiler's message. */
type NameIn<E> = [keyof E] extends [never] ? "the method declares no errors" : keyof E & string;
type DetailsIn<E, K> = K extends keyof E ? (E[K] extends z.core.$ZodType ? z.input<E[K]> : never) : never;

/** @typeParam Other the calling side: a Peer on a server, the Link on a client
 *  @typeParam Context the result of the server's `authenticate`
 *  @typeParam E the errors that the method declares */
export class ServiceCall<
  Other = unknown,
  Context = unknown,
  // biome-ignore lint/suspicious/noExplicitAny: a function that takes a call of any method takes this one
  E extends Errors = any,
> {
  /** the method's name as declared: "do_job" */
  readonly name: string;
  /** validated; typed in the handler's first parameter */
  readonly params: unknown;
  readonly peer: Other;
  readonly context: Context;
  /** The conversation itself, for what a definition cannot express. */
  readonly co: HoCo | PoCo;
  /** the number of raw bytes behind the call, as its parameters declare; 0 if there are none, `Infinity` if it is
   *  unknown */
  readonly bodyLength: number;
  readonly #method: Method;
  #body: Body | undefined;

  constructor(name: string, method: Method, params: unknown, co: HoCo | PoCo, peer: Other, context: Context) {
    this.name = name;
    this.#method = method;
    this.params = params;
    this.co = co;
    this.peer = peer;
    this.context = context;
    this.bodyLength = method.spec.body === "unknown" ? TO_THE_END : co.unreadBytes;
  }

  /** Texts that travel with the call, such as a trace context: the option `metadata` of the call, and what the caller's interceptors added.
   *  A claim of the caller, not a proof. Empty if the peer does not support the extension. */
  get metadata(): Metadata {
    return this.co.metadata;
  }

  /** The raw data behind the call. Unread data is skipped when the handler returns.
   *  @throws HbiError failed_precondition for a method that declares none, or reads it from `co` */
  get body(): Body {
    if (this.#body === undefined) {
      if (this.#method.spec.body === undefined) throw failure("wrong_stage", "it declares no body", { of: this.name });
      if (this.#method.spec.body === "manual")
        throw failure("wrong_stage", "it reads its raw data from call.co", { of: this.name });
      this.#body = new Body(this.co, this.bodyLength, this.name);
    }
    return this.#body;
  }

  /** The whole body in one buffer. */
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.body.bytes();
  }

  /** Fills the buffer with the next bytes of the body. */
  readInto(buffer: ArrayBufferView): Promise<void> {
    return this.body.readInto(buffer);
  }

  /** Whether the handler has accessed its body. */
  get hasAskedForBody(): boolean {
    return this.#body !== undefined;
  }

  /** Whether the raw data was read, discarded, or empty. */
  get isBodyHandled(): boolean {
    if (this.bodyLength === 0 || this.#body?.isTouched === true) return true;
    const { unreadBytes } = this.co;
    return this.bodyLength === TO_THE_END ? unreadBytes === 0 : unreadBytes < this.bodyLength;
  }

  /** An error that the method declares, to be thrown: `throw call.error("quota_exceeded", { retryAfterMs: 500 })`. What
   *  crosses of the details was validated. With details that do not fit, the caller gets `internal`, as with a result
   *  that does not fit.
   *  @throws HbiError internal for a name that the method does not declare */
  error<K extends NameIn<E>>(name: K, details: DetailsIn<E, K>, options: RaiseOptions = {}): HbiError {
    checkOptions(options, "call.error", RAISE_OPTIONS);
    if (detailsOf(this.#method, name) === undefined) {
      const hint = didYouMean(name, Object.keys(this.#method.errors));
      throw failure("bad_result", `it declares no error ${name}${hint}`, { of: this.name });
    }
    const { message = name.replaceAll("_", " "), code = "failed_precondition" } = options;
    return new HbiError(code, message, details, { declared: name });
  }

  /** Aborts when the caller cancels, the deadline passes, or the connection ends. */
  get signal(): AbortSignal {
    return this.co.signal;
  }

  /** Aborts when either side drains the connection. The drain waits for this handler, so return soon. Calls that the
   *  handler makes are still sent. Unlike with `signal`, the result is still wanted. */
  get draining(): AbortSignal {
    return this.co.draining;
  }

  /** Milliseconds until the deadline; pass it on as `timeoutMs` of calls that this handler makes. */
  get remainingMs(): number {
    return this.co.remainingMs;
  }

  get deadline(): Date {
    return new Date(Date.now() + this.co.remainingMs);
  }

  /** Whether the method is deprecated. */
  get isDeprecated(): boolean {
    return this.#method.spec.deprecated !== undefined;
  }
}

/** A call of any of the methods: `name` decides which type `params` has. */
export type AnyCall<M extends Methods, Other, Context> = {
  [K in keyof M & string]: ServiceCall<Other, Context, M[K]["errors"]> & {
    readonly name: K;
    readonly params: M[K] extends Method<infer P> ? ParamsOf<P> : unknown;
  };
}[keyof M & string];

/** Wraps every handler: `next()` runs the next interceptor or the handler and returns its result. Throw to refuse. */
export type Interceptor<Other = unknown, Context = unknown> = (
  call: ServiceCall<Other, Context>,
  next: () => unknown,
) => unknown;
