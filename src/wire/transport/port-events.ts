/**
 * Message ports and workers as they are everywhere, and their events. docs/message-port.md.
 */

/** What is used of an event of a port or a worker. */
export interface MessagePortEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly ports?: readonly unknown[];
  readonly message?: string;
  readonly error?: unknown;
}

export type MessagePortEventType = "message" | "messageerror" | "error" | "close" | "exit";

/** What is used of a message port. Those of browsers, Node, Bun and Deno have it, as do a `Worker`, the `self` of a
 *  dedicated worker, and the `parentPort` of `node:worker_threads`. */
export interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener?(type: MessagePortEventType, listener: (event: MessagePortEvent) => void): void;
  removeEventListener?(type: MessagePortEventType, listener: (event: MessagePortEvent) => void): void;
  /** Instead of `addEventListener`: that of the `Worker` of `node:worker_threads`. */
  on?(type: MessagePortEventType, listener: (value: unknown) => void): unknown;
  off?(type: MessagePortEventType, listener: (value: unknown) => void): unknown;
  /** Of ports alone. */
  start?(): void;
  /** Of ports, which it closes, and of the `self` of a worker, which it would end. */
  close?(): void;
  /** Of a `Worker` alone. */
  terminate?(): unknown;
}

export function isMessagePort(value: unknown): value is MessagePortLike {
  return typeof value === "object" && value !== null && "postMessage" in value;
}

/** Listens, and returns what ends that. The worker of Node passes values instead of events.
 *  @param hear not every member is there */
export function listenTo(
  port: MessagePortLike,
  type: MessagePortEventType,
  hear: (event: Partial<MessagePortEvent>) => void,
): () => void {
  if (port.addEventListener !== undefined) {
    port.addEventListener(type, hear);
    return () => port.removeEventListener?.(type, hear);
  }
  const listener = (value: unknown): void =>
    hear(value instanceof Error ? { message: value.message, error: value } : { data: value });
  port.on?.(type, listener);
  return () => port.off?.(type, listener);
}
