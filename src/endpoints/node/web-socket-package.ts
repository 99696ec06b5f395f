/**
 * The package ws, which is loaded for addresses that need it: it is an optional peer dependency.
 */
import { failure } from "../../errors.ts";
import { codeOf } from "../../wire/transport/node-trouble.ts";
import type { Acceptor } from "../session/acceptor.ts";
import type { GateMaker } from "./listeners.ts";
import type { WebSocketOptions } from "./web-socket-options.ts";

/** @throws HbiError invalid_argument without the package */
export async function gateMaker(acceptor: Acceptor, options: WebSocketOptions): Promise<GateMaker> {
  try {
    const { WebSocketGate } = await import("./web-socket-gate.ts");
    return (path) => new WebSocketGate(path, acceptor, options);
  } catch (cause) {
    if (!(cause instanceof Error) || codeOf(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw failure("bad_option", "to serve ws:// and wss://, install the package ws: npm install ws", { cause });
  }
}
