/**
 * Names of methods, reactions, values, slots and parameters: what is refused when it is declared, in which words; and
 * that what is not refused can be called.
 */
import { callsOver, defineService, HostingEnv, type LimitOptions, Link, method, ServiceHost, value } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { KEYWORDS } from "../../src/parser/lexicon.ts";

const nothing = method({ params: {} });
const spec = { name: "s", version: "1.0.0", methods: {} };
const made = value({ params: {}, make: () => 1 });
const LONG = "a".repeat(65);
const PARTS = "a.b.c.d.e.f.g.h.i";

describe("a name that cannot be called is refused where it is declared", () => {
  const RULE = "a name consists of ASCII letters, digits and _, and begins with no digit";
  const CONSTANT = "it is a constant in JavaScript, Python or Go";
  it.each([
    ["tools/list", `${RULE}; try "tools.list" or "tools_list"`],
    ["user:created", `${RULE}; try "user.created" or "user_created"`],
    ["get-user-by-id", `${RULE}; try "get.user.by.id" or "get_user_by_id"`],
    ["$/cancelRequest", "names with $ belong to the library"],
    ["a$b", "names with $ belong to the library"],
    ["two words", `${RULE}; try "two.words" or "two_words"`],
    [".hidden", `${RULE}; try "hidden"`],
    ["a..b", `${RULE}; try "a.b" or "a_b"`],
    ["2nd", `${RULE}; try "_2nd"`],
    ["größe", `${RULE}; try "gr.e" or "gr_e"`],
    ["名前", RULE],
    ["", "it must be a text of at least one letter"],
    ["None", CONSTANT],
    ["undefined", CONSTANT],
    ["HbiError", "it is the constructor of errors"],
    ["__hbi_init__", "it has a meaning of its own in JavaScript or HBI"],
    [LONG, "it has 65 characters, and at most 64 are read (maxNameLength)"],
    [`svc.${LONG}`, "a part of it has 65 characters, and at most 64 are read (maxNameLength)"],
    [PARTS, "it has 9 parts between dots, and at most 8 are read (maxNameParts)"],
  ])("%s", (name, reason) => {
    const message = (what: string) => `cannot be the name of a ${what}: ${reason}`;
    expect(() => defineService({ ...spec, methods: { [name]: nothing } })).toThrow(message("method"));
    expect(() => defineService({ ...spec, reactions: { [name]: nothing } })).toThrow(message("reaction"));
    expect(() => defineService({ ...spec, values: { [name]: made } })).toThrow(message("value"));
    expect(() => new HostingEnv().expose(name, nothing, () => undefined)).toThrow(message("method"));
    expect(() => new HostingEnv().construct(name, made)).toThrow(message("value"));
  });

  it.each([
    ["tools/list", `${RULE}; try "tools_list"`],
    ["a.b", `${RULE}; try "a_b"`],
    ["nil", CONSTANT],
    ["constructor", "in JavaScript, every object has a member of this name"],
    ["toString", "in JavaScript, every object has a member of this name"],
    [LONG, "it has 65 characters, and at most 64 are read (maxNameLength)"],
  ])("%s, of a single part", (name, reason) => {
    const message = (what: string) => `cannot be the name of a ${what}: ${reason}`;
    expect(() => method({ params: { [name]: z.int() } })).toThrow(message("parameter"));
    expect(() => value({ params: { [name]: z.int() }, make: () => 1 })).toThrow(message("parameter"));
    expect(() => defineService({ ...spec, credentials: { [name]: z.string() } })).toThrow(message("credential"));
    expect(() => new HostingEnv().slot(name, z.int())).toThrow(message("slot"));
  });

  it("and the rest of a very long one is not repeated", () => {
    expect(() => defineService({ ...spec, methods: { ["a".repeat(9_000)]: nothing } })).toThrow(/^.{80,200}$/);
  });

  it("the name of a service, which no call contains, may be longer", () => {
    expect(defineService({ ...spec, name: `${LONG}.${PARTS}` }).name).toBe(`${LONG}.${PARTS}`);
    expect(() => defineService({ ...spec, name: "my-service" })).toThrow('try "my.service" or "my_service"');
  });

  it("65 parameters, of which a call would have too many", () => {
    const params = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, z.int()]));
    expect(method({ params: params(64) }).signature.names).toHaveLength(64);
    const message = "65 parameters, and at most 64 are read (maxArguments)";
    expect(() => method({ params: params(65) })).toThrow(message);
    expect(() => value({ params: params(65), make: () => 1 })).toThrow(message);
  });
});

describe("a name that only some readers take", () => {
  const long = defineService({ ...spec, foreign: true, methods: { [LONG]: nothing, [PARTS]: nothing } });

  it("is defined for a program of another library, and called there", async () => {
    const codes: string[] = [];
    const { call } = callsOver(long, {
      carry: async ({ code }) => {
        codes.push(code);
        return [];
      },
    });
    await call[LONG]?.();
    await call[PARTS]?.();
    expect(codes).toEqual([`${LONG}()`, `${PARTS}()`]);
    expect(() => defineService({ ...spec, foreign: true, methods: { "a-b": nothing } })).toThrow('try "a.b"');
    expect(() => defineService({ ...spec, foreign: true, reactions: { [LONG]: nothing } })).toThrow("maxNameLength");
  });

  it("is served with limits that read it, and refused at the start otherwise", async () => {
    const handlers = () => ({ [LONG]: () => undefined, [PARTS]: () => undefined });
    expect(() => new ServiceHost(long, handlers, {})).toThrow(
      `"${LONG}" cannot be the name of a method: it has 65 characters, and at most 64 are read (maxNameLength)`,
    );
    const limits = { maxNameLength: 65, maxNameParts: 9 };
    const { link } = await testLink(long, handlers, { host: { limits } });
    await link.call[LONG]?.();
    await link.call[PARTS]?.();
    await link.close();
  });

  it.each<[object, LimitOptions, string]>([
    [{ count_all: nothing }, { maxNameLength: 8 }, "it has 9 characters, and at most 8 are read (maxNameLength)"],
    [{ "a.b.c": nothing }, { maxNameParts: 2 }, "it has 3 parts between dots, and at most 2 are read (maxNameParts)"],
    [
      { m: method({ params: { count: z.int() } }) },
      { maxNameLength: 4 },
      '"count" cannot be the name of a parameter of m',
    ],
    [
      { m: method({ params: { a: z.int(), b: z.int() } }) },
      { maxArguments: 1 },
      "m has 2 parameters, and at most 1 are read (maxArguments)",
    ],
    [
      { m: method({ input: z.object({ a: z.int(), b: z.int() }) }) },
      { maxObjectKeys: 1 },
      "m has 2 parameters, and at most 1 are read (maxObjectKeys)",
    ],
  ])("is refused by a host or a link whose limits are lower: %#", (methods, limits, message) => {
    const handlers = Object.fromEntries(Object.keys(methods).map((name) => [name, () => undefined])) as never;
    const service = defineService({ ...spec, methods: methods as never, reactions: methods as never });
    expect(() => new ServiceHost(service, () => handlers, { limits })).toThrow(message);
    expect(() => new Link(service, () => Promise.reject(), handlers, { limits })).toThrow(message);
    expect(new ServiceHost(service, () => handlers, {}).peers.size).toBe(0);
  });
});

/** As good as any name, and each special to some language or object. */
const ODD_NAMES = [
  ...[...KEYWORDS].filter((word) => word !== "undefined"), // which is a constant
  ...["constructor", "toString", "hasOwnProperty", "valueOf", "then", "length", "name", "prototype", "b", "r"],
  ...["__defineGetter__", "__x__", "_", "_1", "a".repeat(64), "x.this", "this.x", "new.target", "import.meta", "nil.x"],
  ...["a.b.c.d.e.f.g.h", "super.constructor", "print", "self", "__import__", "type", "map", "string", "NULL", "nul"],
];

it("every other name is called, by position and by name, as a method, a reaction and a value", async () => {
  const echo = method({ params: { a: z.int(), b: z.int().optional() }, result: z.array(z.int()) });
  const names = ODD_NAMES;
  const methods = Object.fromEntries(names.map((name) => [name, echo]));
  const handlers = Object.fromEntries(
    names.map((name, i) => [name, ({ a, b = 0 }: { a: number; b?: number | undefined }) => [i, a, b]]),
  );
  const service = defineService({ ...spec, methods, reactions: methods });
  const { link, peer } = await testLink(service, () => handlers, { reactions: handlers });
  for (const [i, name] of names.entries()) {
    for (const call of [link.call, peer.call]) {
      expect(await call[name]?.({ a: 1, b: 2 }), name).toEqual([i, 1, 2]);
    }
    const written = await link.po.converse(async (co) => {
      await co.sendCode(`${name}(b=${i}, a=2)`);
      return co.recvObj();
    });
    expect(written, name).toEqual([i, 2, i]);
  }
  await link.close();
});

it("every other name of a parameter or a slot is assigned to", async () => {
  const names = ODD_NAMES.filter((name) => !name.includes(".") && !(name in Object.prototype));
  const params = (some: readonly string[]) => Object.fromEntries(some.map((name) => [name, z.string().optional()]));
  const one = (name: string) =>
    method({ params: { first: z.string().optional(), ...params([name]) }, result: z.json() });
  const methods = Object.fromEntries(names.map((name, i) => [`m${i}`, one(name)]));
  const service = defineService({ ...spec, methods });
  const handlers = Object.fromEntries(names.map((_, i) => [`m${i}`, (given: object) => given as never]));
  const { link } = await testLink(service, () => handlers);
  for (const [i, name] of names.entries()) {
    const given = { [name]: `the ${name}` };
    expect(await link.call[`m${i}`]?.(given), name).toEqual(given);
    expect(await link.script((s) => (s[`m${i}`] as never as (given: object) => never)(given)), name).toEqual(given);
    const env = new HostingEnv().slot(name, z.string());
    expect(env.lookup(name)?.kind).toBe("slot");
  }
  await link.close();
});
