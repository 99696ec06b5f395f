/**
 * What the request of a WebSocket upgrade says: its path, headers and cookies, the page that sends it, and its client
 * behind proxies. Everything in it comes from the peer. docs/websocket.md.
 */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { failure } from "../../errors.ts";
import type { TransportRequest } from "../../wire/transport.ts";

/** Origins that may connect; a function decides by itself. */
export type Origins = readonly string[] | ((origin: string, request: TransportRequest) => boolean);

export function requestOf(request: IncomingMessage): TransportRequest {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, typeof value === "string" ? value : value.join(", "));
  }
  return { path: request.url ?? "/", headers, cookies: cookiesOf(headers.get("cookie") ?? "") };
}

/** The first value of a name counts, as the most specific path comes first. */
function cookiesOf(header: string): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const name = pair.slice(0, equals).trim();
    if (name !== "" && !cookies.has(name)) cookies.set(name, decoded(pair.slice(equals + 1).trim()));
  }
  return cookies;
}

function decoded(value: string): string {
  const text = value.replace(/^"(.*)"$/s, "$1");
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not encoded
  }
}

/** The path without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").replace(/[?#].*$/s, "");
}

// --- origins ---------------------------------------------------------------------------------------------------------

/** @throws HbiError invalid_argument for what is no origin */
export function checkOrigins(origins: unknown, name: string): void {
  if (typeof origins === "function") return;
  if (!Array.isArray(origins)) throw failure("bad_option", `${name} must be a list of origins, or a function`);
  for (const origin of origins) {
    if (typeof origin === "string" && originIn(origin) === origin) continue;
    const words = `${name} must contain origins such as "https://example.com", without a path`;
    throw failure("bad_option", `${words}, not ${JSON.stringify(origin)?.slice(0, 64)}`);
  }
}

function originIn(text: string): string | undefined {
  try {
    const { origin, protocol, host } = new URL(text);
    return origin === "null" ? `${protocol}//${host}` : origin; // of a scheme such as that of browser extensions
  } catch {
    return undefined;
  }
}

/** Programs send no `Origin`. Browsers always send it, and a page cannot change it. */
export function isAdmitted(request: TransportRequest, origins: Origins): boolean {
  const origin = request.headers.get("origin");
  if (origin === undefined) return true;
  return typeof origins === "function" ? origins(origin, request) === true : origins.includes(origin);
}

// --- proxies ---------------------------------------------------------------------------------------------------------

/** A Unix socket, on which a proxy of this machine connects. */
const UNIX = "unix";

/** The addresses of proxies whose header `x-forwarded-for` is believed. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isUnix: boolean;
  readonly #isEmpty: boolean;

  /** @throws HbiError invalid_argument */
  constructor(proxies: readonly string[]) {
    this.#isUnix = proxies.includes(UNIX);
    this.#isEmpty = proxies.length === 0;
    for (const proxy of proxies) if (proxy !== UNIX) this.#add(proxy);
  }

  #add(proxy: string): void {
    const [address = "", bits, ...more] = proxy.split("/");
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (version === 0 || more.length > 0 || !(length <= most)) {
      throw failure(
        "bad_option",
        `trustedProxies: "${proxy.slice(0, 64)}" is no IP address, and no network such as 10.0.0.0/8`,
      );
    }
    this.#list.addSubnet(address, length, version === 4 ? "ipv4" : "ipv6");
  }

  includes(address: string | undefined): boolean {
    if (this.#isEmpty) return false;
    if (address === undefined) return this.#isUnix;
    const version = isIP(address);
    if (version === 0) return false;
    if (version === 6 && this.#list.check(address, "ipv6")) return true;
    return this.#list.check(
      address.replace(/^::ffff:(?=\d+\.)/i, ""),
      isIP(address.replace(/^::ffff:(?=\d+\.)/i, "")) === 4 ? "ipv4" : "ipv6",
    );
  }

  /** The first address from the end that is no trusted proxy: what stands before it may be invented.
   *  @param nearest the peer of the socket */
  clientOf(nearest: string | undefined, forwarded: string | undefined): string | undefined {
    let client = nearest;
    const hops = (forwarded ?? "").split(",").reverse();
    for (const hop of hops) {
      if (!this.includes(client)) return client;
      const address = addressIn(hop.trim());
      if (address === undefined) return client;
      client = address;
    }
    return client;
  }
}

/** Some proxies write the port too. */
function addressIn(hop: string): string | undefined {
  if (isIP(hop) !== 0) return hop;
  const address = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? "";
  return isIP(address) === 0 ? undefined : address;
}
