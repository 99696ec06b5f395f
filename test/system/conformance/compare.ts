/**
 * Compares what a peer said with what was recorded: the same brackets, in each the same items, of each packet the same
 * meaning. Addresses, ports and times may differ, and so may the way in which a value is written.
 */
import { Buffer } from "node:buffer";
import type { Brackets, PacketItem, RawItem } from "./transcript.ts";

/** What differs, one line each. */
export function differences(recorded: Brackets, seen: Brackets): string[] {
  const lines: string[] = [];
  for (const [key, items] of recorded) {
    if (key === "err") continue; // the text is each implementation's own
    const said = seen.get(key) ?? [];
    if (said.length !== items.length) lines.push(`${key}: ${said.length} items instead of ${items.length}`);
    for (const [i, item] of items.entries()) {
      const other = said[i];
      if (other !== undefined && !isSame(item, other)) lines.push(`${key}: ${show(other)} instead of ${show(item)}`);
    }
  }
  for (const [key, items] of seen) {
    if (key !== "err" && !recorded.has(key)) lines.push(`${key}: ${items.map(show).join(" ")}, which was not recorded`);
  }
  return lines;
}

function isSame(a: PacketItem | RawItem, b: PacketItem | RawItem): boolean {
  if (a.kind === "raw" || b.kind === "raw") {
    return a.kind === "raw" && b.kind === "raw" && Buffer.compare(a.bytes, b.bytes) === 0;
  }
  if (a.directive !== b.directive) return false;
  if (a.directive === "" || a.directive === "co_recv") return meaning(a.payload) === meaning(b.payload);
  return idOf(a) === idOf(b);
}

/** Without the extension's metadata. */
function idOf({ directive, payload }: PacketItem): string {
  return directive.startsWith("co_") ? (payload.split(";")[0] ?? "") : payload;
}

/** A text in one canonical form: quotes, white space, the words for nothing and truth, hexadecimal numbers, addresses. */
export function meaning(text: string): string {
  return text
    .replace(/"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'/g, (quoted, single: string | undefined) =>
      single === undefined ? quoted : `"${single.replaceAll("\\'", "'").replaceAll('"', '\\"')}"`,
    )
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replace(/\\u\{?([0-9a-f]{2,6})\}?|\\x([0-9a-f]{2})/gi, (_, u: string | undefined, x: string | undefined) =>
      String.fromCodePoint(Number.parseInt(u ?? x ?? "0", 16)),
    )
    .replace(/\b0x([0-9a-f]+)\b/g, (_, hex: string) => String(Number.parseInt(hex, 16)))
    .replace(/\b(None|nil<nil>|nil|null)/g, "null")
    .replace(/\bTrue\b/g, "true")
    .replace(/\bFalse\b/g, "false")
    .replace(/(\d)\.0\b/g, "$1")
    .replace(/;/g, "\n")
    .replace(/([[({,:])\s+/g, "$1")
    .replace(/,?\s*([\])}])/g, "$1")
    .trim();
}

function show(item: PacketItem | RawItem): string {
  if (item.kind === "raw") return `<${item.bytes.length} bytes>`;
  return `[${item.directive}] ${JSON.stringify(item.payload.slice(0, 120))}`;
}
