/**
 * Messages of 60 bytes preceded by their length on a bare socket, counted by the receiver: the lower bound for one-way
 * messages.
 */
import { once } from "node:events";
import { type Contender, NOTE_TEXT } from "./contender.ts";
import { dial, listen } from "./sockets.ts";

const MESSAGE_BYTES = 60;
const HEADER_BYTES = 4;
const BATCH_BYTES = 64 * 1024;
/** a length that means: no more messages, report how many there were */
const END = 0;

export const rawMessages: Contender = {
  title: "raw framed messages",
  async serve() {
    const port = await listen((socket) => {
      let held: Buffer = Buffer.alloc(0);
      let count = 0;
      socket.on("data", (chunk) => {
        const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        let at = 0;
        while (bytes.length - at >= HEADER_BYTES) {
          const length = bytes.readUInt32BE(at);
          if (bytes.length - at - HEADER_BYTES < length) break;
          at += HEADER_BYTES + length;
          if (length === END) socket.write(String(count));
          else if (length === MESSAGE_BYTES - HEADER_BYTES) count += 1;
        }
        held = bytes.subarray(at);
      });
      socket.on("error", () => socket.destroy());
    });
    return { port };
  },
  async connect(port) {
    const socket = await dial(port);
    const text = NOTE_TEXT.padEnd(MESSAGE_BYTES - HEADER_BYTES);
    let sent = 0;
    return {
      async post(isOver) {
        while (!isOver()) {
          const batch = Buffer.allocUnsafe(BATCH_BYTES);
          let at = 0;
          for (; at + MESSAGE_BYTES <= BATCH_BYTES; at += MESSAGE_BYTES) {
            batch.writeUInt32BE(text.length, at);
            batch.write(text, at + HEADER_BYTES, "latin1");
            sent += 1;
          }
          // Otherwise the event loop never turns while the kernel takes everything at once, and the time is never over.
          if (socket.write(batch.subarray(0, at))) await new Promise(setImmediate);
          else await once(socket, "drain");
        }
        const answer = once(socket, "data");
        socket.write(Buffer.alloc(HEADER_BYTES));
        const [count] = await answer;
        return { sent, landed: Number(String(count)) };
      },
    };
  },
};
