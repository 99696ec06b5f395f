/**
 * Hostile descriptions: read, compared or refused, in bounded time, and without exhausting the stack.
 */
import { compareServices, defineService, describeService, HbiError, Link, method, type ServiceDescription } from "hbi";
import { answer, hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "told",
  version: "1.0.0",
  methods: { take: method({ params: { a: z.int() }, result: z.string() }) },
});
const plain = describeService(service);

/** The description with this as the schema of its parameter. */
function taking(schema: unknown, $defs: unknown = {}): ServiceDescription {
  const params = [{ name: "a", schema, isRequired: true }];
  return { ...plain, methods: { take: { ...plain.methods["take"], params } }, $defs } as never;
}

function nested(depth: number, wrap: (inner: unknown) => unknown = (items) => ({ items })): unknown {
  let schema: unknown = {};
  for (let i = 0; i < depth; i++) schema = wrap(schema);
  return schema;
}

function chain(length: number, make: (next: string) => unknown): Record<string, unknown> {
  const ends = { [`d${length}`]: { type: "string" } };
  return { ...ends, ...Object.fromEntries(Array.from({ length }, (_, i) => [`d${i}`, make(`#/$defs/d${i + 1}`)])) };
}

const circle: Record<string, unknown> = {};
circle["items"] = circle;
const bush: Record<string, unknown> = {};
bush["anyOf"] = [bush, bush];
const list = (length: number) => Array.from({ length }, (_, i) => i);
const root = { $ref: "#/$defs/d0" };

const COSTLY = ["as many values as may be", "a long list", "a tree of references", "a tree of parts"];

type Outcome = "read" | "too_deep" | "too_many_nodes" | "bad_option";
/** What stands above the parameter's schema in a document. */
const ABOVE = 5;

const ROWS: readonly [name: string, document: () => unknown, read: Outcome, compared: Outcome][] = [
  ["as deep as may be", () => taking(nested(400 - ABOVE)), "read", "read"],
  ["one deeper", () => taking(nested(400 - ABOVE + 1)), "too_deep", "too_deep"],
  ["deep", () => taking(nested(100_000)), "too_deep", "too_deep"],
  ["deep in a list", () => taking(nested(100_000, (part) => ({ anyOf: [part] }))), "too_deep", "too_deep"],
  ["deep data", () => taking({ enum: [nested(100_000, (item) => [item])] }), "too_deep", "too_deep"],
  ["deep beside what is known", () => ({ ...plain, more: nested(100_000) }), "too_deep", "too_deep"],
  ["a circle", () => taking(circle), "too_deep", "too_deep"],
  ["a list of itself", () => taking(bush), "too_many_nodes", "too_many_nodes"],
  ["as many values as may be", () => sized(500_000), "read", "too_many_nodes"],
  ["one more", () => sized(500_001), "too_many_nodes", "too_many_nodes"],
  ["a long list", () => taking({ enum: list(600_000) }), "too_many_nodes", "too_many_nodes"],
  ["a long text", () => ({ ...plain, title: "x".repeat(9_000_000) }), "too_many_nodes", "too_many_nodes"],
  ["a long key", () => ({ ...plain, ["x".repeat(9_000_000)]: 1 }), "too_many_nodes", "too_many_nodes"],
  ["a reference to itself", () => taking(root, { d0: { $ref: "#/$defs/d0" } }), "read", "bad_option"],
  [
    "a chain of references",
    () =>
      taking(
        root,
        chain(5_000, ($ref) => ({ $ref })),
      ),
    "read",
    "bad_option",
  ],
  [
    "a chain of lists",
    () =>
      taking(
        root,
        chain(5_000, ($ref) => ({ items: { $ref } })),
      ),
    "read",
    "bad_option",
  ],
  [
    "a tree of references",
    () =>
      taking(
        root,
        chain(60, ($ref) => ({ anyOf: [{ $ref }, { $ref }] })),
      ),
    "read",
    "too_many_nodes",
  ],
  [
    "a tree of parts",
    () =>
      taking(
        root,
        chain(60, ($ref) => ({ allOf: [{ $ref }, { $ref }] })),
      ),
    "read",
    "too_many_nodes",
  ],
  ["a reference that leads nowhere", () => taking({ $ref: "x".repeat(1_000) }), "bad_option", "bad_option"],
  ["a name of many lines", () => ({ ...plain, name: "a\nb" }), "bad_option", "bad_option"],
  [
    "a method of many lines",
    () => ({ ...plain, methods: { "a\nb": plain.methods["take"] } }),
    "bad_option",
    "bad_option",
  ],
  ["a method of Object", () => JSON.parse(`{"methods":{"__proto__":{}}}`), "bad_option", "bad_option"],
  ["nothing", () => null, "bad_option", "bad_option"],
];

/** A document of exactly this many values. */
function sized(values: number): ServiceDescription {
  const empty = countOf(taking({ enum: [] }));
  return taking({ enum: list(values - empty) });
}

function countOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((count: number, member) => count + countOf(member), 1);
}

function outcomeOf(run: () => unknown): Outcome {
  try {
    run();
    return "read";
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(HbiError);
    const { message, reason } = thrown as HbiError;
    expect(message).toMatch(/^[\x20-\x7e]{0,512}$/);
    return reason as Outcome;
  }
}

/** What a consumer gets from a host that answers with this text. */
async function described(text: string): Promise<unknown> {
  const { transport, peer } = hostileTransport();
  const link = await new Link(
    service,
    async () => transport,
    {},
    { log: () => undefined, limits: { preset: "trusted" } },
  ).open();
  const asked = link.describe().then(
    (description) => description,
    (thrown: unknown) => thrown,
  );
  await quiet();
  peer.say(answer("100"));
  await quiet();
  peer.say(answer("101", packet("co_recv", JSON.stringify(text))));
  const result = await asked;
  peer.reset();
  await link.disconnect();
  return result;
}

describe("a hostile description", () => {
  it.each(ROWS)("is compared, or refused: %s", (name, document, _, compared) => {
    expect(outcomeOf(() => compareServices(service, document() as never))).toBe(compared);
    if (COSTLY.includes(name)) return; // all that it may take, once
    expect(outcomeOf(() => compareServices(document() as never, service))).toBe(compared);
    outcomeOf(() => compareServices(document() as never, document() as never)); // it ends, whatever comes of it
  });

  it.each(ROWS.filter(([name]) => !name.includes("itself") && name !== "a circle"))(
    "is read from a host, or refused: %s",
    async (_, document, read) => {
      const made = document();
      const text = read === "too_deep" ? deepText(made) : JSON.stringify(made);
      const result = await described(text);
      if (read === "read") expect(result).toEqual(JSON.parse(text));
      else {
        expect(result).toBeInstanceOf(HbiError);
        expect(result).toMatchObject({ reason: "bad_answer", cause: { reason: read } });
      }
    },
  );

  it("names in what has changed are printable", () => {
    const odd = "x\n\u001b[2J\u202e".repeat(100);
    const of = (type: string) =>
      taking({ type: "object", properties: { [odd]: { type } }, required: [odd], additionalProperties: false });
    const changes = compareServices(of("string"), of("number"));
    expect(changes.length).toBeGreaterThan(0);
    for (const { path, why } of changes) for (const text of [path, why]) expect(text).toMatch(/^[\x20-\x7e]{0,512}$/);
  });
});

/** JSON.stringify itself ends at the end of the stack. */
function deepText(document: unknown): string {
  let text = "";
  const write = (value: unknown, depth: number): void => {
    if (depth > 1_000) {
      text += "{}";
      return;
    }
    if (typeof value !== "object" || value === null) text += JSON.stringify(value);
    else if (Array.isArray(value)) {
      text += "[";
      for (const [i, item] of value.entries()) {
        if (i > 0) text += ",";
        write(item, depth + 1);
      }
      text += "]";
    } else {
      text += "{";
      for (const [i, [key, item]] of Object.entries(value).entries()) {
        text += `${i > 0 ? "," : ""}${JSON.stringify(key)}:`;
        write(item, depth + 1);
      }
      text += "}";
    }
  };
  write(document, 0);
  return text;
}
