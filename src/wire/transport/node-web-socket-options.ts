/**
 * The options of a client of Node for WebSockets. docs/websocket.md.
 */
import { aBoolean, mustBe, nested, type OptionsOf } from "../../options.ts";

export interface NodeWebSocketOptions {
  /** Headers of the request, such as `authorization` or `cookie`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Offers the server to compress messages. Default: false */
  readonly compression?: boolean | undefined;
}

const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const NODE_OPTIONS: OptionsOf<NodeWebSocketOptions> = {
  headers: mustBe(
    "an object of header names and texts",
    (value) =>
      typeof value === "object" &&
      value !== null &&
      Object.entries(value).every(([name, text]) => HEADER.test(name) && typeof text === "string" && VALUE.test(text)),
  ),
  compression: aBoolean,
};
export const nodeWebSocketOptions = nested<NodeWebSocketOptions>(NODE_OPTIONS);
