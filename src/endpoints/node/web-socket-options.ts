/**
 * The options of a server for WebSockets. docs/websocket.md.
 */
import { failure } from "../../errors.ts";
import { aBoolean, mustBe, nested, type OptionsOf } from "../../options.ts";
import { checkOrigins, type Origins, TrustedProxies } from "./upgrade-request.ts";

export interface WebSocketOptions {
  /** The origins of pages that may connect, such as "https://example.com"; or a function that decides. Default: none, so
   *  that no page can. Programs other than browsers send no origin, and are not concerned. */
  readonly origins?: Origins | undefined;
  /** The most bytes of a message. Default: 256 KiB */
  readonly maxPayload?: number | undefined;
  /** Compresses messages for clients that accept it. It costs CPU and memory on both sides, and makes secrets guessable
   *  beside text that an attacker chooses. Default: false */
  readonly compression?: boolean | undefined;
  /** The addresses and networks of proxies, whose header `x-forwarded-for` then says who the client is; "unix" for a
   *  Unix socket. Default: none */
  readonly trustedProxies?: readonly string[] | undefined;
}

const MOST_PAYLOAD_BYTES = 256 * 1024 * 1024;

export const WEB_SOCKET_OPTIONS: OptionsOf<WebSocketOptions> = {
  origins: checkOrigins,
  maxPayload: mustBe(
    "an integer from 125 to 268435456",
    (value) => Number.isSafeInteger(value) && Number(value) >= 125 && Number(value) <= MOST_PAYLOAD_BYTES,
  ),
  compression: aBoolean,
  trustedProxies: (value, name) => {
    const isList = Array.isArray(value) && value.every((each) => typeof each === "string");
    if (!isList) throw failure("bad_option", `${name} must be a list of addresses and networks`);
    new TrustedProxies(value);
  },
};

export const webSocketOptions = nested<WebSocketOptions>(WEB_SOCKET_OPTIONS);
