/**
 * Addresses: `{ host, port }`, `{ path }` of a Unix socket, "host:port", or a URL "tcp://host:port".
 */
import { failure } from "../errors.ts";

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

/** @throws HbiError invalid_argument */
export function parseAddress(address: Address): TcpAddress | PathAddress {
  if (typeof address !== "string") {
    if ("path" in address) return address;
    return { host: address.host, port: checkPort(address.port) };
  }
  if (address.startsWith("unix:")) return { path: address.slice(address.startsWith("unix://") ? 7 : 5) };
  const match = HOST_PORT.exec(address);
  if (match === null) throw failure("bad_option", "an address must be host:port, tcp://host:port or unix:PATH");
  const host = (match[1] ?? "").replace(/^\[|\]$/g, "");
  return { host, port: checkPort(match[2] === undefined ? DEFAULT_PORT : Number(match[2])) };
}

function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw failure("bad_option", "port");
  return port;
}

export function formatAddress(address: TcpAddress | PathAddress): string {
  if ("path" in address) return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
