/**
 * Packets and conversations as bytes, in the hand of somebody who need not be honest.
 */

/** Announces what is true. */
export function packet(directive: string, payload: string): string {
  return `[${Buffer.byteLength(payload)}#${directive}]${payload}`;
}

/** A whole conversation of one script. The token says that no raw data follows, and that a refusal may be told. */
export function call(code: string, id = "101;x;n"): string {
  return packet("co_begin", id) + packet("", code) + packet("co_end", id);
}

/** What begins a conversation, and its script. */
export function opening(code: string, id: string): string {
  return packet("co_begin", id) + packet("", code);
}

export function answer(id: string, ...packets: readonly string[]): string {
  return packet("co_ack_begin", id) + packets.join("") + packet("co_ack_end", id);
}

/** Something again and again, in one piece: what a flood is made of. */
export function times(count: number, text: string): Buffer {
  return Buffer.from(text.repeat(count));
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
