/**
 * connect: a consumer's link to a service over WebSockets and message ports, for browsers and every other platform.
 * docs/websocket.md, docs/message-port.md.
 */
import { systemClock } from "../../clock.ts";
import { failure } from "../../errors.ts";
import { aFunction, checkOptions, nested, type OptionsOf } from "../../options.ts";
import type { Params } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import { isMessagePort, type MessagePortLike } from "../../wire/transport/port-events.ts";
import { dialWebSocket, type WebSocketClass } from "../../wire/transport/web-socket-dial.ts";
import { isList, parseAddress } from "../address.ts";
import { dialInTurn } from "./dial-in-turn.ts";
import { LINK_OPTIONS, Link, type LinkOptions, type ReactionsOf } from "./link.ts";
import { withoutOwn } from "./link-options.ts";
import { portDial } from "./port-dial.ts";
import type { Dial } from "./reconnect.ts";
import type { Surplus } from "./service-env.ts";

export interface WebSocketClientOptions {
  /** The class to use. Default: the `WebSocket` of the platform. */
  readonly WebSocket?: WebSocketClass | undefined;
}

const CLIENT_OPTIONS: OptionsOf<WebSocketClientOptions> = { WebSocket: aFunction };

export type WebLinkOptions<S extends Service> = LinkOptions<S> & {
  readonly webSocket?: WebSocketClientOptions | undefined;
};

const CONNECT_OPTIONS: OptionsOf<WebLinkOptions<Service>> = {
  ...LINK_OPTIONS,
  webSocket: nested<WebSocketClientOptions>(CLIENT_OPTIONS),
};

/** Reactions are optional if the definition has none; options are optional if it has no credentials. */
export type WebConnectArguments<S extends Service, H = ReactionsOf<S>> = S["credentials"] extends Params
  ? [reactions: H & Surplus<H, S["reactions"]>, options: WebLinkOptions<S>]
  : [keyof S["reactions"]] extends [never]
    ? [reactions?: H & Surplus<H, S["reactions"]>, options?: WebLinkOptions<S>]
    : [reactions: H & Surplus<H, S["reactions"]>, options?: WebLinkOptions<S>];

/** Connects to a service over a WebSocket: to the first of its addresses that accepts. An address is a URL such as
 *  `wss://example.com/hbi`. Rejects if none accepts, except with `reconnect.waitForFirst`. `maxBufferedBytes` is 16 MiB
 *  unless `limits` says otherwise. `connect` of `hbi/node` also knows sockets.
 *  Instead of an address, it is a message port or a worker, whose other end the service accepts; or a function dials,
 *  which may call `dialMessagePort`.
 *  @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled; invalid_argument for a missing
 *  reaction, and if the platform has no WebSocket */
export async function connect<S extends Service, H extends ReactionsOf<S> = ReactionsOf<S>>(
  service: S,
  address: string | readonly string[] | MessagePortLike | Dial,
  ...[reactions = {} as never, options = {} as WebLinkOptions<S>]: WebConnectArguments<S, H> // omitted where that is permitted
): Promise<Link<S>> {
  checkOptions(options, "connect", CONNECT_OPTIONS);
  const { clock = systemClock, webSocket } = options;
  const own = withoutOwn(options, "webSocket");
  if (typeof address === "function" || isMessagePort(address)) {
    if (webSocket !== undefined) throw failure("bad_option", "webSocket is for an address ws:// or wss://");
    const dial = typeof address === "function" ? address : portDial(address, clock, options.reconnect !== undefined);
    return new Link<S>(service, dial, reactions, own).open();
  }
  const dials = (isList(address) ? address : [address]).map((one): Dial => {
    const url = webUrlOf(one);
    return (dialing) => dialWebSocket(url, { ...dialing, clock, WebSocket: webSocket?.WebSocket });
  });
  Object.defineProperty(own, "limits", { value: { maxBufferedBytes: BUFFERED_BYTES, ...options.limits } });
  return new Link<S>(service, dialInTurn(dials), reactions, own).open();
}

/** A standard WebSocket cannot be paused: what a service sends at once must have room, also while this side is busy. Once
 *  lanes are in use, it sends no more than this side has asked for. */
const BUFFERED_BYTES = 16 * 1024 * 1024;

function webUrlOf(address: string): string {
  const parsed = parseAddress(address);
  if ("url" in parsed) return parsed.url;
  throw failure("bad_option", "connect of the portable entry knows ws:// and wss:// only: import it from hbi/node");
}
