/**
 * Outgoing: sends the calls of typed methods: in one piece if everything is available, as a conversation if raw data is
 * still to come. docs/services.md.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, ofCall } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import { OnDemand } from "../../on-demand.ts";
import { type Writing, writeCall } from "../../registry/call-text.ts";
import { declaresErrors } from "../../registry/declared-errors.ts";
import type { Method } from "../../registry/method.ts";
import { keepFromFailingUnheard, release, sizeOf } from "../conversation/body-source.ts";
import { metadataField } from "../conversation/metadata.ts";
import { leading } from "../failing.ts";
import { asBytes } from "../lane/buffers.ts";
import { Call, type CallRequest, type Home } from "../session/call.ts";
import { CONVERSING } from "../session/conversing.ts";
import { checkTimeout, ignore, Waits } from "../waits.ts";
import type { CallSender } from "./caller.ts";
import type { AnyCallOptions, CallOptions, Posted } from "./calls.ts";
import type { BuiltScript } from "./script-builder.ts";
import type { Streaming } from "./streaming.ts";

/** For raw data that is still to come. */
export const STREAMING: OnDemand<typeof Streaming> = new OnDemand("what streams raw data", async () => {
  await CONVERSING.load();
  return (await import("./streaming.ts")).Streaming;
});

/** A call that is about to be sent. */
export interface Sending {
  readonly name: string;
  readonly method: Method;
  readonly params: unknown;
  readonly options: AnyCallOptions;
}

/** Sends calls: on the connection of a peer, or on the current or next connection of a link. */
export interface Carrier {
  readonly clock: Clock;
  readonly limits: Limits;
  /** where a call waits for a connection */
  readonly home: Home | undefined;
  nextOrder(): number;
  /** Begins the call now or when there is a connection; otherwise fails it. */
  place(call: Call): void;
}

/** Calls on the carrier's connections. */
export function connectionSender(carrier: Carrier): CallSender {
  const { clock, limits } = carrier;
  const sender: CallSender = {
    clock,
    limits,
    call: (sending, writing) => {
      if (isMissing(sending)) return loadedFirst(carrier, sending, (later) => sender.call(later, writing));
      const call = callOf(carrier, sending, writing, true);
      carrier.place(call);
      return call.promise;
    },
    post: (sending, writing) => {
      if (isMissing(sending)) return loadedFirst(carrier, sending, (later) => sender.post(later, writing));
      const call = callOf(carrier, sending, writing, false);
      carrier.place(call);
      return postedOf(call);
    },
    script: async (script, options) => {
      const call = callOfScript(carrier, script, options);
      carrier.place(call);
      return (await call.promise) as readonly unknown[]; // a list, as requested
    },
  };
  return sender;
}

/** In a bundle, the first call with raw data waits for what streams it. */
function isMissing({ method }: Sending): boolean {
  return STREAMING.part === undefined && mayStream(method);
}

async function loadedFirst<T>(carrier: Carrier, sending: Sending, send: (sending: Sending) => Promise<T>): Promise<T> {
  const { name, options } = sending;
  const { clock, limits } = carrier;
  const timeoutMs = timeoutOf(carrier, options);
  const untilMs = clock.now() + timeoutMs;
  const source = typeof options.body === "function" ? undefined : options.body;
  if (source !== undefined) keepFromFailingUnheard(source);
  try {
    await new Waits(clock, limits.callTimeoutMs).until(STREAMING.load(), { timeoutMs, signal: options.signal });
  } catch (thrown) {
    release(source);
    throw ofCall(asHbiError(thrown), name);
  }
  return await send({ ...sending, options: { ...options, timeoutMs: Math.max(untilMs - clock.now(), 1) } });
}

function mayStream({ takesRawData, spec }: Method): boolean {
  return takesRawData || spec.resultBody !== undefined;
}

/** @throws Error before it was loaded */
function streaming(...of: ConstructorParameters<typeof Streaming>): Streaming {
  if (STREAMING.part === undefined) throw new Error("what streams raw data is not loaded");
  return new STREAMING.part(...of);
}

/** A call of a method. @throws HbiError if it cannot be sent */
function callOf(carrier: Carrier, sending: Sending, writing: Writing, wantsResults: boolean): Call {
  const { name, method, params, options } = sending;
  checkBody(sending);
  const written = writeCall(name, method, params, writing);
  const { code, onlyOurs, bodyBytes } = written;
  const body = wholeBody(sending, bodyBytes);
  const isWhole = body !== undefined || !mayStream(method);
  const request: CallRequest = {
    code,
    onlyOurs,
    name,
    method,
    bodyBytes: bodyBytes === TO_THE_END ? sizeOf(options.body) : bodyBytes,
    methodOf: declaresErrors(method) ? (called) => (called === name ? method : undefined) : undefined,
    results: method.results,
    wantsResults,
    timeoutMs: timeoutOf(carrier, options),
    signal: options.signal,
    metadata: metadataField(options.metadata, carrier.limits.maxMetadataBytes),
    body,
    talk: isWhole ? undefined : streaming(carrier, sending, written, wantsResults),
  };
  return new Call(carrier.clock, request, carrier.home, carrier.nextOrder());
}

function callOfScript(carrier: Carrier, script: BuiltScript, options: CallOptions): Call {
  const { clock, home } = carrier;
  const { name, code, onlyOurs, methodOf } = script;
  const request: CallRequest = {
    code,
    onlyOurs,
    name,
    methodOf,
    results: script.results.filter((schema) => schema !== undefined),
    wantsResults: true,
    isList: true,
    timeoutMs: timeoutOf(carrier, options),
    signal: options.signal,
    metadata: metadataField(options.metadata, carrier.limits.maxMetadataBytes),
  };
  return new Call(clock, request, home, carrier.nextOrder());
}

/** The promises of a call that is not awaited. */
function postedOf(call: Call): Promise<Posted> {
  const posted: Posted = { waitCompleted: () => leading(call.promise.then(ignore)) };
  const { whenSent } = call;
  return whenSent === undefined ? Promise.resolve(posted) : leading(whenSent.then(() => posted));
}

/** Raw data that is available as a whole. The caller reads raw data behind a result. */
function wholeBody({ method, options: { body } }: Sending, bytes = 0): Uint8Array | undefined {
  if (bytes === 0 || method.spec.resultBody !== undefined || !ArrayBuffer.isView(body)) return undefined;
  return bytes === body.byteLength ? asBytes(body) : undefined;
}

/** @throws HbiError invalid_argument */
export function timeoutOf({ limits }: Pick<Carrier, "limits">, { timeoutMs }: AnyCallOptions): number {
  return checkTimeout(timeoutMs) ?? limits.callTimeoutMs;
}

/** @throws HbiError invalid_argument for raw data that the method does not take */
export function checkBody({ name, method, options }: Sending): void {
  const { body } = method.spec;
  if ((body === undefined || body === "manual") && options.body !== undefined)
    throw failure("bad_option", "it accepts no body", { of: name });
  if (body !== "manual" && options.send !== undefined)
    throw failure("bad_option", "it does not support send", { of: name });
}
