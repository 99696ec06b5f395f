/**
 * WebSockets: hostile frames, and requests that never become a WebSocket.
 */
import { deflateRawSync } from "node:zlib";
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import type { Attacker } from "../attacker.ts";
import { call, MIB, opening, packet, times } from "../bytes.ts";
import type { Field } from "../field.ts";
import { MAX_PAYLOAD_BYTES } from "../service.ts";

const kind = "web";

function request(headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({
    Host: "depot",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "hbi",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET /hbi HTTP/1.1\r\n${lines.join("")}\r\n`;
}

const [CONTINUATION, TEXT, BINARY, PING] = [0, 1, 2, 9];

/** A frame with the mask 0, which changes nothing. */
function frame(
  opcode: number,
  payload: string | Uint8Array,
  { isLast = true, isMasked = true, first = 0 } = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const head = [(isLast ? 0x80 : 0) | first | opcode];
  const mask = isMasked ? 0x80 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 255);
  else head.push(mask | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(isMasked ? 4 : 0), bytes]);
}

function repeated(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes));
}

/** Each byte of a text in a frame of its own. */
function inPieces(text: string): Buffer {
  return Buffer.concat([...Buffer.from(text)].map((byte) => frame(BINARY, Uint8Array.of(byte))));
}

async function open(field: Field, headers?: Readonly<Record<string, string>>): Promise<Attacker> {
  const attacker = await field.open();
  attacker.say(request(headers), 0);
  await attacker.hears("\r\n\r\n");
  return attacker;
}

/** One connection that sends something once and is cut. */
function framed(
  name: string,
  limit: string,
  caught: Reason,
  bytes: () => Uint8Array,
  more: Partial<Attack> = {},
): Attack {
  return {
    name: `WebSocket: ${name}`,
    limit,
    kind,
    caught,
    ...more,
    async run(field) {
      const attacker = await open(field);
      attacker.say(bytes());
      await attacker.closed;
    },
  };
}

/** One connection that repeats something. */
function flooded(name: string, limit: string, caught: Attack["caught"], bytes: () => Uint8Array): Attack {
  return {
    name: `WebSocket: ${name}`,
    limit,
    kind,
    caught,
    async run(field) {
      const attacker = await open(field);
      await attacker.flood(bytes(), 1, typeof caught === "string" ? field.never : field.over);
      if (typeof caught === "string") await attacker.closed;
    },
  };
}

const COMPRESSED = { "Sec-WebSocket-Extensions": "permessage-deflate" };
/** The bit that says that the message is compressed. */
const DEFLATED = 0x40;

function deflated(bytes: Uint8Array): Buffer {
  return frame(BINARY, deflateRawSync(bytes, { finishFlush: 2 /* Z_SYNC_FLUSH */ }).subarray(0, -4), {
    first: DEFLATED,
  });
}

export const webSockets: readonly Attack[] = [
  flooded("calls in frames of one byte", "maxTurnMs", { by: "one message in a turn of the event loop" }, () =>
    repeated(20, inPieces(call("add(1, 2)"))),
  ),
  framed("a text message", "fixed: bad_frame", "bad_frame", () => frame(TEXT, call("add(1, 2)"))),
  flooded("empty messages", "fixed: 100 empty frames a second", "rate_exceeded", () =>
    repeated(1_000, frame(BINARY, "")),
  ),
  flooded("pings", "fixed: 100 empty frames a second", "rate_exceeded", () =>
    repeated(1_000, frame(PING, "x".repeat(125))),
  ),
  {
    name: "WebSocket: pings, and their answers never read",
    limit: "fixed: 100 empty frames a second",
    kind,
    caught: "rate_exceeded",
    async run(field) {
      const attacker = (await open(field)).deaf();
      await attacker.flood(repeated(1_000, frame(PING, "x".repeat(125))), 1_000, field.over);
      attacker.listen();
      await attacker.closed;
    },
  },
  framed("fragments of one byte without end", "fixed: 1,024 fragments", "packet_too_big", () =>
    Buffer.concat([
      frame(BINARY, "x", { isLast: false }),
      repeated(100_000, frame(CONTINUATION, "x", { isLast: false })),
    ]),
  ),
  framed("large fragments without end", "maxPayload", "packet_too_big", () =>
    Buffer.concat([
      frame(BINARY, "x", { isLast: false }),
      repeated(64, frame(CONTINUATION, Buffer.alloc(65_535), { isLast: false })),
    ]),
  ),
  framed("a frame of 2^40 bytes", "maxPayload", "packet_too_big", () =>
    Buffer.from([0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ),
  framed("a frame of more than 2^53 bytes", "maxPayload", "packet_too_big", () =>
    Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  ),
  {
    name: "WebSocket: messages begun and never ended, on 90 connections",
    limit: "maxPayload",
    kind,
    caught: { by: "a message has at most 256 KiB", shows: ({ exchange }) => exchange.fates.closed === 0 },
    async run(field) {
      const part = frame(BINARY, Buffer.alloc(MAX_PAYLOAD_BYTES - 1), { isLast: false });
      const attackers = await Promise.all(Array.from({ length: field.many(90) }, () => open(field)));
      for (const attacker of attackers) attacker.say(part);
      await field.passes();
    },
  },
  framed("a frame without a mask", "fixed: bad_frame", "bad_frame", () =>
    frame(BINARY, call("add(1, 2)"), { isMasked: false }),
  ),
  framed("a frame of a reserved kind", "fixed: bad_frame", "bad_frame", () => frame(3, "x")),
  framed("a compressed message that was not agreed", "fixed: bad_frame", "bad_frame", () =>
    deflated(Buffer.alloc(100)),
  ),
  {
    name: "WebSocket: a compression bomb of 100 MB",
    limit: "maxPayload",
    kind: "compressed",
    caught: "packet_too_big",
    async run(field) {
      const attacker = await open(field, COMPRESSED);
      attacker.say(deflated(Buffer.alloc(100 * MIB)));
      await attacker.closed;
    },
  },
  {
    name: "WebSocket: many small bombs for a handler that reads nothing",
    limit: "maxBufferedBytes",
    kind: "compressed",
    caught: { by: "reading pauses, or the connection ends" },
    async run(field) {
      const attacker = await open(field, COMPRESSED);
      attacker.say(frame(BINARY, opening(`postpone(${2 ** 40})`, "101;x;n")));
      await attacker.flood(repeated(50, deflated(Buffer.alloc(MAX_PAYLOAD_BYTES - 1))), 50, field.over);
    },
  },
  {
    name: "WebSocket: replies never read",
    limit: "sendHighWaterBytes",
    kind,
    limits: QUICK,
    caught: { by: "reading pauses", shows: ({ exchange }) => exchange.sentBytes < 32 * MIB },
    async run(field) {
      const attacker = (await open(field)).deaf();
      await attacker.flood(frame(BINARY, times(20, call("find(250000)"))), 60, field.over);
    },
  },
  {
    name: "WebSocket: pages of foreign origins",
    limit: "origins",
    kind,
    limits: { acceptsPerSecond: 10_000 },
    caught: "origin_refused",
    async run(field) {
      const visit = async (): Promise<void> => {
        while (!field.over.aborted) {
          const attacker = await field.open();
          attacker.say(request({ Origin: "https://evil.example" }), 0);
          await attacker.closed;
          field.must(attacker.hasHeard("HTTP/1.1 403 ") || !attacker.hasHeard("HTTP"), "a page was admitted");
        }
      };
      await Promise.all(Array.from({ length: 16 }, visit));
      await field.logs("origin_refused");
    },
  },
  {
    name: "WebSocket: a storm of upgrades",
    limit: "acceptsPerSecond",
    kind,
    limits: { acceptsPerSecond: 20 },
    caught: "too_many_connections",
    async run(field) {
      const dial = async (): Promise<void> => {
        while (!field.over.aborted) {
          const attacker = await field.open();
          attacker.say(request(), 0);
          attacker.end();
        }
      };
      await Promise.all(Array.from({ length: 16 }, dial));
      await field.logs("too_many_connections");
    },
  },
  {
    name: "WebSocket: requests begun and never ended, on 90 connections",
    limit: "connectTimeoutMs",
    kind,
    limits: QUICK,
    caught: "timeout",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say("GET /hbi HTTP/1.1\r\nHost: depot\r\nX-", 0);
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "WebSocket: a request, byte by byte",
    limit: "connectTimeoutMs",
    kind,
    limits: QUICK,
    caught: "timeout",
    async run(field) {
      const attacker = await field.open();
      await attacker.drip(request().slice(0, 20), 100);
      await attacker.closed;
    },
  },
  {
    name: "WebSocket: a request with headers without end",
    limit: "fixed: 16 KiB of headers",
    kind,
    caught: { by: "status 431", shows: ({ exchange }) => exchange.fates.open === 0 },
    async run(field) {
      const attacker = await field.open();
      attacker.say("GET /hbi HTTP/1.1\r\n");
      await attacker.flood(times(100, `X-${"y".repeat(60)}: ${"z".repeat(60)}\r\n`), 0, field.never);
    },
  },
  {
    name: "WebSocket: requests for pages",
    limit: "acceptsPerSecond",
    kind,
    limits: { acceptsPerSecond: 10_000 },
    caught: { by: "a short page, and the connection ends", shows: ({ exchange }) => exchange.fates.open === 0 },
    async run(field) {
      const visit = async (): Promise<void> => {
        while (!field.over.aborted) {
          const attacker = await field.open();
          attacker.say(times(50, "GET / HTTP/1.1\r\nHost: depot\r\n\r\n"), 0);
          await attacker.closed;
        }
      };
      await Promise.all(Array.from({ length: 16 }, visit));
    },
  },
  {
    name: "WebSocket: plain HBI at its port",
    limit: "fixed: one line",
    kind,
    caught: { by: "one line", shows: ({ exchange }) => exchange.lastWords.includes("over WebSocket") },
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101"));
      await attacker.closed;
    },
  },
];
