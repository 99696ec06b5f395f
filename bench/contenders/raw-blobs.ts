/**
 * Blobs preceded by their length on a bare socket, with an answer of three numbers: the lower bound for blobs.
 */
import type { BlobAnswer, Contender } from "./contender.ts";
import { dial, listen } from "./sockets.ts";

const HEADER_BYTES = 4;
const ANSWER_BYTES = 8;

export const rawBlobs: Contender = {
  title: "raw framed blobs",
  async serve() {
    const port = await listen((socket) => {
      let header = Buffer.alloc(0);
      let length = 0;
      let left = 0;
      let first = -1;
      socket.on("data", (chunk) => {
        for (let at = 0; at < chunk.length; ) {
          if (left === 0) {
            const taken = chunk.subarray(at, at + HEADER_BYTES - header.length);
            header = Buffer.concat([header, taken]);
            at += taken.length;
            if (header.length < HEADER_BYTES) return;
            length = header.readUInt32BE();
            left = length;
            header = Buffer.alloc(0);
            continue;
          }
          const end = Math.min(chunk.length, at + left);
          if (left === length) first = chunk[at] ?? -1;
          left -= end - at;
          at = end;
          if (left === 0) socket.write(answer(length, first, chunk[at - 1] ?? -1));
        }
      });
      socket.on("error", () => socket.destroy());
    });
    return { port };
  },
  async connect(port) {
    const socket = await dial(port);
    const waiting: ((answer: BlobAnswer) => void)[] = [];
    let held: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      for (; held.length >= ANSWER_BYTES; held = held.subarray(ANSWER_BYTES)) {
        waiting.shift()?.({ bytes: held.readUInt32BE(), first: held.readInt16BE(4), last: held.readInt16BE(6) });
      }
    });
    return {
      sendBlob: (data) =>
        new Promise((resolve) => {
          waiting.push(resolve);
          const header = Buffer.alloc(HEADER_BYTES);
          header.writeUInt32BE(data.length);
          socket.cork();
          socket.write(header);
          socket.write(data);
          socket.uncork();
        }),
    };
  },
};

function answer(bytes: number, first: number, last: number): Buffer {
  const buffer = Buffer.alloc(ANSWER_BYTES);
  buffer.writeUInt32BE(bytes);
  buffer.writeInt16BE(first, 4);
  buffer.writeInt16BE(last, 6);
  return buffer;
}
