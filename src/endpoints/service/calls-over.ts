/**
 * callsOver: typed calls of a service over anything that delivers a text and returns its answer, such as a message
 * broker, instead of a connection. docs/integration.md.
 */
import { type Clock, systemClock } from "../../clock.ts";
import { bodyTooBig, failure, HbiError, ofCall, ownError } from "../../errors.ts";
import { type LimitOptions, type Limits, limitOptions, resolveLimits } from "../../limits.ts";
import { aClock, aCount, checkOptions, functions, type OptionsOf } from "../../options.ts";
import { parseValue } from "../../parser/parse.ts";
import { type Dialect, dialectOption } from "../../parser/repr.ts";
import { type Writing, writeCall } from "../../registry/call-text.ts";
import { recognised } from "../../registry/error-value.ts";
import { entryTable } from "../../registry/hosting-env.ts";
import { landValue } from "../../registry/land-value.ts";
import type { Service } from "../../registry/service.ts";
import { meant, validate } from "../../registry/validate.ts";
import { type BodySource, exactly, type Feed, keepFromFailingUnheard, release } from "../conversation/body-source.ts";
import { type Metadata, metadataField, NO_METADATA } from "../conversation/metadata.ts";
import { leading } from "../failing.ts";
import { HostingEnv } from "../session/hosting-env.ts";
import { isUnseen } from "../session/land-object.ts";
import { ignore, markHandled, Waits, withLanded } from "../waits.ts";
import { Caller, type CallSender, type OutgoingInterceptor } from "./caller.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf, type Tries, triesOf } from "./calls.ts";
import { checkBody, type Sending, timeoutOf } from "./outgoing.ts";
import type { BuiltScript, ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";

/** A call that was checked against its definition and is written as text. */
export interface CarriedCall {
  /** the name of the service's definition */
  readonly service: string;
  readonly kind: "call" | "post" | "script";
  /** the method's name as declared; for a script, the names in its statements */
  readonly name: string;
  /** as the caller passed them; for a script, its text */
  readonly params: unknown;
  /** what a host lands: `store("screws",200)`; the statements of a script are separated by line feeds */
  readonly code: string;
  /** the first form in it that only hosts of this library can read, if any */
  readonly onlyOurs: string | undefined;
  /** raw bytes behind the code */
  readonly bodyBytes: number;
  /** their exact number; undefined if there are none */
  readonly body: ArrayBufferView | AsyncIterable<ArrayBufferView> | undefined;
  readonly metadata: Metadata;
  /** the number of objects in the answer: one for each method with a result; those of a post are dropped */
  readonly resultCount: number;
  /** the remaining time of the caller in milliseconds; may be `Infinity` */
  readonly timeoutMs: number;
  /** Aborts when the caller no longer waits: it has cancelled, or its time is over. */
  readonly signal: AbortSignal;
  /** Creates an object of the answer from its text, with the values of the service. An error of the host is returned as
   *  an `HbiError`.
   *  @throws HbiError for a text that cannot be landed */
  land(text: string): unknown;
}

/** Carries calls to a service. */
export interface CallCarrier {
  /** Delivers the call. Resolves when it has landed, with the objects of the answer in order, or with the error of the
   *  host as the only one. A thrown `HbiError` is the caller's error: with `unavailable` and `mayHaveLanded`, as after
   *  a lost connection, an idempotent call is sent again. Any other exception counts as `unavailable`, and as a call
   *  that may have landed. */
  carry(call: CarriedCall): Promise<readonly unknown[]>;
}

export interface CallsOverOptions {
  /** Only `callTimeoutMs`, `maxDepth`, and the limits of scripts, bodies and metadata apply; the others concern
   *  connections. */
  readonly limits?: LimitOptions | undefined;
  readonly clock?: Clock | undefined;
  /** Wrap every call; the first one is the outermost. */
  readonly interceptors?: readonly OutgoingInterceptor[] | undefined;
  /** How often a call of an `idempotent` method is sent again after the carrier was unavailable. Default 0 */
  readonly retries?: number | undefined;
  /** `python` for a host of the reference that does not know `null`, `true`, `false` */
  readonly dialect?: Dialect | undefined;
}

const CALLS_OVER_OPTIONS: OptionsOf<CallsOverOptions> = {
  limits: limitOptions,
  clock: aClock,
  interceptors: functions,
  retries: aCount,
  dialect: dialectOption,
};

/** The calls of a `Link`, without a connection. */
export interface CallsOver<S extends Service> {
  /** The methods of the service; each call waits for its result. */
  readonly call: Calls<S["methods"]>;
  /** The same without waiting: resolves when the carrier has the call. */
  readonly post: Posts<S["methods"]>;
  /** The same as `call`, except that an error that the method declares is returned: `{ ok }` or `{ error }`. */
  readonly try: Tries<S["methods"]>;
  /** Several calls, possibly nested, in one. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["methods"]>) => T,
    options?: CallOptions,
  ): Promise<ScriptResults<T>>;
}

/** Typed calls of the service, delivered by the carrier. Methods whose raw data has no declared length, or follows a
 *  result, require a connection: their calls are refused. @throws HbiError invalid_argument */
export function callsOver<S extends Service>(
  service: S,
  carrier: CallCarrier,
  options: CallsOverOptions = {},
): CallsOver<S> {
  checkOptions(options, "callsOver", CALLS_OVER_OPTIONS);
  const { interceptors, retries, dialect, clock = systemClock } = options;
  const table = entryTable({}, service.values, ignore as never); // no method is landed here
  const sender = carrierSender(
    service.name,
    carrier,
    clock,
    resolveLimits(options.limits, "client"),
    new HostingEnv(table),
  );
  const caller = new Caller(sender, { writer: table.writer, dialect, interceptors, retries });
  return {
    call: callsOf<S["methods"]>(service.methods, caller),
    post: postsOf<S["methods"]>(service.methods, caller),
    try: triesOf<S["methods"]>(service.methods, caller),
    script: <const T extends ScriptPlan>(build: (script: ScriptMethods<S["methods"]>) => T, given: CallOptions = {}) =>
      caller.script<S["methods"], T>(service.methods, build, given),
  };
}

/** Of the answer; undefined if the carrier gave no list. */
type Objects = readonly unknown[] | undefined;

/** What differs from call to call. */
type Content = Pick<CarriedCall, "kind" | "name" | "params" | "code" | "onlyOurs" | "bodyBytes" | "body"> &
  Pick<BuiltScript, "results" | "methodOf">;

function carrierSender(
  service: string,
  carrier: CallCarrier,
  clock: Clock,
  limits: Limits,
  env: HostingEnv,
): CallSender {
  const waits = new Waits(clock, limits.callTimeoutMs);
  const land = (text: string): unknown => {
    if (typeof text !== "string") throw failure("bad_answer", "an object is not a string");
    const value = landValue(parseValue(text, limits), env);
    return isUnseen(value) ? withLanded(value, false) : value;
  };
  const carry = (content: Content, options: CallOptions): Promise<readonly unknown[]> =>
    carried(content, options).catch((thrown: unknown) => {
      const own = ownError(thrown);
      throw own === undefined ? thrown : ofCall(recognised(own, content.methodOf ?? (() => undefined)), content.name);
    });
  const carried = async (content: Content, options: CallOptions): Promise<readonly unknown[]> => {
    const { results, methodOf: _, ...call } = content;
    const { metadata = NO_METADATA } = options;
    metadataField(metadata, limits.maxMetadataBytes); // the same bounds as on a connection
    const timeoutMs = timeoutOf({ limits }, options);
    const wait = waits.start<Objects>({ timeoutMs, signal: options.signal });
    if (wait.isSettled) return checkedObjects(content, await wait.promise); // cancelled before it began: it rejects
    const abort = new AbortController();
    wait.promise.catch((error) => abort.abort(error));
    const { signal } = abort;
    delivered(carrier, { ...call, service, metadata, timeoutMs, signal, resultCount: results.length, land }).then(
      (objects) => wait.settle(objects),
      (error) => wait.fail(error),
    );
    return checkedObjects(content, await wait.promise);
  };
  const send = async (content: Content, sending: Sending): Promise<readonly unknown[]> => {
    const source = bodyOf(sending, content.bodyBytes);
    let body: ArrayBufferView | Feed | undefined;
    try {
      body = source === undefined ? undefined : exactly(source, content.bodyBytes);
      return await carry({ ...content, body }, sending.options);
    } finally {
      release(body ?? source); // closes the source once
    }
  };
  return {
    clock,
    limits,
    call: (sending, writing) => {
      const answer = send(contentOf("call", sending, writing, limits), sending);
      return leading(answer.then(([result]) => result));
    },
    post: (sending, writing) => {
      const landed = markHandled(send(contentOf("post", sending, writing, limits), sending));
      return Promise.resolve({ waitCompleted: () => leading(landed.then(ignore)) });
    },
    script: async ({ name, code, onlyOurs, calls, results, methodOf }, options) => {
      const { maxCallsPerScript, maxStatements } = limits;
      if (calls > maxCallsPerScript) throw failure("too_many_calls", `at most ${maxCallsPerScript}`);
      if (results.length > maxStatements) throw failure("too_many_statements", `at most ${maxStatements}`);
      const declared = results.filter((schema) => schema !== undefined);
      const call = { kind: "script", name, params: code, code, onlyOurs, bodyBytes: 0, body: undefined } as const;
      return carry({ ...call, results: declared, methodOf }, options);
    },
  };
}

/** @throws HbiError invalid_argument, resource_exhausted: what a connection would refuse, and what requires a
 *  connection */
function contentOf(kind: "call" | "post", sending: Sending, writing: Writing, limits: Limits): Content {
  const { name, method, params } = sending;
  checkBody(sending);
  if (method.spec.body === "manual" || method.needsLane || method.spec.resultBody !== undefined) {
    throw failure("bad_option", "its raw data requires a connection", { of: name });
  }
  const { code, onlyOurs, bodyBytes = 0 } = writeCall(name, method, params, writing);
  const most = method.spec.limits?.call?.maxBodyBytes ?? limits.maxBodyBytes;
  if (bodyBytes > most) throw bodyTooBig(bodyBytes, most, name);
  const { results } = method;
  const methodOf = (called: string) => (called === name ? method : undefined);
  return { kind, name, params, code, onlyOurs, bodyBytes, body: undefined, results, methodOf };
}

/** @throws HbiError invalid_argument if there is none */
function bodyOf({ name, method, options: { body } }: Sending, bytes: number): BodySource | undefined {
  if (method.spec.body === undefined) return undefined;
  if (body === undefined) throw failure("bad_option", "a body is required: pass { body } as an option", { of: name });
  const source = typeof body === "function" ? body() : body;
  keepFromFailingUnheard(source);
  if (bytes > 0) return source;
  release(source);
  return undefined;
}

/** The objects; undefined if the carrier gave no list.
 *  @throws HbiError of the carrier, or that the carrier has failed */
async function delivered(carrier: CallCarrier, call: CarriedCall): Promise<Objects> {
  try {
    const objects: unknown = await carrier.carry(call);
    return Array.isArray(objects) ? [...objects] : undefined; // a copy, which the carrier cannot change any more
  } catch (cause) {
    throw ownError(cause) ?? failure("disconnected", "the carrier has failed", { mayHaveLanded: true, cause });
  }
}

/** @throws HbiError of the host, or that the answer does not fit the call */
function checkedObjects({ kind, name, results }: Content, objects: Objects): readonly unknown[] {
  if (objects === undefined) throw failure("bad_answer", "no list of objects", { of: name });
  const error: unknown = objects.find((object) => object instanceof HbiError);
  if (error !== undefined) throw error;
  if (kind === "post") return [];
  if (objects.length > results.length) throw failure("bad_answer", "more objects than declared", { of: name });
  if (objects.length < results.length) throw failure("no_answer", undefined, { of: name });
  return results.map((schema, i) =>
    schema === undefined ? objects[i] : validate(schema, meant(objects[i], schema, false), "bad_answer", name),
  );
}
