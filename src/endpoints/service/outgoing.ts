/**
 * Outgoing: one typed call on its way: as a whole where all of it is there, bit by bit where raw data is still to come.
 * docs/services.md.
 */
import type { Clock } from "../../clock.ts";
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { type Writing, writeCall } from "../../registry/call-text.ts";
import type { Method } from "../../registry/method.ts";
import { asBytes } from "../lane/raw-intake.ts";
import { type Home, PoCall } from "../session/po-call.ts";
import { checkTimeout, ignore, markHandled } from "../waits.ts";
import type { AnyCallOptions, Posted } from "./calls.ts";
import { Streaming } from "./streaming.ts";

/** A call as it is about to be sent. */
export interface Sending {
  readonly name: string;
  readonly method: Method;
  readonly params: unknown;
  readonly options: AnyCallOptions;
}

/** What calls are sent on: the connection of a peer, or of a link the present one or the next. */
export interface Carrier {
  readonly clock: Clock;
  readonly limits: Limits;
  /** where a call waits for a connection */
  readonly home: Home | undefined;
  nextOrder(): number;
  /** Begins it now, or when there is a connection; else it fails. */
  place(call: PoCall | Streaming): void;
}

/** Sends, and waits for the answer. @throws HbiError at once for what can't be sent */
export function sendCall(carrier: Carrier, sending: Sending, writing: Writing): Promise<unknown> {
  const call = begun(carrier, sending, writing, true);
  return call.promise;
}

/** Sends; resolves when it is handed to the wire. @throws HbiError at once for what can't be sent */
export function sendPost(carrier: Carrier, sending: Sending, writing: Writing): Promise<Posted> {
  const call = begun(carrier, sending, writing, false);
  if (call instanceof Streaming) return call.sent;
  const posted: Posted = { waitCompleted: () => markHandled(call.promise.then(ignore)) };
  return markHandled(call.whenSent?.then(() => posted) ?? Promise.resolve(posted));
}

function begun(carrier: Carrier, sending: Sending, writing: Writing, wantsAnswer: boolean): PoCall | Streaming {
  const { name, method, params, options } = sending;
  checkBody(sending);
  const { code, onlyOurs, bodyBytes } = writeCall(name, method, params, writing);
  const timeoutMs = timeoutOf(carrier, options);
  const body = wholeBody(sending, bodyBytes);
  const isWhole = body !== undefined || !(method.takesRawData || method.spec.resultBody !== undefined);
  const { results } = method;
  const { signal } = options;
  const call = isWhole
    ? callOf(carrier, { code, onlyOurs, name, results, wantsResults: wantsAnswer, timeoutMs, signal, body })
    : new Streaming(carrier, sending, { code, onlyOurs, bodyBytes }, timeoutMs, wantsAnswer);
  carrier.place(call);
  return call;
}

export function callOf(carrier: Carrier, request: ConstructorParameters<typeof PoCall>[2]): PoCall {
  return new PoCall(carrier.clock, carrier.limits, request, carrier.home, carrier.nextOrder());
}

/** Raw data that is there as a whole. What stands behind a result is for who reads on. */
function wholeBody({ method, options: { body } }: Sending, bytes = 0): Uint8Array | undefined {
  if (bytes === 0 || method.spec.resultBody !== undefined || !ArrayBuffer.isView(body)) return undefined;
  return bytes === body.byteLength ? asBytes(body) : undefined;
}

/** @throws HbiError invalid_argument */
export function timeoutOf({ limits }: Carrier, { timeoutMs }: AnyCallOptions): number {
  return checkTimeout(timeoutMs) ?? limits.callTimeoutMs;
}

function checkBody({ name, method, options }: Sending): void {
  const { body } = method.spec;
  if (typeof body !== "function" && options.body !== undefined) throw failure("bad_option", `${name} takes no body`);
  if (body !== "manual" && options.send !== undefined) throw failure("bad_option", `${name} sends nothing by hand`);
}
