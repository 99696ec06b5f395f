/**
 * connect: a consumer's link to a service over Node's sockets. docs/services.md.
 */
import { Duplex } from "node:stream";
import { systemClock } from "../../clock.ts";
import { failure } from "../../errors.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Params } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import { duplexTransport } from "../../wire/transport/node-socket.ts";
import { type ClientTls, clientTls } from "../../wire/transport/node-tls-options.ts";
import { type NodeWebSocketOptions, nodeWebSocketOptions } from "../../wire/transport/node-web-socket-options.ts";
import { isMessagePort, type MessagePortLike } from "../../wire/transport/port-events.ts";
import type { Address } from "../address.ts";
import { LINK_OPTIONS, Link, type LinkOptions, type ReactionsOf } from "../service/link.ts";
import { withoutOwn } from "../service/link-options.ts";
import { portDial } from "../service/port-dial.ts";
import type { Dial } from "../service/reconnect.ts";
import type { Surplus } from "../service/service-env.ts";
import { dialer } from "./dialer.ts";

/** `tls`, possibly `{}`: connects over TLS and verifies the server. Read for each connection. */
export type ConnectLinkOptions<S extends Service> = LinkOptions<S> & {
  readonly tls?: ClientTls | undefined;
  /** For addresses that are `ws://` or `wss://`. */
  readonly webSocket?: NodeWebSocketOptions | undefined;
};

const CONNECT_OPTIONS: OptionsOf<ConnectLinkOptions<Service>> = {
  ...LINK_OPTIONS,
  tls: clientTls,
  webSocket: nodeWebSocketOptions,
};

/** Reactions are optional if the definition has none; options are optional if it has no credentials. */
export type ConnectArguments<S extends Service, H = ReactionsOf<S>> = S["credentials"] extends Params
  ? [reactions: H & Surplus<H, S["reactions"]>, options: ConnectLinkOptions<S>]
  : [keyof S["reactions"]] extends [never]
    ? [reactions?: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>]
    : [reactions: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>];

/** Connects to a service: to the first of its addresses that accepts. Rejects if none does, except with
 *  `reconnect.waitForFirst`. Instead of an address, a function may dial,
 *  such as that of `spawnPeer`; or it is an open stream, such as a connected socket, a message port, or a worker.
 *  @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled; invalid_argument for a missing
 *  reaction */
export async function connect<S extends Service, H extends ReactionsOf<S> = ReactionsOf<S>>(
  service: S,
  address: Address | readonly Address[] | Dial | Duplex | MessagePortLike,
  ...[reactions = {} as never, options = {} as ConnectLinkOptions<S>]: ConnectArguments<S, H> // omitted where that is permitted
): Promise<Link<S>> {
  checkOptions(options, "connect", CONNECT_OPTIONS);
  const { clock = systemClock, webSocket } = options;
  const dial = dialTo(address, { clock, tls: () => options.tls, webSocket }, options.reconnect !== undefined);
  return new Link<S>(service, dial, reactions, withoutOwn(options, "tls", "webSocket")).open();
}

function dialTo(
  address: Address | readonly Address[] | Dial | Duplex | MessagePortLike,
  options: Parameters<typeof dialer>[1],
  reconnects: boolean,
): Dial {
  const isPort = isMessagePort(address);
  if (!isPort && typeof address !== "function" && !(address instanceof Duplex)) return dialer(address, options);
  if (options.tls() !== undefined || options.webSocket !== undefined)
    throw failure("bad_option", "tls and webSocket are for addresses");
  if (typeof address === "function") return address;
  if (isPort) return portDial(address, options.clock, reconnects);
  if (reconnects) throw failure("bad_option", "reconnect is for addresses: a stream cannot be dialed again");
  const transport = duplexTransport(address);
  return async () => transport;
}
