/**
 * Addresses: `{ host, port }`, `{ path }` of a Unix socket, "host:port", or a URL "tcp://host:port".
 */
import { failure } from "../errors.ts";
import { aString, checkOptions, isPlainObject, mustBe } from "../options.ts";

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}
export interface PathAddress {
  readonly path: string;
}
export type Address = TcpAddress | PathAddress | string;

const DEFAULT_PORT = 3232;

const HOST_PORT = /^(?:tcp:\/\/)?(\[[0-9A-Fa-f:.]+\]|[^[\]:/\s]+)(?::(\d{1,5}))?\/?$/;
const HOST = /^[^[\]/\s]+$/;
const FORMS = "an address must be host:port, tcp://host:port, unix:PATH, { host, port } or { path }";

const aHost = mustBe("the name or IP address of a host", (value) => typeof value === "string" && HOST.test(value));
const aPort = mustBe(
  "an integer from 0 to 65535",
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
);
const MEMBERS = { host: aHost, port: aPort, path: aString };

/** @throws HbiError invalid_argument */
export function parseAddress(address: Address): TcpAddress | PathAddress {
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

function parsed(address: string): TcpAddress | PathAddress {
  if (address.startsWith("unix:")) return { path: checkedPath(address.slice(address.startsWith("unix://") ? 7 : 5)) };
  const match = HOST_PORT.exec(address);
  if (match === null) throw failure("bad_option", `${FORMS}, not ${shown(address)}`);
  const [, named = "", digits] = match;
  if (/^\d+$/.test(named))
    throw failure("bad_option", `${FORMS}, not a port alone: did you mean "127.0.0.1:${named}"?`);
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  aPort(port, "port", "an address");
  return { host: named.replace(/^\[|\]$/g, ""), port };
}

function checkedPath(path: string): string {
  if (path === "") throw failure("bad_option", "the path of a Unix socket must not be empty");
  return path;
}

function shown(address: unknown): string {
  if (typeof address === "number") return `${address}: did you mean "127.0.0.1:${address}"?`;
  return typeof address === "string" ? JSON.stringify(address.slice(0, 64)) : typeof address;
}

export function formatAddress(address: TcpAddress | PathAddress): string {
  if ("path" in address) return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
