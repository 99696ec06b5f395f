/**
 * connect: a consumer's link to a service over Node's sockets. docs/services.md.
 */
import { systemClock } from "../../clock.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Params } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import { dialSocket } from "../../wire/transport/node-socket.ts";
import { type ClientTls, clientContext, clientTls } from "../../wire/transport/node-tls-options.ts";
import { type Address, parseAddress } from "../address.ts";
import { LINK_OPTIONS, Link, type LinkOptions, type ReactionsOf } from "../service/link.ts";
import type { Dial } from "../service/reconnect.ts";
import type { Surplus } from "../service/service-env.ts";

/** `tls`, possibly `{}`: connects over TLS and verifies the server. Read for each connection. */
export type ConnectLinkOptions<S extends Service> = LinkOptions<S> & { readonly tls?: ClientTls | undefined };

const CONNECT_OPTIONS: OptionsOf<ConnectLinkOptions<Service>> = { ...LINK_OPTIONS, tls: clientTls };

/** Reactions are optional if the definition has none; options are optional if it has no credentials. */
export type ConnectArguments<S extends Service, H = ReactionsOf<S>> = S["credentials"] extends Params
  ? [reactions: H & Surplus<H, S["reactions"]>, options: ConnectLinkOptions<S>]
  : [keyof S["reactions"]] extends [never]
    ? [reactions?: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>]
    : [reactions: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>];

/** Connects to a service. Rejects if the first attempt fails.
 *  @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled; invalid_argument for a missing
 *  reaction */
export async function connect<S extends Service, H extends ReactionsOf<S> = ReactionsOf<S>>(
  service: S,
  address: Address,
  ...[reactions = {} as never, options = {} as ConnectLinkOptions<S>]: ConnectArguments<S, H> // omitted where that is permitted
): Promise<Link<S>> {
  checkOptions(options, "connect", CONNECT_OPTIONS);
  const target = parseAddress(address);
  const { clock = systemClock, tls } = options;
  if (tls !== undefined) clientContext(tls);
  const dial: Dial = (dialing) => dialSocket(target, { ...dialing, clock, tls: options.tls });
  const link = new Link<S>(service, dial, reactions, withoutTls(options));
  return link.open();
}

/** The options of the link. Their getters are kept: `credentials` is read for each connection, as is `tls`. */
function withoutTls<S extends Service>(options: ConnectLinkOptions<S>): LinkOptions<S> {
  const { tls: _, ...own } = Object.getOwnPropertyDescriptors(options);
  return Object.defineProperties({}, own) as LinkOptions<S>; // the same members
}
