/**
 * Cap'n Web over a WebSocket, with the `ws` package as its README shows for Node. Node 20 has no WebSocket, so the
 * client's comes from `ws` as well, and so does the global name, which the library looks up.
 */
import { once } from "node:events";
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { WebSocket, WebSocketServer } from "ws";
import { type Answer, type BlobAnswer, blobAnswer, type Contender, MAX_BLOB_BYTES, moveByCalls } from "./contender.ts";
import { portOf } from "./sockets.ts";

// Only if there is none (Node 20): the library reads its state constants.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

class Jobs extends RpcTarget {
  readonly #data = new Uint8Array(MAX_BLOB_BYTES).fill(7);

  doJob(action: string, n: number): Answer {
    return { action, n };
  }

  takeBlob(data: Uint8Array): BlobAnswer {
    return blobAnswer(data);
  }

  piece(bytes: number): Uint8Array {
    return this.#data.subarray(0, bytes);
  }
}

export const capnweb: Contender = {
  title: "capnweb (ws)",
  packageName: "capnweb",
  async serve() {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 4 * MAX_BLOB_BYTES });
    server.on("connection", (socket) => {
      newWebSocketRpcSession(socket as unknown as globalThis.WebSocket, new Jobs()); // as its README casts it
    });
    await once(server, "listening");
    return { port: portOf(server) };
  },
  async connect(port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    await once(socket, "open");
    const jobs = newWebSocketRpcSession<Jobs>(socket as unknown as globalThis.WebSocket);
    return {
      // Awaited here, because the result is a stub that must be disposed of, which releases the value.
      call: async (action, n) => await jobs.doJob(action, n),
      sendBlob: async (data) => await jobs.takeBlob(data),
      upload: (bytes) => moveByCalls(bytes, async (piece) => (await jobs.takeBlob(piece)).bytes),
      download: (bytes) => moveByCalls(bytes, async ({ length }) => (await jobs.piece(length)).length),
    };
  },
};
