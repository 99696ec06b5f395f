/**
 * Dials the addresses of a link, each as its scheme says. docs/transports.md.
 */
import type { Clock } from "../../clock.ts";
import { failure } from "../../errors.ts";
import { dialSocket } from "../../wire/transport/node-socket.ts";
import { serverNameOf } from "../../wire/transport/node-tls-dial.ts";
import { type ClientTls, clientContext } from "../../wire/transport/node-tls-options.ts";
import { checkPath } from "../../wire/transport/node-trouble.ts";
import type { NodeWebSocketOptions } from "../../wire/transport/node-web-socket-options.ts";
import {
  type Address,
  isList,
  type ParsedAddress,
  parseAddress,
  schemeSecurity,
  UNUSED_TLS,
  webTarget,
} from "../address.ts";
import { dialInTurn } from "../service/dial-in-turn.ts";
import type { Dial } from "../service/reconnect.ts";

interface DialerOptions {
  readonly clock: Clock;
  readonly webSocket: NodeWebSocketOptions | undefined;
  /** Read for each connection: a getter may return another certificate. */
  tls(): ClientTls | undefined;
}

/** @throws HbiError invalid_argument for what can never be dialed */
export function dialer(address: Address | readonly Address[], options: DialerOptions): Dial {
  const targets = (isList(address) ? address : [address]).map((one) => parseAddress(one));
  const tls = options.tls();
  const areWeb = targets.map((target) => "url" in target);
  if (options.webSocket !== undefined && !areWeb.includes(true))
    throw failure("bad_option", "webSocket is for an address ws:// or wss://");
  if (tls !== undefined && targets.length > 0 && targets.every((target) => schemeSecurity(target) === false))
    throw failure("bad_option", UNUSED_TLS);
  for (const target of targets) checkTarget(target, tlsFor(target, tls));
  return dialInTurn(targets.map((target) => dialOf(target, options)));
}

function dialOf(target: ParsedAddress, { clock, tls, webSocket }: DialerOptions): Dial {
  if ("url" in target)
    return async (dialing) => {
      const { dialNodeWebSocket } = await import("../../wire/transport/node-web-socket.ts"); // few programs need it
      return dialNodeWebSocket(target.url, { ...dialing, clock, tls: tlsFor(target, tls()), ...webSocket });
    };
  return (dialing) => dialSocket(target, { ...dialing, clock, tls: tlsFor(target, tls()) });
}

/** The scheme says whether TLS is used, or else the option. */
function tlsFor(target: ParsedAddress, tls: ClientTls | undefined): ClientTls | undefined {
  const isSecure = schemeSecurity(target) ?? tls !== undefined;
  return isSecure ? (tls ?? {}) : undefined;
}

function checkTarget(target: ParsedAddress, tls: ClientTls | undefined): void {
  if ("path" in target) checkPath(target.path);
  if (tls === undefined) return;
  clientContext(tls);
  serverNameOf("url" in target ? webTarget(target) : target, tls);
}
