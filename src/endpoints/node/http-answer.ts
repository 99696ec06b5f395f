/**
 * What a port for WebSockets answers to requests that are none: short, and never with text of the request.
 */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { encodePacket } from "../../wire/packet.ts";
import { ignore } from "../waits.ts";

/** A browser, or a person who looks whether the server is there. */
const PAGE = `<!doctype html>
<html lang="en">
<title>HBI over WebSocket</title>
<p>This port speaks HBI over WebSocket, and serves no pages.
Connect with a client of the service, at this URL with <code>ws:</code> or <code>wss:</code>.</p>
</html>
`;

export function answerPage(response: ServerResponse): void {
  response.writeHead(426, {
    connection: "close",
    upgrade: "websocket",
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(PAGE),
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  response.end(PAGE);
}

const WORDS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Refuses an upgrade, and closes. */
export function refuseUpgrade(socket: Duplex, status: keyof typeof WORDS, why: string): void {
  const body = `${why}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${WORDS[status]}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 429 || status === 503 ? ["Retry-After: 1"] : []),
  ];
  end(socket, `${lines.join("\r\n")}\r\n\r\n${body}`);
}

/** The first bytes were no HTTP request; those of a peer that speaks HBI without a WebSocket begin with a bracket. */
export function refuseBytes(socket: Duplex, first: string, code: string): void {
  if (first.startsWith("["))
    end(socket, encodePacket("err", "this port speaks HBI over WebSocket: connect to it by a ws:// or wss:// address"));
  else if (code === "HPE_HEADER_OVERFLOW") refuseUpgrade(socket, 431, "the header of the request is too large");
  else refuseUpgrade(socket, 400, "this port speaks HBI over WebSocket");
}

function end(socket: Duplex, text: string): void {
  socket.on("error", ignore);
  if (socket.writableEnded) socket.destroy(); // it has its answer, and does not close
  if (socket.destroyed) return;
  socket.once("finish", () => socket.destroy());
  socket.end(text);
}
