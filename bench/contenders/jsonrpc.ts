/**
 * vscode-jsonrpc over TCP: the connection of language servers, with typed requests as in its README.
 */
import { createMessageConnection, RequestType2, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import type { Answer, Contender } from "./contender.ts";
import { dial, listen } from "./sockets.ts";

const doJob = new RequestType2<string, number, Answer, void>("do_job");

export const jsonRpc: Contender = {
  title: "vscode-jsonrpc (TCP)",
  packageName: "vscode-jsonrpc",
  async serve() {
    const port = await listen((socket) => {
      const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
      connection.onRequest(doJob, (action, n) => ({ action, n }));
      connection.listen();
    });
    return { port };
  },
  async connect(port) {
    const socket = await dial(port);
    const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    connection.listen();
    return { call: (action, n) => connection.sendRequest(doJob, action, n) };
  },
};
