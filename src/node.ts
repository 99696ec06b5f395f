/** What needs Node: sockets. Import the rest from "hbi". */
export { type ConnectArguments, connect } from "./endpoints/node-connect.ts";
export { type ConnectOptions, HBIC, type PeerEnds } from "./endpoints/node-hbic.ts";
export { type ContextFactory, HBIS } from "./endpoints/node-hbis.ts";
export { Server, serve } from "./endpoints/node-serve.ts";
export { dialSocket, nodeSocketTransport } from "./wire/node-socket-transport.ts";
