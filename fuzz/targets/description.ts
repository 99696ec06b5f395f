/**
 * description: documents that a service, or whoever has published them, says are its description. Taken and compared with another, or
 * refused; what is taken can be walked to its end.
 */
import fc from "fast-check";
import { z } from "zod";
import { compareServices, defineService, describeService, method } from "../../src/index.ts";
import { Drawing } from "../engine/drawing.ts";
import { checkError, checkText } from "../engine/guards.ts";
import { must, type Target } from "../engine/target.ts";

const TREE = z.object({
  name: z.string(),
  get parts() {
    return z.array(TREE);
  },
});
const own = defineService({
  name: "shop",
  version: "1.2.3",
  methods: {
    count: method({ params: { n: z.int().min(0), by: z.int().default(1) }, result: z.int() }),
    plant: method({ params: { tree: TREE, mode: z.enum(["a", "b"]).optional() }, result: z.union([TREE, z.null()]) }),
    store: method({ params: { size: z.int() }, body: ({ size }: { size: number }) => size }),
  },
  reactions: { told: method({ params: { about: z.record(z.string(), z.tuple([z.int(), z.string()])) } }) },
});
const TEXT = JSON.stringify(describeService(own));
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What is damaged, and what is more than is looked at. */
const REFUSALS: ReadonlySet<unknown> = new Set(["bad_option", "too_deep", "too_many_nodes"]);

const WORDS = [
  ...[
    '{"$ref":"#/$defs/',
    '{"$ref":"#"}',
    '{"items":',
    '{"anyOf":[',
    '"properties":{',
    '"__proto__":',
    '"$defs":{',
    '"type":"object"',
  ],
  ...[
    '"params":[',
    '"body":"manual"',
    '"x-hbi-value":',
    '"required":["',
    '"enum":[',
    "null",
    "[]",
    "{}",
    "1e400",
    '"\\u202e\\n"',
  ],
];

export const description: Target = {
  name: "description",
  about: "descriptions of services, damaged: taken and compared, or refused in one short line",
  words: WORDS,
  baseMs: 100,
  share: 4,
  inputs: fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .uint8Array({ minLength: 4, maxLength: 60 })
        .map((bytes) => encoder.encode(damaged(new Drawing(bytes)))),
    },
    { weight: 1, arbitrary: fc.nat(4_000).map((depth) => encoder.encode(withResult(nested(depth)))) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 4 }).map((text) => encoder.encode(text)) },
  ),
  run(input) {
    let document: unknown;
    try {
      document = JSON.parse(decoder.decode(input));
    } catch {
      return; // no document
    }
    for (const [older, newer] of [
      [document, own],
      [own, document],
      [document, document],
    ]) {
      try {
        const changes = compareServices(older as typeof own, newer as typeof own); // it is told what it is not
        for (const { why } of changes) if (typeof why === "string") checkText(why.slice(0, 1));
      } catch (thrown) {
        checkError(thrown);
        must(REFUSALS.has(thrown.reason), () => `refused as something else: ${thrown.reason}`);
      }
    }
  },
};

function withResult(schema: string): string {
  return TEXT.replace('"result":{', `"result":${schema},"x":{`);
}

function nested(depth: number): string {
  return `${'{"items":'.repeat(depth)}{}${"}".repeat(depth)}`;
}

/** The document with some of its parts replaced by others of it, or by words. */
function damaged(drawing: Drawing): string {
  const document: unknown = JSON.parse(TEXT);
  for (let i = drawing.below(4); i >= 0; i--) {
    const holder = somePart(document, drawing);
    const keys = Object.keys(holder);
    const key = keys[drawing.below(Math.max(keys.length, 1))] ?? "x";
    const parts = [
      somePart(document, drawing),
      null,
      1,
      "x",
      [],
      {},
      { $ref: "#/$defs/x" },
      { [drawing.pick(["__proto__", "items", "anyOf"])]: {} },
    ];
    const part = structuredClone(parts[drawing.below(parts.length)]);
    Object.defineProperty(holder, key, { value: part, enumerable: true, configurable: true, writable: true });
  }
  return JSON.stringify(document);
}

function somePart(document: unknown, drawing: Drawing): object {
  let part = document as object; // of the document, whose top is an object
  for (let depth = drawing.below(7); depth > 0; depth--) {
    const inner = Object.values(part).filter((one): one is object => typeof one === "object" && one !== null);
    if (inner.length === 0) break;
    part = inner[drawing.below(inner.length)] ?? part;
  }
  return part;
}
