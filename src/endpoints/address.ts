/**
 * Addresses, in one syntax for clients and servers: `{ host, port }`, `{ path }` of a Unix socket, "host:port", or a URL:
 * tcp:, tls:, unix:, ws: and wss:. docs/transports.md.
 */
import { failure } from "../errors.ts";
import { aString, checkOptions, isPlainObject, mustBe } from "../options.ts";

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
  /** "tls://" says true, "tcp://" false; otherwise the option `tls` decides */
  readonly isSecure?: boolean | undefined;
}
export interface PathAddress {
  readonly path: string;
}
/** Of a WebSocket. */
export interface WebAddress {
  /** "wss://example.com/hbi", with its port unless that is the usual one */
  readonly url: string;
}
export type Address = TcpAddress | PathAddress | string;
export type ParsedAddress = TcpAddress | PathAddress | WebAddress;

const DEFAULT_PORT = 3232;

const HOST_PORT = /^(?:(tcp|tls):\/\/)?(\[[0-9A-Fa-f:.]+\]|[^[\]:/\s]+)(?::(\d{1,5}))?\/?$/;
const WEB = /^wss?:\/\//;
const HOST = /^[^[\]/\s]+$/;
const FORMS =
  "an address must be host:port, tcp://host:port, tls://host:port, unix:PATH, ws://host:port/path, wss://host:port/path, { host, port } or { path }";

const aHost = mustBe("the name or IP address of a host", (value) => typeof value === "string" && HOST.test(value));
const aPort = mustBe(
  "an integer from 0 to 65535",
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
);
const MEMBERS = { host: aHost, port: aPort, path: aString };

/** @throws HbiError invalid_argument */
export function parseAddress(address: Address): ParsedAddress {
  if (typeof address === "string") return parsed(address);
  if (!isPlainObject(address)) throw failure("bad_option", `${FORMS}, not ${shown(address)}`);
  checkOptions(address, "an address", MEMBERS);
  const { host, port, path } = address as Partial<TcpAddress & PathAddress>; // checked in the line before
  if (path === undefined) {
    aHost(host, "host", "an address"); // without it, a server would listen on all addresses of its machine
    aPort(port, "port", "an address");
    return { host: host as string, port: port as number }; // checked in the lines before
  }
  if (host !== undefined || port !== undefined) throw failure("bad_option", `${FORMS}, not a mixture`);
  return { path: checkedPath(path) };
}

function parsed(address: string): ParsedAddress {
  if (address.startsWith("unix:")) return { path: checkedPath(address.slice(address.startsWith("unix://") ? 7 : 5)) };
  if (WEB.test(address)) return { url: webUrl(address) };
  const match = HOST_PORT.exec(address);
  if (match === null) throw failure("bad_option", `${FORMS}, not ${shown(address)}`);
  const [, scheme, named = "", digits] = match;
  checkNoPort(named);
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  aPort(port, "port", "an address");
  const host = named.replace(/^\[|\]$/g, "");
  return scheme === undefined ? { host, port } : { host, port, isSecure: scheme === "tls" };
}

function checkNoPort(host: string): void {
  if (/^\d+$/.test(host)) throw failure("bad_option", `${FORMS}, not a port alone: did you mean "127.0.0.1:${host}"?`);
}

/** Its password is not shown. */
function webUrl(address: string): string {
  checkNoPort(/^wss?:\/\/([^/?#:]*)/.exec(address)?.[1] ?? ""); // which a URL would read as an IP address
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw failure("bad_option", `${FORMS}, not ${shown(address)}`);
  }
  if (url.hash !== "") throw failure("bad_option", "the address of a WebSocket has no fragment (#...)");
  if (url.username !== "" || url.password !== "") {
    throw failure("bad_option", "the address of a WebSocket contains no user or password: declare credentials");
  }
  return url.href;
}

/** Where a server listens for WebSockets. The port is 80, or 443 for wss:, unless the URL names one. */
export function webTarget({ url }: WebAddress): TcpAddress & { readonly isSecure: boolean; readonly path: string } {
  const { protocol, hostname, port, pathname } = new URL(url);
  const isSecure = protocol === "wss:";
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: port === "" ? (isSecure ? 443 : 80) : Number(port), isSecure, path: pathname };
}

function checkedPath(path: string): string {
  if (path === "") throw failure("bad_option", "the path of a Unix socket must not be empty");
  return path;
}

function shown(address: unknown): string {
  if (typeof address === "number") return `${address}: did you mean "127.0.0.1:${address}"?`;
  if (typeof address === "string") return JSON.stringify(address.slice(0, 64));
  return address === null ? "null" : typeof address;
}

/** As it is dialed. */
export function formatAddress(address: ParsedAddress): string {
  if ("path" in address) return address.path;
  if ("url" in address) return address.url;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.isSecure === true ? "tls://" : ""}${host}:${address.port}`;
}

export function isList(address: Address | readonly Address[]): address is readonly Address[] {
  return Array.isArray(address);
}

export const UNUSED_TLS = "the option tls is not used by tcp:// and ws://: write tls:// or wss://";

/** Undefined if the address does not say. */
export function schemeSecurity(address: ParsedAddress): boolean | undefined {
  if ("url" in address) return webTarget(address).isSecure;
  return "host" in address ? address.isSecure : undefined;
}
