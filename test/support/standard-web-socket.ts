/**
 * A WebSocket with the interface of the standard and nothing else: it cannot be paused, and says only how much is left. Made of that
 * of ws, as not every version of Node has one.
 */
import type { WebSocketClass, WebSocketEvent, WebSocketLike } from "hbi";
import { WebSocket } from "ws";

export class StandardWebSocket implements WebSocketLike {
  readonly #socket: WebSocket;
  constructor(url: string | WebSocket, protocols: string[] = []) {
    this.#socket = typeof url === "string" ? new WebSocket(url, protocols) : url;
  }
  get readyState(): number {
    return this.#socket.readyState;
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  get url(): string | undefined {
    return this.#socket.url;
  }
  get protocol(): string {
    return this.#socket.protocol;
  }
  get binaryType(): string {
    return this.#socket.binaryType;
  }
  set binaryType(type: string) {
    this.#socket.binaryType = type as "arraybuffer";
  }
  send(data: Uint8Array): void {
    if (!(data.buffer instanceof ArrayBuffer)) throw new TypeError("shared memory");
    this.#socket.send(data.slice()); // the standard copies
  }
  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999))
      throw new Error(`${code} is not permitted`);
    if (new TextEncoder().encode(reason).length > 123) throw new Error("the reason is too long");
    this.#socket.close(code, reason);
  }
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketEvent) => void): void {
    const bare = ({ type, data, code }: WebSocketEvent): void => listener({ type, data, ...(code ? { code } : {}) });
    this.#socket.addEventListener(type as "message", bare as never);
  }
}

/** That of the platform, where there is one. */
export const platformClass: WebSocketClass | undefined = (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
