/**
 * Recorded conversations of the reference peers, as items: packets, raw data, ends. See README.md in this folder.
 */
export type Side = "client" | "server";

export interface PacketItem {
  readonly kind: "packet";
  readonly from: Side;
  readonly directive: string;
  readonly payload: string;
}
export interface RawItem {
  readonly kind: "raw";
  readonly from: Side;
  readonly bytes: Uint8Array;
}
export interface EndItem {
  readonly kind: "end";
  readonly from: Side;
}
export type Item = PacketItem | RawItem | EndItem;

export interface Transcript {
  readonly name: string;
  readonly source: string;
  readonly description: string;
  readonly items: readonly Item[];
  /** the bytes of each direction, as the proxy saw them */
  readonly streams: Readonly<Record<Side, Uint8Array>>;
}

interface RawEntry {
  readonly data_len?: number;
  readonly data_b64?: string;
  readonly bytes_b64?: string;
  readonly unfinished_b64?: string;
  readonly pattern_seed?: number;
}
interface EventEntry extends RawEntry {
  readonly from: Side;
  readonly eof?: true;
}
interface PacketEntry extends EventEntry {
  readonly dir?: string;
  readonly payload?: string;
}
export interface TranscriptFile {
  readonly name: string;
  readonly source: string;
  readonly description: string;
  readonly events?: readonly EventEntry[];
  readonly packets: readonly PacketEntry[];
}

export function fromFile({ name, source, description, events = [], packets }: TranscriptFile): Transcript {
  const stream = (side: Side) => concat(events.filter(({ from }) => from === side).map(bytesOf));
  const items = packets.flatMap((packet): Item[] => {
    const { from } = packet;
    if (packet.eof === true) return [{ kind: "end", from }];
    if (packet.dir === undefined) return [{ kind: "raw", from, bytes: bytesOf(packet) }];
    return [{ kind: "packet", from, directive: packet.dir, payload: packet.payload ?? "" }];
  });
  return { name, source, description, items, streams: { client: stream("client"), server: stream("server") } };
}

function bytesOf(entry: RawEntry): Uint8Array {
  const text = entry.bytes_b64 ?? entry.data_b64 ?? entry.unfinished_b64;
  if (text !== undefined) return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return pattern(entry.data_len ?? 0, entry.pattern_seed ?? 0);
}

/** The bytes that the recorded programs sent: byte i is (i % 256 * 31 + seed) % 256. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = ((i % 256) * 31 + seed) % 256;
  return bytes;
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** One bracket of one direction: a posted conversation, or the answer to one; "err" and "lone" for what stands alone. */
export type Brackets = Map<string, (PacketItem | RawItem)[]>;

/** Puts each item of one direction into its bracket. The k-th use of the same id has a key of its own. */
export class BracketKeeper {
  readonly brackets: Brackets = new Map();
  readonly #uses = new Map<string, number>();
  #open: string | undefined;

  /** The key of the open bracket, or "lone". */
  get key(): string {
    return this.#open ?? "lone";
  }

  get openLength(): number {
    return this.brackets.get(this.key)?.length ?? 0;
  }

  add(item: PacketItem | RawItem): string {
    const directive = item.kind === "packet" ? item.directive : undefined;
    if (item.kind === "packet" && (directive === "co_begin" || directive === "co_ack_begin")) {
      const name = `${directive === "co_begin" ? "conversation" : "answer"} ${item.payload.split(";")[0]}`;
      const use = (this.#uses.get(name) ?? 0) + 1;
      this.#uses.set(name, use);
      this.#open = use === 1 ? name : `${name} (${use})`;
    }
    const key = directive === "err" ? "err" : this.key;
    const bracket = this.brackets.get(key);
    if (bracket === undefined) this.brackets.set(key, [item]);
    else bracket.push(item);
    if (directive === "co_end" || directive === "co_ack_end") this.#open = undefined;
    return key;
  }
}

export function bracketsOf(transcript: Transcript, side: Side): Brackets {
  const keeper = new BracketKeeper();
  for (const item of transcript.items) if (item.from === side && item.kind !== "end") keeper.add(item);
  return keeper.brackets;
}
