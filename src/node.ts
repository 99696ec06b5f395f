/// <reference lib="esnext.disposable" preserve="true" />
/** What needs Node: sockets. Import everything else from "hbi". */
import "./eager.ts";

export { type ConnectArguments, type ConnectLinkOptions, connect } from "./endpoints/node/connect.ts";
export { type ConnectOptions, HBIC, type PeerEnds } from "./endpoints/node/hbic.ts";
export { HBIS, type ServerOptions } from "./endpoints/node/hbis.ts";
export type { ListenOptions, WebListenOptions } from "./endpoints/node/listeners.ts";
export { type ServeOptions, Server, serve } from "./endpoints/node/serve.ts";
export { serveStdio } from "./endpoints/node/stdio.ts";
export type { Origins } from "./endpoints/node/upgrade-request.ts";
export type { WebSocketOptions } from "./endpoints/node/web-socket-options.ts";
export type { ContextFactory } from "./endpoints/session/acceptor.ts";
export { type SpawnOptions, spawnPeer } from "./wire/transport/node-child.ts";
export {
  type DialOptions,
  type DuplexOptions,
  dialSocket,
  duplexTransport,
  nodeSocketTransport,
} from "./wire/transport/node-socket.ts";
export type { ClientTls, CommonTls, KeyPair, Pem, ServerTls } from "./wire/transport/node-tls-options.ts";
export type { NodeWebSocketOptions } from "./wire/transport/node-web-socket-options.ts";
