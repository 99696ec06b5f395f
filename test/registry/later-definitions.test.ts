/**
 * Schemas that refer to a definition further below, which does not exist yet when they are declared: they work once it
 * does, or are refused in words.
 */
import { defineService, HostingEnv, method, value } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

/** A schema behind a definition that is missing until `define` was called. */
function later(): { readonly get: () => z.ZodType; define(schema: z.ZodType): void } {
  let made: z.ZodType | undefined;
  return {
    get() {
      if (made === undefined) throw new ReferenceError("Cannot access 'Later' before initialization");
      return made;
    },
    define(schema) {
      made = schema;
    },
  };
}
type Get = () => z.ZodType;

/** Each accepts `given` as soon as the later schema accepts "x". */
const KINDS: readonly [name: string, make: (get: Get) => z.ZodType, given: unknown][] = [
  ["lazy", (get) => z.lazy(get), "x"],
  ["array", (get) => z.array(z.lazy(get)), ["x"]],
  ["record", (get) => z.record(z.string(), z.lazy(get)), { a: "x" }],
  ["tuple", (get) => z.tuple([z.lazy(get)]), ["x"]],
  ["union", (get) => z.union([z.int(), z.lazy(get)]), "x"],
  ["catchall", (get) => z.object({}).catchall(z.lazy(get)), { a: "x" }],
  ["optional", (get) => z.lazy(get).optional(), "x"],
  [
    "getter of an object",
    (get) =>
      z.object({
        get a() {
          return get();
        },
      }),
    { a: "x" },
  ],
  [
    "getter of an object that is extended",
    (get) =>
      z
        .object({
          get a() {
            return get();
          },
        })
        .extend({ b: z.int() }),
    { a: "x", b: 1 },
  ],
  [
    "getter in a discriminated union",
    (get) =>
      z.discriminatedUnion("kind", [
        z.object({
          kind: z.literal("a"),
          get a() {
            return get();
          },
        }),
        z.object({ kind: z.literal("b") }),
      ]),
    { kind: "a", a: "x" },
  ],
];

/** A service that takes and returns such a value. */
const serviceOf = (make: (get: Get) => z.ZodType, get: Get) =>
  defineService({
    name: "later",
    version: "1.0.0",
    methods: { echo: method({ params: { given: make(get) }, result: make(get) }) },
    reactions: { told: method({ params: { given: make(get) } }) },
    values: { made: value({ params: { given: make(get) }, make: () => 1 }) },
    credentials: { token: make(get) },
  });

describe("what refers to a later definition is defined, and works when it exists", () => {
  it.each(KINDS)("%s", async (_, make, given) => {
    const { get, define } = later();
    const service = serviceOf(make, get);
    new HostingEnv().slot("slot", make(get));
    define(z.literal("x"));
    const { link } = await testLink(service, () => ({ echo: ({ given }) => given }), {
      host: { authenticate: () => ({}) },
      link: { credentials: { token: given } },
      reactions: { told: () => undefined },
    });
    expect(await link.call.echo({ given })).toEqual(given);
    await expect(link.call.echo({ given: JSON.parse(JSON.stringify(given).replaceAll('"x"', '"y"')) })).rejects.toThrow(
      "echo: argument refused",
    );
    await link.close();
  });

  it.each(KINDS)("a transform in a result is told at the first call: %s", async (_, make, given) => {
    const { get, define } = later();
    const service = defineService({
      name: "later",
      version: "1.0.0",
      methods: { echo: method({ params: {}, result: make(get) }) },
    });
    define(z.string().transform((text) => `${text}!`));
    const { link } = await testLink(service, () => ({ echo: () => given }), { host: { log: () => undefined } });
    for (const _ of ["first", "second"])
      await expect(link.call.echo({})).rejects.toThrow(
        /^echo: internal error: the result has a transform at ".*", which/,
      );
    await link.close();
  });
});

describe("what must be known at once is refused in words", () => {
  const at = (get: Get) => ({
    get a() {
      return get();
    },
  });
  it.each<[string, (get: Get) => unknown]>([
    ["parameter a", (get) => method({ params: at(get) })],
    ["parameter a", (get) => value({ params: at(get), make: () => 1 })],
    ["credential a", (get) => defineService({ name: "s", version: "1.0.0", methods: {}, credentials: at(get) })],
    ["input", (get) => method({ input: z.lazy(get) })],
    ["input", (get) => method({ input: z.object(at(get)) })],
    ["input", (get) => method({ input: z.object(at(get)).refine(() => true) })],
    ["input", (get) => method({ input: z.union([z.object({}), z.lazy(get)]) })],
  ])("%s", (what, declare) => {
    const { get, define } = later();
    expect(() => declare(get)).toThrow(
      expect.objectContaining({
        reason: "bad_option",
        message: `bad option: ${what} is not available yet; declare first what it refers to, or refer to it by z.lazy() in a member`,
      }),
    );
    define(z.object({ a: z.string() }));
    expect(() => declare(get)).not.toThrow();
  });
});
