/// <reference lib="esnext.disposable" preserve="true" />
/** Servers over WebSockets, by the package ws. Clients need no more than "hbi". */
import "./eager.ts";

export { type ServeWebSocketOptions, serveWebSocket, type WebServer } from "./endpoints/node/attach.ts";
export { Server } from "./endpoints/node/serve.ts";
export type { Origins } from "./endpoints/node/upgrade-request.ts";
export type { WebSocketOptions } from "./endpoints/node/web-socket-options.ts";
