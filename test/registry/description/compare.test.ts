import {
  type Change,
  compareServices,
  defineService,
  describeService,
  type MethodLimits,
  method,
  PRESETS,
  value,
} from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const base = { name: "s", version: "1.0.0", methods: {} };
const changes = (older: object, newer: object): Change[] =>
  compareServices(defineService({ ...base, ...older } as never), defineService({ ...base, ...newer } as never));
/** "BREAKING methods.m: removed" */
const found = (older: object, newer: object): string[] =>
  changes(older, newer).map(({ path, kind, isBreaking }) => `${isBreaking ? "BREAKING " : ""}${path}: ${kind}`);

const empty = method({ params: {} });
const a = z.string();
const b = z.int();
const c = z.boolean();
const withParams = (params: Record<string, z.ZodType>) => ({ m: method({ params }) });
const withResult = (result?: z.ZodType) => ({ m: result === undefined ? empty : method({ params: {}, result }) });

type Row = readonly [name: string, older: object, newer: object, expected: readonly string[]];
const methods = (older: object, newer: object) => [{ methods: older }, { methods: newer }] as const;
const reactions = (older: object, newer: object) => [{ reactions: older }, { reactions: newer }] as const;

describe("members", () => {
  it.each<Row>([
    ["nothing", ...methods({ m: empty }, { m: empty }), []],
    ["a method is gone", ...methods({ m: empty }, {}), ["BREAKING methods.m: removed"]],
    ["a method is new", ...methods({}, { m: empty }), ["methods.m: added"]],
    ["a reaction is gone", ...reactions({ m: empty }, {}), ["reactions.m: removed"]],
    ["a reaction is new", ...reactions({}, { m: empty }), ["BREAKING reactions.m: added"]],
    ["a name that every object has", ...methods({}, { toString: empty }), ["methods.toString: added"]],
    ["the order of methods", ...methods({ m: empty, n: empty }, { n: empty, m: empty }), []],
    ["the name", { name: "s" }, { name: "t" }, ["BREAKING name: changed"]],
    ["the version", { version: "1.0.0" }, { version: "2.0.0" }, []],
    ["texts of the service", { title: "t" }, { title: "u", description: "d" }, ["description: text", "title: text"]],
  ])("%s", (_, older, newer, expected) => expect(found(older, newer)).toEqual(expected));

  it("are reported sorted by path, whatever their order", () => {
    const newer = { z: empty, a: empty, "a.b": empty };
    const paths = changes({ reactions: { r: empty } }, { methods: newer }).map((change) => change.path);
    expect(paths).toEqual(["methods.a", "methods.a.b", "methods.z", "reactions.r"]);
  });
});

describe("parameters, of a method and of a reaction", () => {
  const optional = a.optional();
  it.each<
    readonly [string, Record<string, z.ZodType>, Record<string, z.ZodType>, readonly string[], readonly string[]]
  >([
    ["gone", { a, b }, { a }, ["BREAKING b: removed"], ["BREAKING b: removed"]],
    ["gone from the end, and optional", { a, b: optional }, { a }, ["BREAKING b: removed"], ["b: removed"]],
    ["gone before others, and optional", { b: optional, a }, { a }, ["BREAKING b: removed"], ["BREAKING b: removed"]],
    ["new and required", { a }, { a, b }, ["BREAKING b: added"], ["BREAKING b: added"]],
    ["new, optional and last", { a }, { a, b: optional }, ["b: added"], ["BREAKING b: added"]],
    ["new, optional and not last", { a }, { b: optional, a }, ["BREAKING b: added"], ["BREAKING b: added"]],
    [
      "two new, optional and last",
      { a },
      { a, b: optional, c: optional },
      ["b: added", "c: added"],
      ["BREAKING b: added", "BREAKING c: added"],
    ],
    ["renamed", { a, b }, { a, c: b }, ["BREAKING b: renamed"], ["BREAKING b: renamed"]],
    ["renamed and optional", { a: optional }, { b: optional }, ["BREAKING a: renamed"], ["BREAKING a: renamed"]],
    [
      "reordered",
      { a, b, c },
      { b, a, c },
      ["BREAKING a: reordered", "BREAKING b: reordered"],
      ["BREAKING a: reordered", "BREAKING b: reordered"],
    ],
    ["required before", { a }, { a: optional }, ["a: optional"], ["BREAKING a: optional"]],
    ["required now", { a: optional }, { a }, ["BREAKING a: required"], ["a: required"]],
    ["narrowed", { a }, { a: a.max(5) }, ["BREAKING a: narrowed"], ["a: narrowed"]],
    ["widened", { a: a.max(5) }, { a }, ["a: widened"], ["BREAKING a: widened"]],
    ["another type", { a }, { a: b }, ["BREAKING a: changed"], ["BREAKING a: changed"]],
    ["another default", { a: a.default("x") }, { a: a.default("y") }, ["BREAKING a: default"], ["BREAKING a: default"]],
    ["a default now", { a: optional }, { a: a.default("y") }, ["a: text"], ["BREAKING a: default"]],
    ["no default any more", { a: a.default("y") }, { a: optional }, ["BREAKING a: default"], ["a: text"]],
    ["another title", { a }, { a: a.meta({ title: "t" }) }, ["a: text"], ["a: text"]],
  ])("%s", (_, older, newer, asMethod, asReaction) => {
    const at = (section: string, list: readonly string[]) =>
      list.map((line) => line.replace(/^(BREAKING )?/, `$1${section}.m.params.`));
    const [before, after] = [withParams(older), withParams(newer)];
    expect(found(...methods(before, after))).toEqual(at("methods", asMethod));
    expect(found(...reactions(before, after))).toEqual(at("reactions", asReaction));
  });
});

describe("results, of a method and of a reaction", () => {
  it.each<readonly [string, z.ZodType | undefined, z.ZodType | undefined, string, string]>([
    ["new", undefined, a, "BREAKING added", "BREAKING added"],
    ["gone", a, undefined, "BREAKING removed", "BREAKING removed"],
    ["widened", a.max(5), a, "BREAKING widened", "widened"],
    ["narrowed", a, a.max(5), "narrowed", "BREAKING narrowed"],
    ["another type", a, b, "BREAKING changed", "BREAKING changed"],
    ["an open object with one more member", z.object({ a }), z.object({ a, b }), "narrowed", "BREAKING narrowed"],
    [
      "a closed one with one more",
      z.strictObject({ a }),
      z.strictObject({ a, b: b.optional() }),
      "BREAKING widened",
      "widened",
    ],
    ["another description", a, a.describe("d"), "text", "text"],
  ])("%s", (_, older, newer, asMethod, asReaction) => {
    const line = (section: string, judged: string) => judged.replace(/^(BREAKING )?/, `$1${section}.m.result: `);
    const [before, after] = [withResult(older), withResult(newer)];
    expect(found(...methods(before, after))).toEqual([line("methods", asMethod)]);
    expect(found(...reactions(before, after))).toEqual([line("reactions", asReaction)]);
  });
});

describe("the rest of a method", () => {
  const size = z.strictObject({ size: b });
  const plain = method({ params: {}, result: size });
  const variants = {
    declared: method({ params: {}, result: size, body: () => 1 }),
    manual: method({ params: {}, result: size, body: "manual" }),
    unknown: method({ params: {}, result: size, body: "unknown" }),
    unknownResult: method({ params: {}, result: size, resultBody: "unknown" }),
    resultBody: method({ params: {}, result: size, resultBody: ({ size }) => size }),
    idempotent: method({ params: {}, result: size, idempotent: true }),
    texts: method({ params: {}, result: size, title: "t", description: "d", deprecated: "no", examples: [{}] }),
  };
  const { declared, manual, unknown, unknownResult, resultBody, idempotent, texts } = variants;
  it.each<Row>([
    ["a body is new", ...methods({ m: plain }, { m: declared }), ["BREAKING methods.m.body: changed"]],
    ["a body is gone", ...methods({ m: declared }, { m: plain }), ["BREAKING methods.m.body: changed"]],
    ["a body is of another kind", ...methods({ m: declared }, { m: manual }), ["BREAKING methods.m.body: changed"]],
    ["a length that is unknown now", ...methods({ m: declared }, { m: unknown }), ["BREAKING methods.m.body: changed"]],
    ["a length that is known now", ...methods({ m: unknown }, { m: declared }), ["BREAKING methods.m.body: changed"]],
    ["none instead of unknown", ...methods({ m: unknown }, { m: plain }), ["BREAKING methods.m.body: changed"]],
    [
      "a result's length that is unknown now",
      ...reactions({ m: resultBody }, { m: unknownResult }),
      ["BREAKING reactions.m.resultBody: changed"],
    ],
    [
      "a result's length that is known now",
      ...methods({ m: unknownResult }, { m: resultBody }),
      ["BREAKING methods.m.resultBody: changed"],
    ],
    ["an unknown length stays", ...methods({ m: unknown }, { m: unknown }), []],
    ["a result's body is new", ...methods({ m: plain }, { m: resultBody }), ["BREAKING methods.m.resultBody: changed"]],
    [
      "a result's body is gone",
      ...methods({ m: resultBody }, { m: plain }),
      ["BREAKING methods.m.resultBody: changed"],
    ],
    ["a body of a reaction", ...reactions({ m: plain }, { m: manual }), ["BREAKING reactions.m.body: changed"]],
    ["no retries any more", ...methods({ m: idempotent }, { m: plain }), ["BREAKING methods.m.idempotent: changed"]],
    ["retries now", ...methods({ m: plain }, { m: idempotent }), ["methods.m.idempotent: changed"]],
    [
      "a reaction: no retries any more",
      ...reactions({ m: idempotent }, { m: plain }),
      ["reactions.m.idempotent: changed"],
    ],
    [
      "a reaction: retries now",
      ...reactions({ m: plain }, { m: idempotent }),
      ["BREAKING reactions.m.idempotent: changed"],
    ],
    [
      "texts",
      ...methods({ m: plain }, { m: texts }),
      ["deprecated", "description", "examples", "title"].map((key) => `methods.m.${key}: text`),
    ],
  ])("%s", (_, older, newer, expected) => expect(found(older, newer)).toEqual(expected));
});

describe("values and credentials", () => {
  const point = (x: z.ZodType) => value({ params: { x }, make: () => 0, is: (one) => one === 0 });
  const [Point, Moved] = [point(b.default(0)), point(b.default(1))];
  const withPoint = (one: typeof Point) => ({
    values: { Point: one },
    methods: { m: method({ params: { p: one.schema } }) },
  });
  const values = (params: Record<string, z.ZodType>) => ({ values: { V: value({ params, make: () => 0 }) } });
  it.each<Row>([
    ["a value is gone", values({ a }), {}, ["BREAKING values.V: removed"]],
    ["a value is new", {}, values({ a }), ["values.V: added"]],
    [
      "a value's parameter is narrowed",
      values({ a }),
      values({ a: a.max(5) }),
      ["BREAKING values.V.params.a: narrowed"],
    ],
    ["a value's parameter is widened", values({ a: a.max(5) }), values({ a }), ["BREAKING values.V.params.a: widened"]],
    [
      "a value's parameter is new",
      values({ a }),
      values({ a, b: b.optional() }),
      ["BREAKING values.V.params.b: added"],
    ],
    [
      "a value's parameter is gone",
      values({ a, b: b.optional() }),
      values({ a }),
      ["BREAKING values.V.params.b: removed"],
    ],
    [
      "a value's parameter is optional",
      values({ a }),
      values({ a: a.optional() }),
      ["BREAKING values.V.params.a: optional"],
    ],
    [
      "a value's parameter is required",
      values({ a: a.optional() }),
      values({ a }),
      ["BREAKING values.V.params.a: required"],
    ],
    [
      "a value's parameter has a default",
      values({ a: a.optional() }),
      values({ a: a.default("x") }),
      ["BREAKING values.V.params.a: default"],
    ],
    [
      "a value's parameter has a title",
      values({ a }),
      values({ a: a.meta({ title: "t" }) }),
      ["values.V.params.a: text"],
    ],
    [
      "a value is reported at its own place, not where it is used",
      withPoint(Point),
      withPoint(Moved),
      ["BREAKING values.Point.params.x: default"],
    ],
    ["credentials are new", {}, { credentials: { a } }, ["BREAKING credentials: added"]],
    ["credentials are gone", { credentials: { a } }, {}, ["BREAKING credentials: removed"]],
    ["one more credential", { credentials: { a } }, { credentials: { a, b } }, ["BREAKING credentials.b: added"]],
    [
      "one more that is optional",
      { credentials: { a } },
      { credentials: { a, b: b.optional() } },
      ["credentials.b: added"],
    ],
    [
      "a credential is narrowed",
      { credentials: { a } },
      { credentials: { a: a.min(9) } },
      ["BREAKING credentials.a: narrowed"],
    ],
    ["a credential is widened", { credentials: { a: a.min(9) } }, { credentials: { a } }, ["credentials.a: widened"]],
  ])("%s", (_, older, newer, expected) => expect(found(older, newer)).toEqual(expected));
});

describe("why", () => {
  it("names both parameters of which one takes the place of the other", () => {
    expect(changes(...methods(withParams({ a, b }), withParams({ a, c: b })))).toMatchObject([
      { why: "callers by name write b, and by position what was meant for it arrives as c" },
    ]);
  });

  it.each<readonly [z.ZodType, z.ZodType, string]>([
    [a, a.max(5), "consumers may send what is refused now (maxLength)"],
    [
      z.object({ o: z.array(b) }),
      z.object({ o: z.array(b.min(0)) }),
      "consumers may send what is refused now (o.[]: minimum)",
    ],
    [a.max(5), a, "the receiver still accepts everything that is sent"],
  ])("%#: says what may fail, and where", (older, newer, why) =>
    expect(changes(...methods(withParams({ a: older }), withParams({ a: newer })))).toMatchObject([{ why }]),
  );
  it("reports it for what the service sends", () => {
    expect(changes(...methods(withResult(a.max(5)), withResult(a)))).toMatchObject([
      { why: "consumers may refuse what is sent now (maxLength)" },
    ]);
  });
});

describe("published descriptions", () => {
  const service = defineService({ ...base, methods: { m: method({ params: { a }, result: b }) } });
  const published = () => JSON.parse(JSON.stringify(describeService(service)));

  it("compare as the service does", () => {
    expect(compareServices(published(), service)).toEqual([]);
    const changed = published();
    changed.methods.m.params[0].schema.maxLength = 5;
    expect(compareServices(changed, service)).toMatchObject([{ path: "methods.m.params.a", kind: "widened" }]);
  });

  it("equal hashes mean that nothing breaks", () => {
    const titled = defineService({
      ...base,
      title: "t",
      methods: { m: method({ params: { a: a.describe("d") }, result: b }) },
    });
    expect(describeService(titled).hash).toBe(published().hash);
    expect(compareServices(service, titled).filter((change) => change.isBreaking)).toEqual([]);
  });

  it("services are described with the override that is given", () => {
    const dated = defineService({ ...base, methods: { m: method({ params: { a: z.nan() }, result: b }) } });
    const override = () => ({ type: "string" });
    expect(() => compareServices(published(), dated, { strict: true })).toThrow("NaN");
    expect(compareServices(published(), dated, { override })).toMatchObject([{ path: "methods.m.result" }]);
  });

  it.each<readonly [string, (document: ReturnType<typeof published>) => unknown]>([
    ["no object", () => null],
    ["another format", (document) => ({ ...document, format: 2 })],
    ["no methods", ({ methods: _, ...document }) => document],
    ["a schema that is none", (document) => ({ ...document, $defs: { a: 5 } })],
    [
      "a parameter twice",
      (document) => {
        document.methods.m.params.push(document.methods.m.params[0]);
        return document;
      },
    ],
    [
      "a reference that leads nowhere",
      (document) => {
        document.methods.m.result = { items: { $ref: "#/$defs/x" } };
        return document;
      },
    ],
    [
      "a reference in what the other does not have",
      (document) => {
        document.methods.n = { ...document.methods.m, result: { $ref: "#/$defs/x" } };
        return document;
      },
    ],
    [
      "a definition that is itself",
      (document) => {
        document.methods.m.result = { $ref: "#/$defs/x" };
        return { ...document, $defs: { x: { $ref: "#/$defs/x" } } };
      },
    ],
    [
      "a union that is itself",
      (document) => {
        document.methods.m.result = { $ref: "#/$defs/x" };
        return { ...document, $defs: { x: { anyOf: [{ $ref: "#/$defs/x" }, { $ref: "#/$defs/x" }] } } };
      },
    ],
    [
      "a conjunction that is itself",
      (document) => {
        document.methods.m.result = { $ref: "#/$defs/x" };
        return { ...document, $defs: { x: { type: "string", allOf: [{ $ref: "#/$defs/x" }] } } };
      },
    ],
  ])("%s: refused", (_, damage) =>
    expect(() => compareServices(damage(published()) as never, service)).toThrow(
      expect.objectContaining({ reason: "bad_option" }),
    ),
  );

  it.each([
    [397, undefined],
    [398, "nested too deeply"],
  ])("a schema of %i levels: %s", (levels, refusal) => {
    const document = published();
    const result = JSON.parse(`${'{"items":'.repeat(levels)}{}${"}".repeat(levels)}`);
    document.methods.n = { ...document.methods.m, result }; // three levels further in
    if (refusal === undefined) expect(compareServices(document, service)).not.toEqual([]);
    else expect(() => compareServices(document, service)).toThrow(refusal);
  });
});

describe("limits of a method: those of its calls and those of its results, of a method and of a reaction", () => {
  const limited = (limits?: MethodLimits) => ({ m: method({ params: {}, result: a, limits }) });

  it.each<readonly [string, MethodLimits | undefined, MethodLimits | undefined, string, boolean, boolean]>([
    // breaking for a method, breaking for a reaction
    [
      "fewer values in a call",
      { call: { maxNodes: 9 } },
      { call: { maxNodes: 8 } },
      "call.maxNodes: narrowed",
      true,
      false,
    ],
    [
      "more values in a call",
      { call: { maxNodes: 8 } },
      { call: { maxNodes: 9 } },
      "call.maxNodes: widened",
      false,
      true,
    ],
    [
      "fewer in a result",
      { result: { maxDepth: 9 } },
      { result: { maxDepth: 8 } },
      "result.maxDepth: narrowed",
      false,
      true,
    ],
    [
      "more in a result",
      { result: { maxDepth: 8 } },
      { result: { maxDepth: 9 } },
      "result.maxDepth: widened",
      true,
      false,
    ],
    [
      "new, below the default",
      { call: { maxDepth: 9 } },
      { call: { maxDepth: 9, maxNodes: 8 } },
      "call.maxNodes: narrowed",
      true,
      false,
    ],
    [
      "gone, below the default",
      { call: { maxDepth: 9, maxNodes: 8 } },
      { call: { maxDepth: 9 } },
      "call.maxNodes: widened",
      false,
      true,
    ],
    [
      "new, above the default",
      undefined,
      { result: { maxBodyBytes: 2 ** 40 } },
      "result.maxBodyBytes: widened",
      true,
      false,
    ],
    [
      "gone, above the default",
      { call: { maxDepth: 9, maxNodes: 2 ** 30 } },
      { call: { maxDepth: 9 } },
      "call.maxNodes: narrowed",
      true,
      false,
    ],
  ])("%s", (_, older, newer, expected, breaksMethod, breaksReaction) => {
    const inMethods = `${breaksMethod ? "BREAKING " : ""}methods.m.limits.${expected}`;
    const inReactions = `${breaksReaction ? "BREAKING " : ""}reactions.m.limits.${expected}`;
    expect(found({ methods: limited(older) }, { methods: limited(newer) })).toEqual([inMethods]);
    expect(found({ reactions: limited(older) }, { reactions: limited(newer) })).toEqual([inReactions]);
  });

  it.each<readonly [string, MethodLimits | undefined, MethodLimits | undefined]>([
    ["the same", { call: { maxNodes: 9 } }, { call: { maxNodes: 9 } }],
    ["none, and empty ones", undefined, { call: {}, result: {} }],
    [
      "none, and the defaults of a method",
      { call: { maxDepth: 9 } },
      { call: { maxDepth: 9, maxNodes: PRESETS.public.maxNodes }, result: { maxNodes: PRESETS.client.maxNodes } },
    ],
  ])("no change: %s", (_, older, newer) => {
    expect(found({ methods: limited(older) }, { methods: limited(newer) })).toEqual([]);
  });

  it("are the first of calls, or the last: such a call must be the only one of its script", () => {
    const usual = { call: { maxNodes: PRESETS.public.maxNodes } };
    expect(found({ methods: limited() }, { methods: limited(usual) })).toEqual([
      "BREAKING methods.m.limits.call: added",
    ]);
    expect(found({ methods: limited(usual) }, { methods: limited() })).toEqual(["methods.m.limits.call: removed"]);
    const ofClients = { call: { maxNodes: PRESETS.client.maxNodes } };
    expect(found({ reactions: limited() }, { reactions: limited(ofClients) })).toEqual([
      "reactions.m.limits.call: added",
    ]);
    expect(found({ reactions: limited(ofClients) }, { reactions: limited() })).toEqual([
      "BREAKING reactions.m.limits.call: removed",
    ]);
    expect(
      found({ methods: limited() }, { methods: limited({ result: { maxNodes: PRESETS.client.maxNodes } }) }),
    ).toEqual([]);
  });

  it("say what they were", () => {
    const [alone, change] = changes({ methods: limited() }, { methods: limited({ call: { maxNodes: 8 } }) });
    expect(change?.why).toBe("10000 before, 8 now");
    expect(alone?.why).toBe("a script with other calls beside it is refused");
  });
});

describe("errors, of a method and of a reaction", () => {
  const one = z.object({ a });
  const other = z.object({ a, b });
  const withErrors = (errors?: Record<string, z.ZodObject>) => ({
    m: errors === undefined ? empty : method({ params: {}, errors }),
  });
  it.each<
    readonly [
      string,
      Record<string, z.ZodObject> | undefined,
      Record<string, z.ZodObject> | undefined,
      readonly string[],
      readonly string[],
    ]
  >([
    ["the same", { e: one }, { e: one }, [], []],
    ["new", undefined, { e: one }, ["e: added"], ["BREAKING e: added"]],
    ["gone", { e: one }, undefined, ["BREAKING e: removed"], ["e: removed"]],
    ["renamed", { e: one }, { f: one }, ["BREAKING e: removed", "f: added"], ["e: removed", "BREAKING f: added"]],
    ["with a member more", { e: one }, { e: other }, ["e: narrowed"], ["BREAKING e: narrowed"]],
    ["with a member less", { e: other }, { e: one }, ["BREAKING e: widened"], ["e: widened"]],
    [
      "with another member",
      { e: z.object({ a }) },
      { e: z.object({ a: b }) },
      ["BREAKING e: changed"],
      ["BREAKING e: changed"],
    ],
    ["with another text", { e: one }, { e: one.describe("text") }, ["e: text"], ["e: text"]],
  ])("%s", (_, older, newer, ofMethod, ofReaction) => {
    const placed = (section: string, rows: readonly string[]) =>
      rows.map((row) => row.replace(/(\w+: )/, `${section}.m.errors.$1`));
    expect(found(...methods(withErrors(older), withErrors(newer)))).toEqual(placed("methods", ofMethod));
    expect(found(...reactions(withErrors(older), withErrors(newer)))).toEqual(placed("reactions", ofReaction));
  });

  it("change the hash unless only texts differ", () => {
    const hash = (errors?: Record<string, z.ZodObject>) =>
      describeService(defineService({ ...base, methods: withErrors(errors) })).hash;
    expect(hash({ e: one })).toBe(hash({ e: one.describe("text") }));
    const hashes = [hash(), hash({ e: one }), hash({ f: one }), hash({ e: other }), hash({ e: one, f: one })];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hash({ e: one, f: other })).toBe(hash({ f: other, e: one }));
  });
});
