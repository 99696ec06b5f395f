/**
 * The document's shape as https://www.asyncapi.com/docs/reference/specification/v3.0.0 asks for it, and what its schemas accept.
 */
import { type AsyncApiDocument, asyncApiDocument, defineService, method, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const Point = value({
  params: { x: z.number(), y: z.number() },
  make: ({ x, y }) => ({ kind: "point", x, y }),
  is: (one) => (one as { kind?: unknown } | null)?.kind === "point",
});
const Tree = z.object({ name: z.string(), get children() { return z.array(Tree); } }).meta({ id: "Tree" }); // biome-ignore format: one line

const service = defineService({
  name: "jobs",
  version: "1.2.3",
  title: "Jobs",
  description: "Does jobs.",
  methods: {
    do_job: method({
      params: {
        action: z.string().max(64),
        dataLen: z.int().min(0),
        tree: Tree.optional(),
        at: Point.schema.nullable(),
      },
      body: ({ dataLen }) => dataLen,
      result: z.strictObject({ size: z.int(), tree: Tree }),
      resultBody: ({ size }) => size,
      title: "Do a job",
      description: "Does it now.",
      deprecated: "use svc.ping",
      idempotent: true,
      examples: [{ action: "resize", dataLen: 3, at: null }],
      limits: { call: { maxNodes: 100_000 }, result: { maxPacketBytes: 5_000, maxDepth: undefined } },
    }),
    "svc.ping": method({ params: {} }),
    grow: method({ params: {}, errors: { too_tall: z.object({ tree: Tree }), dry: z.object({}) } }),
    talk: method({ params: {}, body: "manual" }),
  },
  reactions: {
    do_job: method({
      params: { trees: z.array(Tree) },
      result: z.string(),
      limits: { call: { maxBodyBytes: 9 } },
    }),
  },
  values: { Point },
  credentials: { token: z.string().min(20) },
});
const document = JSON.parse(
  JSON.stringify(asyncApiDocument(service, { servers: { local: { host: "127.0.0.1:3232", protocol: "tcp" } } })),
) as AsyncApiDocument;

/** What a JSON pointer leads to, by RFC 6901 to the letter. */
const follow = (reference: string): unknown =>
  reference
    .slice(2)
    .split("/")
    .map((token) => decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, token) => {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, token))
        throw new Error(`no ${token} in ${reference}`);
      return (at as Record<string, unknown>)[token];
    }, document);

const references = (data: unknown): string[] => {
  if (typeof data !== "object" || data === null) return [];
  const inside = Object.values(data).flatMap(references);
  return "$ref" in data ? [String(data.$ref), ...inside] : inside;
};
type Operation = { action: string; channel: { $ref: string }; messages: { $ref: string }[]; reply?: Operation };
const operation = (id: string) => document.operations[id] as unknown as Operation;

describe("an AsyncAPI document", () => {
  it("has what the specification requires", () => {
    expect(document).toMatchObject({
      asyncapi: "3.0.0",
      info: { title: "Jobs", version: "1.2.3", description: "Does jobs." },
      servers: { local: { host: "127.0.0.1:3232", protocol: "tcp" } },
    });
    const ids = ["methods.do_job", "methods.svc.ping", "methods.grow", "methods.talk", "reactions.do_job"];
    expect(Object.keys(document.channels)).toEqual(ids);
    expect(Object.keys(document.operations)).toEqual(ids);
    const { schemas, messages } = document.components as { schemas: object; messages: object };
    for (const id of [...Object.keys(schemas), ...Object.keys(messages)]) expect(id).toMatch(/^[a-zA-Z0-9._-]+$/);
  });

  it("has no reference that leads nowhere", () => {
    expect(references(document).length).toBeGreaterThan(20);
    for (const reference of references(document)) expect(() => follow(reference)).not.toThrow();
  });

  it("receives calls of methods and sends those of reactions, and the results the other way", () => {
    expect(Object.keys(document.operations).map((id) => operation(id).action)).toEqual([
      "receive",
      "receive",
      "receive",
      "receive",
      "send",
    ]);
    expect(operation("methods.do_job").reply).toEqual({
      channel: { $ref: "#/channels/methods.do_job" },
      messages: [{ $ref: "#/channels/methods.do_job/messages/result" }],
    });
    expect(operation("reactions.do_job").reply).toBeDefined();
    expect(operation("methods.svc.ping").reply).toBeUndefined();
    expect(operation("methods.grow").reply?.messages).toEqual([
      { $ref: "#/channels/methods.grow/messages/errors.too_tall" },
      { $ref: "#/channels/methods.grow/messages/errors.dry" },
    ]);
    expect(follow("#/components/messages/methods.grow.errors.too_tall")).toMatchObject({
      name: "grow.errors.too_tall",
      payload: { type: "object", required: ["tree"] },
      "x-hbi-error": "too_tall",
    });
  });

  it("refers to messages of the operation's own channel", () => {
    for (const id of Object.keys(document.operations)) {
      const { channel, messages, reply } = operation(id);
      for (const { $ref } of [...messages, ...(reply?.messages ?? [])]) {
        expect($ref.startsWith(`${channel.$ref}/messages/`)).toBe(true);
      }
    }
  });

  it("has the texts, the examples, and what only HBI has as extensions", () => {
    expect(document.channels["methods.do_job"]).toMatchObject({
      address: "do_job",
      title: "Do a job",
      description: "Does it now.",
    });
    expect(document.operations["methods.do_job"]).toMatchObject({
      "x-hbi-idempotent": true,
      "x-hbi-deprecated": "use svc.ping",
      "x-hbi-limits": { call: { maxNodes: 100_000 }, result: { maxPacketBytes: 5_000 } },
    });
    expect(document.operations["reactions.do_job"]).toMatchObject({ "x-hbi-limits": { call: { maxBodyBytes: 9 } } });
    expect(document.operations["methods.talk"]).not.toHaveProperty("x-hbi-limits");
    expect(follow("#/components/messages/methods.do_job.call")).toMatchObject({
      name: "do_job",
      "x-hbi-body": "declared",
      examples: [{ payload: { action: "resize", dataLen: 3, at: null } }],
      payload: { required: ["action", "dataLen", "at"], "x-hbi-parameters": ["action", "dataLen", "tree", "at"] },
    });
    expect(follow("#/components/messages/methods.do_job.result")).toMatchObject({ "x-hbi-body": "declared" });
    expect(follow("#/components/messages/methods.talk.call")).toMatchObject({ "x-hbi-body": "manual" });
    expect(follow("#/components/messages/methods.svc.ping.call")).not.toHaveProperty("x-hbi-body");
    expect(document.info).toMatchObject({
      "x-hbi-service": "jobs",
      "x-hbi-hash": expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(document["x-hbi-credentials"]).toMatchObject({ properties: { token: { minLength: 20 } } });
  });

  it("takes the service's name where it has no title", () => {
    const plain = defineService({ name: "plain", version: "1.0.0", methods: {} });
    expect(asyncApiDocument(plain)).toMatchObject({ info: { title: "plain" }, channels: {}, operations: {} });
    expect(asyncApiDocument(plain)).not.toHaveProperty("servers");
  });
});

/** zod reads JSON Schema too: what a payload's schema accepts, apart from the service's own zod schemas. */
describe("its payloads accept what the service accepts", () => {
  const accepts = (message: string, payload: unknown): boolean => {
    const { payload: schema } = follow(`#/components/messages/${message}`) as { payload: object };
    const { schemas } = document.components as { schemas: Record<string, object> };
    const local = JSON.parse(
      JSON.stringify({ ...schema, $defs: schemas }).replaceAll("#/components/schemas/", "#/$defs/"),
    );
    return z.fromJSONSchema(local).safeParse(payload).success;
  };
  const good = { action: "resize", dataLen: 3, at: null };
  const tree = { name: "a", children: [{ name: "b", children: [] }] };
  it.each<[boolean, string, unknown]>([
    [true, "methods.do_job.call", good],
    [true, "methods.do_job.call", { ...good, tree }],
    [true, "methods.do_job.call", { ...good, at: { x: 1, y: 2 } }],
    [false, "methods.do_job.call", { ...good, at: { x: 1 } }],
    [false, "methods.do_job.call", { ...good, action: "a".repeat(65) }],
    [false, "methods.do_job.call", { ...good, dataLen: -1 }],
    [false, "methods.do_job.call", { ...good, dataLen: 1.5 }],
    [false, "methods.do_job.call", { ...good, tree: { name: "a", children: [{ name: 5, children: [] }] } }],
    [false, "methods.do_job.call", { action: "resize", at: null }],
    [false, "methods.do_job.call", { ...good, more: 1 }],
    [true, "methods.do_job.result", { size: 1, tree }],
    [false, "methods.do_job.result", { size: 1, tree, more: 1 }],
    [true, "reactions.do_job.call", { trees: [tree] }],
    [false, "reactions.do_job.call", { trees: tree }],
    [true, "methods.svc.ping.call", {}],
    [false, "methods.svc.ping.call", { a: 1 }],
  ])("%s: %s %j", (isAccepted, message, payload) => expect(accepts(message, payload)).toBe(isAccepted));
});
