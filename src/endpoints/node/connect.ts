/**
 * connect: a consumer's link to a service over Node's sockets. docs/services.md.
 */
import { systemClock } from "../../clock.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Params } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import { type ClientTls, clientTls } from "../../wire/transport/node-tls-options.ts";
import type { Address } from "../address.ts";
import { LINK_OPTIONS, Link, type LinkOptions, type ReactionsOf } from "../service/link.ts";
import type { Surplus } from "../service/service-env.ts";
import { dialer } from "./dialer.ts";

/** `tls`, possibly `{}`: connects over TLS and verifies the server. Read for each connection. */
export type ConnectLinkOptions<S extends Service> = LinkOptions<S> & { readonly tls?: ClientTls | undefined };

const CONNECT_OPTIONS: OptionsOf<ConnectLinkOptions<Service>> = { ...LINK_OPTIONS, tls: clientTls };

/** Reactions are optional if the definition has none; options are optional if it has no credentials. */
export type ConnectArguments<S extends Service, H = ReactionsOf<S>> = S["credentials"] extends Params
  ? [reactions: H & Surplus<H, S["reactions"]>, options: ConnectLinkOptions<S>]
  : [keyof S["reactions"]] extends [never]
    ? [reactions?: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>]
    : [reactions: H & Surplus<H, S["reactions"]>, options?: ConnectLinkOptions<S>];

/** Connects to a service: to the first of its addresses that accepts. Rejects if none does, except with
 *  `reconnect.waitForFirst`.
 *  @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled; invalid_argument for a missing
 *  reaction */
export async function connect<S extends Service, H extends ReactionsOf<S> = ReactionsOf<S>>(
  service: S,
  address: Address | readonly Address[],
  ...[reactions = {} as never, options = {} as ConnectLinkOptions<S>]: ConnectArguments<S, H> // omitted where that is permitted
): Promise<Link<S>> {
  checkOptions(options, "connect", CONNECT_OPTIONS);
  const { clock = systemClock } = options;
  const dial = dialer(address, { clock, tls: () => options.tls });
  const link = new Link<S>(service, dial, reactions, withoutTls(options));
  return link.open();
}

/** The options of the link. Their getters are kept: `credentials` is read for each connection, as is `tls`. */
function withoutTls<S extends Service>(options: ConnectLinkOptions<S>): LinkOptions<S> {
  const { tls: _, ...own } = Object.getOwnPropertyDescriptors(options);
  return Object.defineProperties({}, own) as LinkOptions<S>; // the same members
}
