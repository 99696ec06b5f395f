/**
 * Socket.IO with acknowledgements, on the websocket transport alone and with `bufferutil` beside it, as
 * socket.io/docs/v4/performance-tuning recommends.
 */
import { createServer } from "node:http";
import {
  type Answer,
  type BlobAnswer,
  blobAnswer,
  type Contender,
  checkMoved,
  MAX_BLOB_BYTES,
  moveByCalls,
} from "./contender.ts";
import { portOf } from "./sockets.ts";

interface Events {
  do_job(action: string, n: number, done: (answer: Answer) => void): void;
  take_blob(data: Uint8Array, done: (answer: BlobAnswer) => void): void;
  download(bytes: number, done: () => void): void;
}

interface Pushes {
  piece(data: Uint8Array, done: (bytes: number) => void): void;
}

export const socketIo: Contender = {
  title: "socket.io with ack",
  packageName: "socket.io",
  async serve() {
    const { Server } = await import("socket.io");
    const http = createServer();
    const io = new Server<Events, Pushes>(http, { transports: ["websocket"], maxHttpBufferSize: 4 * MAX_BLOB_BYTES });
    io.on("connection", (socket) => {
      Reflect.deleteProperty(socket.conn, "request"); // "discard the initial HTTP request"
      socket.on("do_job", (action, n, done) => done({ action, n }));
      socket.on("take_blob", (data, done) => done(blobAnswer(data)));
      socket.on("download", (bytes, done) => {
        const push = (piece: Uint8Array) => new Promise<number>((resolve) => void socket.emit("piece", piece, resolve));
        void moveByCalls(bytes, push).then(done);
      });
    });
    await new Promise<void>((resolve) => {
      http.listen(0, "127.0.0.1", resolve);
    });
    return { port: portOf(http) };
  },
  async connect(port) {
    const { io } = await import("socket.io-client");
    const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnection: false });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", reject);
    });
    const sendBlob = (data: Uint8Array): Promise<BlobAnswer> =>
      new Promise((resolve) => socket.emit("take_blob", data, resolve));
    return {
      call: (action, n) => new Promise((resolve) => socket.emit("do_job", action, n, resolve)),
      sendBlob,
      upload: (bytes) => moveByCalls(bytes, async (piece) => (await sendBlob(piece)).bytes),
      async download(bytes) {
        let moved = 0;
        const take = (piece: Uint8Array, done: (bytes: number) => void) => {
          moved += piece.length;
          done(piece.length);
        };
        socket.on("piece", take);
        await new Promise<void>((resolve) => void socket.emit("download", bytes, resolve));
        socket.off("piece", take);
        checkMoved(moved, bytes);
      },
    };
  },
};
