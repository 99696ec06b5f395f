/**
 * Which schemas a definition may have. Whatever cannot be sent, or is no schema of zod 4, is refused when it is declared,
 * with its place and what to use.
 */
import { defineService, HostingEnv, method, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";
import * as z3 from "zod/v3";

const declare = {
  "params: a": (a: z.ZodType) => method({ params: { a } }),
  result: (result: z.ZodType) => method({ params: {}, result }),
  "input: a": (a: z.ZodType) => method({ input: z.object({ a }) }),
  "params: a of a value": (a: z.ZodType) => value({ params: { a }, make: () => 1 }),
  "credential a": (a: z.ZodType) => defineService({ name: "s", version: "1.0.0", methods: {}, credentials: { a } }),
  "slot a": (a: z.ZodType) => new HostingEnv().slot("a", a),
} as const;

describe("values that cannot be sent are refused in", () => {
  const each: [string, z.ZodType, string][] = [
    ["a File", z.file(), "body"],
    ["a function", z.function() as never, "reaction"],
    ["a symbol", z.symbol(), "z.enum()"],
    ["an instance of ArrayBuffer", z.instanceof(ArrayBuffer), "plain data"],
    ["an instance of Error", z.instanceof(Error), "plain data"],
    ["a Buffer", z.instanceof(Buffer), "z.instanceof(Uint8Array)"],
    ["a member with the key Symbol(s)", z.object({ [Symbol("s")]: z.string() } as never), "string"],
  ];
  it.each(Object.entries(declare))("%s", (where, make) => {
    for (const [what, schema, instead] of each) {
      const place = where.replace(" of a value", "");
      const told = new RegExp(
        `${place}: ${what.replaceAll(/[()]/g, "\\$&")} .*${instead.replaceAll(/[().]/g, "\\$&")}`,
      );
      expect(() => make(schema)).toThrow(
        expect.objectContaining({ reason: "bad_option", message: expect.stringMatching(told) }),
      );
    }
  });

  it.each<[string, z.ZodType]>([
    ["when", z.object({ when: z.file() })],
    ["[].0", z.array(z.tuple([z.file()]))],
    ["[]", z.tuple([z.int()], z.file())],
    ["{}", z.record(z.string(), z.file())],
    ["{}", z.object({}).catchall(z.file())],
    ["", z.union([z.iso.datetime(), z.file()])],
    ["", z.file().optional()],
    ["", z.file().nullable().default(null)],
    ["", z.file().catch(new File([], "a"))],
    ["", z.lazy(() => z.file())],
    ["(key)", z.map(z.file(), z.int())],
    ["{}", z.map(z.int(), z.file())],
    ["[]", z.set(z.file())],
    ["b", z.intersection(z.object({ a: z.int() }), z.object({ b: z.file() }))],
  ])("any place: %s", (path, schema) => {
    const inside = path === "" ? "" : `${path}: `;
    const dot = path === "" ? ": " : `.${path}: `;
    expect(() => method({ params: { a: schema } })).toThrow(`params: a${dot}a File cannot be sent`);
    expect(() => method({ params: {}, result: schema })).toThrow(`result: ${inside}a File cannot be sent`);
  });

  it("only where they would be on the wire", () => {
    const decode = (text: string) => new Date(text);
    const codec = z.codec(z.iso.datetime(), z.date(), { decode, encode: (date) => date.toISOString() });
    for (const a of [
      z.coerce.date(),
      codec,
      z.string().transform(decode),
      z.string().transform(decode).pipe(z.date()),
      z.preprocess((given) => new Date(String(given)), z.date()),
      z.array(z.string()).transform((items) => new Set(items)),
    ]) {
      expect(method({ params: { a: z.object({ a }) } }).signature.names).toEqual(["a"]);
    }
    expect(method({ params: {}, result: z.coerce.date() }).results).toHaveLength(1);
  });

  it("what refers to itself, or to a later definition, is no obstacle", () => {
    const tree: z.ZodType = z.lazy(() => z.array(tree).or(later));
    expect(method({ params: { tree } }).signature.names).toEqual(["tree"]);
    const later = z.string();
    const endless: () => z.ZodType = () => z.lazy(endless).optional();
    expect(method({ params: { a: z.lazy(endless) } }).signature.names).toEqual(["a"]);
  });

  it("a class of the author's is refused in a service without values", () => {
    class Point {
      x = 1;
    }
    const methods = { put: method({ params: { at: z.array(z.instanceof(Point)) } }) };
    const base = { name: "s", version: "1.0.0" };
    const told = "put: params: at.[]: an instance of Point cannot be sent; declare the class with value()";
    expect(() => defineService({ ...base, methods })).toThrow(told);
    expect(() => defineService({ ...base, methods: {}, reactions: methods })).toThrow(told);
    const values = { Point: value({ params: {}, make: () => new Point(), is: (one) => one instanceof Point }) };
    expect(Object.keys(defineService({ ...base, methods, values }).methods)).toEqual(["put"]);
  });
});

describe("what is no schema of zod 4 is refused with its cause", () => {
  const standard = (vendor: string) => ({ "~standard": { version: 1, vendor, validate: () => ({ value: 1 }) } });
  const old = { ...z.string(), _zod: { ...z.string()._zod, version: { major: 4, minor: 1, patch: 12 } } };
  it.each<[string, unknown, string]>([
    ["zod 3", z3.string(), "a schema of zod 3; import zod 4.6 or later"],
    ["an object of zod 3", z3.object({}), "a schema of zod 3"],
    ["an old zod 4", old, "a schema of zod 4.1.12; 4.6 or later is required, and npm ls zod shows the copies"],
    ["a zod 4 without a version", { _zod: {} }, "a schema of zod an unknown version"],
    ["valibot", { kind: "schema", type: "string", ...standard("valibot") }, "a schema of valibot"],
    ["arktype, whose schemas are functions", Object.assign(() => 1, standard("arktype")), "a schema of arktype"],
    ["a function", z.string, "a function; call it, as in z.string()"],
    ["a JSON Schema", { type: "string" }, "a JSON Schema; z.fromJSONSchema()"],
    ["a JSON Schema with alternatives", { anyOf: [{ type: "string" }] }, "a JSON Schema"],
    ["a reference", { $ref: "#/a" }, "a JSON Schema"],
  ])("%s", (_, given, cause) => {
    const a = given as z.ZodType;
    for (const make of Object.values(declare)) {
      if (make === declare["input: a"]) continue; // zod itself refuses it there
      expect(() => make(a)).toThrow(cause);
    }
    expect(() => method({ input: a } as never)).toThrow(cause);
  });

  it.each<[string, unknown, string]>([
    ["a z.object", z.object({ a: z.string() }), "input: z.object({ … })"],
    ["one of zod/mini", mini.object({ a: mini.string() }), "input: z.object({ … })"],
    ["one of zod 3", z3.object({ a: z3.string() }), "params must be a record of zod schemas, but is a schema of zod 3"],
    ["a JSON Schema", { type: "object", properties: {} }, "is a JSON Schema"],
    ["one of another library", standard("valibot"), "is a schema of valibot"],
  ])("instead of a record of parameters: %s", (_, params, told) => {
    expect(() => method({ params } as never)).toThrow(told);
  });

  it("parameters may be called like the members of a JSON Schema", () => {
    const params = { type: z.string(), properties: z.string(), anyOf: z.string(), _def: z.string() };
    expect(method({ params }).signature.names).toEqual(["type", "properties", "anyOf", "_def"]);
  });
});
