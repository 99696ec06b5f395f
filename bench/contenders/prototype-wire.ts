/**
 * The wire of the prototype: packets in, packets out, with only the fast techniques. Compared with the library's wire,
 * it lacks raw data, validation of UTF-8, backpressure, timeouts, and all limits except that of a packet.
 */
import type { Socket } from "node:net";

/** Directives differ in length, except co_recv and co_send; the latter is not used here. */
export const CODE = 0;
export const CO_END = 6;
export const CO_RECV = 7;
export const CO_BEGIN = 8;
export const CO_ACK_END = 10;
export const CO_ACK_BEGIN = 12;

const MAX_PACKET_BYTES = 256 * 1024;
const MAX_HEADER_BYTES = 24;
const OPEN = 0x5b;
const HASH = 0x23;
const CLOSE = 0x5d;
const ZERO = 0x30;

/** Calls `onPacket` at once for each complete packet of a chunk. A partial packet is kept, and copied when the next
 *  chunk arrives. */
export function readPackets(socket: Socket, onPacket: (directive: number, text: string) => void): void {
  let held: Buffer | undefined;
  socket.on("data", (chunk) => {
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    held = undefined;
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] !== OPEN) return void socket.destroy(new Error("bad frame"));
      let length = 0;
      let i = at + 1;
      for (; i < bytes.length && bytes[i] !== HASH; i++) length = length * 10 + (bytes[i] as number) - ZERO; // below the end
      const nameStart = i + 1;
      for (i = nameStart; i < bytes.length && bytes[i] !== CLOSE; ) i++;
      if (i >= bytes.length) {
        if (bytes.length - at > MAX_HEADER_BYTES) return void socket.destroy(new Error("bad frame"));
        break;
      }
      if (!(length >= 0 && length <= MAX_PACKET_BYTES)) return void socket.destroy(new Error("bad length"));
      const start = i + 1;
      const end = start + length;
      if (end > bytes.length) break;
      onPacket(i - nameStart, bytes.toString("utf8", start, end));
      at = end;
    }
    if (at < bytes.length) held = bytes.subarray(at);
  });
}

/** Collects what is sent in one turn of the event loop as one string, and writes it once. */
export class PacketWriter {
  readonly #socket: Socket;
  #out = "";
  #isAscii = true;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A conversation of one packet: begin, packet, end. */
  bracket(begin: string, directive: string, text: string, end: string, id: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes !== text.length) this.#isAscii = false;
    this.#append(`[${id.length}#${begin}]${id}[${bytes}#${directive}]${text}[${id.length}#${end}]${id}`);
  }

  emptyBracket(begin: string, end: string, id: string): void {
    this.#append(`[${id.length}#${begin}]${id}[${id.length}#${end}]${id}`);
  }

  #append(packets: string): void {
    if (this.#out === "") process.nextTick(this.#flush);
    this.#out += packets;
  }

  readonly #flush = (): void => {
    const out = this.#out;
    this.#out = "";
    this.#socket.write(out, this.#isAscii ? "latin1" : "utf8");
    this.#isAscii = true;
  };
}
