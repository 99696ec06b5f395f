/** What needs Node: sockets. Import everything else from "hbi". */
export { type ConnectArguments, type ConnectLinkOptions, connect } from "./endpoints/node/connect.ts";
export { type ConnectOptions, HBIC, type PeerEnds } from "./endpoints/node/hbic.ts";
export { HBIS, type ServerOptions } from "./endpoints/node/hbis.ts";
export { type ServeOptions, Server, serve } from "./endpoints/node/serve.ts";
export type { ContextFactory } from "./endpoints/session/acceptor.ts";
export { dialSocket, nodeSocketTransport } from "./wire/transport/node-socket.ts";
export type { ClientTls, KeyPair, ServerTls } from "./wire/transport/node-tls-options.ts";
