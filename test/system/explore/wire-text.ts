/**
 * Splits written bytes into packets and raw data, with words for each. Raw data of the worlds has no bracket in it, so that its end can be
 * found without landing the packet before it.
 */

/** The byte that raw data consists of. */
export const RAW_BYTE = 0x7e; // ~

export interface Piece {
  readonly bytes: Uint8Array;
  /** "co_begin 101", "work(1)", "co_recv 10", "4 raw bytes" */
  readonly words: string;
}

const HEADER = /^\[(\d+)#([a-z_]*)\]/;
const BRACKET = 0x5b; // [

export function piecesOf(bytes: Uint8Array): readonly Piece[] {
  const known = KNOWN.get(bytes);
  if (known !== undefined) return known;
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes[at] === BRACKET ? packetAt(bytes, at) : rawDataAt(bytes, at);
    pieces.push(piece);
    at += piece.bytes.length;
  }
  KNOWN.set(bytes, pieces);
  return pieces;
}

/** The same chunk is looked at for every state in which it is on its way. */
const KNOWN = new WeakMap<Uint8Array, readonly Piece[]>();

export function wordsOf(bytes: Uint8Array): string {
  return piecesOf(bytes)
    .map(({ words }) => words)
    .join(", ");
}

function packetAt(bytes: Uint8Array, at: number): Piece {
  const [header = "", length = "", directive = ""] = HEADER.exec(textOf(bytes.subarray(at, at + 60))) ?? [];
  const end = at + header.length + Number(length);
  if (header === "" || end > bytes.length) throw new Error(`not whole packets: ${textOf(bytes)}`);
  const payload = textOf(bytes.subarray(at + header.length, end));
  const words = directive === "" ? payload : `${directive} ${payload.replace(/^(\d+);.*/, "$1")}`;
  return { bytes: bytes.subarray(at, end), words };
}

function rawDataAt(bytes: Uint8Array, at: number): Piece {
  const next = bytes.indexOf(BRACKET, at);
  const raw = bytes.subarray(at, next < 0 ? bytes.length : next);
  return { bytes: raw, words: `${raw.length} raw bytes` };
}

const DECODER = new TextDecoder("latin1");

export function textOf(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}
