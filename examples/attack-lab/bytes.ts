/**
 * Packets and conversations as bytes, for a peer that may be dishonest.
 */

/** Announces the true length. */
export function packet(directive: string, payload: string): string {
  return `[${Buffer.byteLength(payload)}#${directive}]${payload}`;
}

/** A whole conversation of one script. Its token promises no raw data, and permits a refusal in the answer. */
export function call(code: string, id = "101;x;n"): string {
  return packet("co_begin", id) + packet("", code) + packet("co_end", id);
}

/** The beginning of a conversation, and its script. */
export function opening(code: string, id: string): string {
  return packet("co_begin", id) + packet("", code);
}

export function answer(id: string, ...packets: readonly string[]): string {
  return packet("co_ack_begin", id) + packets.join("") + packet("co_ack_end", id);
}

/** A repeated piece of bytes in one chunk, for floods. */
export function times(count: number, text: string): Buffer {
  return Buffer.from(text.repeat(count));
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
