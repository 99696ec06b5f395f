/**
 * What one packet of a hostile service makes a client with default limits hold, whatever it contains. docs/hardening.md has the figure;
 * that it is read in linear time is shown by hostile.long.test.ts.
 */
import { PRESETS, parseValue } from "hbi";
import { expect, it } from "vitest";
import { heldBytes } from "../support/heap.ts";

const MIB = 2 ** 20;
const { client } = PRESETS;
const MOST_MIB = 256;

/** As many of them as fit into a packet, and as a text may have. */
const fill = (item: string, nodes: number) => (chars: number) => {
  const most = (client.maxNodes - 1) * (chars / client.maxPacketBytes);
  const count = Math.min(Math.floor((chars - 2) / (item.length + 1)), Math.floor(most / nodes));
  return `[${new Array(count).fill(item).join(",")}]`;
};
const members = (make: (i: number) => string, most: number) => (chars: number) =>
  `{${Array.from({ length: most * (chars / client.maxPacketBytes) }, (_, i) => make(i)).join(",")}}`;

const TEXTS: Readonly<Record<string, (chars: number) => string>> = {
  "sparse indexes": fill("{1023:1,2574:1}", 3),
  "sparse indexes as JSON": fill('{"1023":1,"2574":1}', 3),
  "empty arrays": fill("[]", 1),
  "empty objects": fill("{}", 1),
  "objects of one name each": (chars) =>
    `[${Array.from({ length: 499_000 * (chars / client.maxPacketBytes) }, (_, i) => `{k${i.toString(36)}:1}`).join(",")}]`,
  "small bytes": fill("b'abcdefgh'", 1),
  "long bigints": fill("9".repeat(client.maxNumberLength), 1),
  "short strings": fill("'aaaaaaaaaaaaaa'", 1),
  "one long string": (chars) => `"${"x".repeat(chars - 2)}"`,
  escapes: (chars) => `"${"\\n".repeat(chars / 2 - 1)}"`,
  "nested as deep as possible": fill(
    "[".repeat(client.maxDepth - 1) + "]".repeat(client.maxDepth - 1),
    client.maxDepth - 1,
  ),
  "as many keys as possible": members((i) => `k${i}:${i}`, client.maxObjectKeys),
  "as many numeric keys": members((i) => `"${i * 37}":1`, client.maxObjectKeys),
};

it.each(Object.entries(TEXTS))(`%s are held in less than ${MOST_MIB} MiB`, (_, make) => {
  const text = make(client.maxPacketBytes);
  expect(heldBytes(() => parseValue(text, client)) / MIB).toBeLessThan(MOST_MIB);
});
