/**
 * Dials a WebSocket, with the standard class of the platform or another one. docs/websocket.md.
 */
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, HbiError } from "../../errors.ts";
import { aClock, aFunction, aSignal, aTime, checkOptions, type OptionsOf } from "../../options.ts";
import type { Transport } from "../transport.ts";
import { placeOf, SUBPROTOCOL, type WebSocketLike, webSocketTransport } from "./web-socket.ts";

/** The standard class, or one with the same interface. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

export interface WebSocketDialOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
  /** The class to use. Default: the `WebSocket` of the platform. */
  readonly WebSocket?: WebSocketClass | undefined;
}

const DIAL_OPTIONS: OptionsOf<WebSocketDialOptions> = {
  timeoutMs: aTime,
  signal: aSignal,
  clock: aClock,
  WebSocket: aFunction,
};

/** Why a server refused the upgrade, for the person who must fix it. ws names the status; a browser says nothing. */
const STATUSES: ReadonlyMap<string, string> = new Map([
  ["400", "the server refuses the request: is it HBI over WebSocket?"],
  ["401", "the server requires authentication"],
  ["403", "the server does not admit this origin: see its option origins"],
  ["404", "the server has nothing at this path"],
  ["426", "the server wants another protocol"],
  ["429", "the server has too many connections of this address"],
  ["503", "the server is closing, or has too many connections"],
]);

const NO_CLASS =
  "this platform has no WebSocket: pass a class as the option webSocket.WebSocket, such as that of the package ws";

/** Connects. `timeoutMs` bounds everything. @throws HbiError unavailable, deadline_exceeded, cancelled; invalid_argument
 *  for what can never be dialed */
export function dialWebSocket(url: string, options: WebSocketDialOptions): Promise<Transport> {
  return openWebSocket(url, () => new (options.WebSocket ?? standardClass())(url, [SUBPROTOCOL]), options);
}

/** @param explain the error for a cause that the caller knows better */
export function openWebSocket(
  url: string,
  create: () => WebSocketLike,
  options: WebSocketDialOptions,
  explain: (cause: Error) => HbiError | undefined = () => undefined,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    checkOptions(options, "dialWebSocket", DIAL_OPTIONS);
    const { timeoutMs, signal, clock = systemClock } = options;
    if (signal?.aborted === true) throw failure("cancelled", "connect", { cause: signal.reason });
    const place = placeOf(url);
    const socket = created(create, place);
    let isDone = false;
    const done = (): void => {
      isDone = true;
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    const giveUp = (error: HbiError): void => {
      if (isDone) return;
      done();
      reject(error);
      socket.close();
    };
    const onAbort = (): void => giveUp(failure("cancelled", "connect", { cause: signal?.reason }));
    const timer = afterHearing(clock, timeoutMs, () => giveUp(failure("timeout", `connect to ${place}`)));
    signal?.addEventListener("abort", onAbort, { once: true });
    const onFailed = (why: unknown): void => giveUp(failed(place, why, explain));
    socket.addEventListener("error", ({ error }) => onFailed(error));
    socket.addEventListener("close", () => onFailed(undefined));
    socket.addEventListener("open", () => {
      if (isDone) return;
      if (socket.protocol !== SUBPROTOCOL) {
        giveUp(failure("connect_failed", `${place}: the server does not speak HBI: it selected no subprotocol "hbi"`));
        return;
      }
      try {
        const transport = webSocketTransport(socket, { clock });
        done();
        resolve(transport);
      } catch (thrown) {
        giveUp(asHbiError(thrown));
      }
    });
  });
}

function standardClass(): WebSocketClass {
  const { WebSocket: standard } = globalThis as { WebSocket?: WebSocketClass };
  if (standard === undefined) throw failure("bad_option", NO_CLASS);
  return standard;
}

/** The class throws for what can never be dialed, such as ws: from a page that was loaded over https:. */
function created(create: () => WebSocketLike, place: string): WebSocketLike {
  try {
    return create();
  } catch (cause) {
    if (cause instanceof HbiError) throw cause;
    const words = cause instanceof Error ? cause.message : "refused";
    throw failure("bad_option", `${place} cannot be dialed: ${words}`, { cause });
  }
}

/** ws says why; a standard WebSocket does not. */
function failed(place: string, cause: unknown, explain: (cause: Error) => HbiError | undefined): HbiError {
  if (!(cause instanceof Error) || cause.message === "")
    return failure("connect_failed", `${place}: is the server running, and does it admit this origin?`, { cause });
  const status = /Unexpected server response: (\d+)/.exec(cause.message)?.[1];
  if (status === undefined) return explain(cause) ?? failure("connect_failed", `${place}: ${cause.message}`, { cause });
  const words = STATUSES.get(status) ?? "is there a proxy in between?";
  return failure("connect_failed", `${place}: HTTP status ${status}: ${words}`, { cause });
}
