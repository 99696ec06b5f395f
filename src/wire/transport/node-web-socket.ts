/**
 * Dials WebSockets in Node: by the package ws if it is installed, as only that can pause its peer, send headers, and use
 * the options of TLS; otherwise by the WebSocket of Node itself. docs/websocket.md.
 */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { failure } from "../../errors.ts";
import type { Transport } from "../transport.ts";
import { type ClientTls, clientContext } from "./node-tls-options.ts";
import { dialTrouble } from "./node-tls-trouble.ts";
import { codeOf, dialingWords } from "./node-trouble.ts";
import type { NodeWebSocketOptions } from "./node-web-socket-options.ts";
import { placeOf, SUBPROTOCOL, type WebSocketLike } from "./web-socket.ts";
import { dialWebSocket, openWebSocket, type WebSocketDialOptions } from "./web-socket-dial.ts";

export interface NodeWebSocketDialOptions extends NodeWebSocketOptions, Omit<WebSocketDialOptions, "WebSocket"> {
  /** For wss:. */
  readonly tls?: ClientTls | undefined;
}

/** A server of this library sends messages of at most 64 KiB. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const MAX_FRAGMENTS = 1_024;
const CLOSE_TIMEOUT_MS = 5_000;

/** Connects. @throws HbiError unavailable, deadline_exceeded, cancelled, unauthenticated; invalid_argument */
export async function dialNodeWebSocket(url: string, options: NodeWebSocketDialOptions): Promise<Transport> {
  const { tls, headers = {}, compression = false, ...dialing } = options;
  const { hostname, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const serverName = tls?.serverName ?? host;
  const WebSocket = await packageClass();
  if (WebSocket === undefined) {
    const isPlain = Object.keys(headers).length === 0 && Object.keys(tls ?? {}).length === 0;
    if (!isPlain || !("WebSocket" in globalThis)) throw failure("bad_option", MISSING);
    return dialWebSocket(url, dialing);
  }
  const isSecure = protocol === "wss:";
  const secure = () => ({
    secureContext: clientContext(tls ?? {}),
    rejectUnauthorized: tls?.rejectUnauthorized ?? true, // regardless of the environment
    servername: isIP(serverName) === 0 ? serverName : "",
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(serverName, certificate) as never, // its types say boolean
  });
  const settings = {
    headers,
    perMessageDeflate: compression,
    maxPayload: MAX_PAYLOAD_BYTES,
    maxFragments: MAX_FRAGMENTS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    followRedirects: false,
    ...(isSecure ? secure() : {}),
  };
  const create = (): WebSocketLike => new WebSocket(url, [SUBPROTOCOL], settings) as unknown as WebSocketLike; // its types are narrower
  return openWebSocket(url, create, dialing, (cause) => {
    if (isSecure) return dialTrouble(placeOf(url), serverName, cause);
    const words = dialingWords(cause);
    return words === undefined ? undefined : failure("connect_failed", `${placeOf(url)}: ${words}`, { cause });
  });
}

const MISSING = "to dial ws:// and wss:// here, install the package ws: npm install ws";

/** The class of the package ws; undefined if it is not installed. */
async function packageClass() {
  try {
    return (await import("ws")).WebSocket;
  } catch (cause) {
    if (cause instanceof Error && codeOf(cause) === "ERR_MODULE_NOT_FOUND") return undefined;
    throw cause;
  }
}
