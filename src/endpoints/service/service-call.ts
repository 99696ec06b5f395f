/**
 * ServiceCall: what a handler of a typed method is told about the call beside its parameters. docs/services.md.
 */
import { failure } from "../../errors.ts";
import type { Method } from "../../registry/method.ts";
import { Body } from "../conversation/body.ts";
import type { Metadata } from "../conversation/metadata.ts";
import type { HoCo } from "../session/ho-co.ts";
import type { PoCo } from "../session/po-co.ts";

/** @typeParam Other the side that calls: a Peer of a server, the Link of a client
 *  @typeParam Context what the server's `authenticate` made of the peer */
export class ServiceCall<Other = unknown, Context = unknown> {
  /** the method's, as declared: "do_job" */
  readonly name: string;
  /** validated; typed in the handler's first parameter */
  readonly params: unknown;
  readonly peer: Other;
  readonly context: Context;
  /** The conversation itself, for what a declaration can't say. */
  readonly co: HoCo | PoCo;
  /** raw bytes that follow the call, as its parameters declare; 0 without */
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
    this.bodyLength = co.unreadBytes;
  }

  /** What travels with the call, such as a trace context: as `metadata` of its options, and what interceptors of its caller have added. The
   *  caller may write anything, so it proves nothing. Empty when the peer does not speak the extension. */
  get metadata(): Metadata {
    return this.co.metadata;
  }

  /** The raw data behind the call. What a handler leaves unread is skipped when it returns.
   *  @throws HbiError failed_precondition for a method that declares none, or reads it from `co` */
  get body(): Body {
    if (this.#body === undefined) {
      if (this.#method.spec.body === undefined) throw failure("wrong_stage", `${this.name} declares no body`);
      if (this.#method.spec.body === "manual") throw failure("wrong_stage", `${this.name} reads its raw data from co`);
      this.#body = new Body(this.co, this.bodyLength);
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

  /** Whether the handler has looked at its body. */
  get hasAskedForBody(): boolean {
    return this.#body !== undefined;
  }

  /** Whether the raw data was read, discarded, or never there. */
  get isBodyHandled(): boolean {
    return this.bodyLength === 0 || this.#body?.isTouched === true || this.co.unreadBytes < this.bodyLength;
  }

  /** Aborts when the caller gives up, its deadline passes, or the connection ends. */
  get signal(): AbortSignal {
    return this.co.signal;
  }

  /** Aborts when the connection is about to close, as either side drains: it waits for this handler, so come to an end soon. What the
   *  handler still calls is sent. Unlike `signal`, it does not say that nobody wants the result. */
  get draining(): AbortSignal {
    return this.co.draining;
  }

  /** Milliseconds until the deadline: hand it on as `timeoutMs` of calls that this one makes. */
  get remainingMs(): number {
    return this.co.remainingMs;
  }

  get deadline(): Date {
    return new Date(Date.now() + this.co.remainingMs);
  }

  /** Whether the method is marked as deprecated. */
  get isDeprecated(): boolean {
    return this.#method.spec.deprecated !== undefined;
  }
}

/** Around every handler: `next()` runs the next interceptor or the handler, and gives its result. Throw to refuse. */
export type Interceptor<Other = unknown, Context = unknown> = (
  call: ServiceCall<Other, Context>,
  next: () => unknown,
) => unknown;
