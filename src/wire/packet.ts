/**
 * Packets: `[` LEN `#` DIRECTIVE `]` PAYLOAD, where LEN is the payload's length in UTF-8. docs/protocol.md, section 2.
 */
export const DIRECTIVES = [
  "",
  "co_begin",
  "co_recv",
  "co_end",
  "co_ack_begin",
  "co_ack_end",
  "co_send",
  "err",
  "lanes",
] as const;

export type Directive = (typeof DIRECTIVES)[number];

export interface Packet {
  readonly directive: Directive;
  readonly text: string;
}

export const MAX_ID_BYTES = 256;
/** The version of the frames behind it. */
export const MAX_LANES_BYTES = 8;
/** The reference sends whole stack traces; one line is shown. */
export const MAX_ERR_BYTES = 64 * 1024;

/** The packet as text, to be written as UTF-8. Callers send no empty payload, after which the Python reference loses
 *  data. */
export function encodePacket(directive: Directive, text: string): string {
  return `[${utf8Length(text)}#${directive}]${text}`;
}

/** The length of the text in UTF-8; an unpaired surrogate is written as U+FFFD, three bytes. */
export function utf8Length(text: string): number {
  if (text.length > LONG_CHARS && byteLength !== undefined) return byteLength(text);
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else {
      bytes += 2;
      if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i += 1; // a pair: 4 bytes
    }
  }
  return bytes;
}

const LONG_CHARS = 256;

/** In Node and Bun: ten times as fast for long text. */
const byteLength = (globalThis as { Buffer?: { byteLength?: (text: string) => number } }).Buffer?.byteLength;
