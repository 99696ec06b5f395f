/// <reference lib="esnext.disposable" preserve="true" />
/** What needs Node: sockets. Import everything else from "hbi". */
export { type ConnectArguments, type ConnectLinkOptions, connect } from "./endpoints/node/connect.ts";
export { type ConnectOptions, HBIC, type PeerEnds } from "./endpoints/node/hbic.ts";
export { HBIS, type ServerOptions } from "./endpoints/node/hbis.ts";
export type { ListenOptions } from "./endpoints/node/listener.ts";
export { type ServeOptions, Server, serve } from "./endpoints/node/serve.ts";
export type { ContextFactory } from "./endpoints/session/acceptor.ts";
export { type DialOptions, dialSocket, nodeSocketTransport } from "./wire/transport/node-socket.ts";
export type { ClientTls, CommonTls, KeyPair, Pem, ServerTls } from "./wire/transport/node-tls-options.ts";
