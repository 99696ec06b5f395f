/**
 * Random definitions: methods with names of every kind that is allowed, with params and inputs in all their forms.
 */
import fc from "fast-check";
import { z } from "zod";
import { type Method, method } from "../../src/index.ts";
import { KEYWORDS } from "../../src/parser/lexicon.ts";

const WORDS = [...KEYWORDS].filter((word) => word !== "undefined");
const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"];
const REST = [...LETTERS, ..."0123456789"];
const CONSTANTS = ["null", "None", "nil", "true", "True", "false", "False", "nan", "NaN", "inf", "Inf", "Infinity"];
const REFUSED = new Set([...CONSTANTS, "undefined", "HbiError", "__hbi_init__", "__hbi_cleanup__", "__proto__"]);

/** Names of parameters, one of which is a single part: reserved words, short and long ones. */
const plainNames: fc.Arbitrary<string> = fc
  .oneof(
    fc.constantFrom(...WORDS),
    fc.constantFrom("then", "length", "name", "b", "r", "f", "_", "nil_", "NaN0", "e1", "x10", "u", "prototype"),
    fc
      .tuple(fc.constantFrom(...LETTERS), fc.array(fc.constantFrom(...REST), { maxLength: 63, size: "max" }))
      .map(([first, rest]) => first + rest.join("")),
  )
  .filter((name) => !REFUSED.has(name) && !(name in Object.prototype));

/** Of one part that may also be a member of every object, or of up to eight, each of which may be a constant. */
const methodNames: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 3, arbitrary: fc.oneof(plainNames, fc.constantFrom("constructor", "toString", "__lookupSetter__")) },
    {
      weight: 2,
      arbitrary: fc
        .array(fc.oneof(plainNames, fc.constantFrom(...CONSTANTS)), { minLength: 2, maxLength: 8 })
        .map((parts) => parts.join(".")),
    },
  )
  .filter((name) => !REFUSED.has(name));

const kinds = {
  integer: z.int(),
  text: z.string(),
  flag: z.boolean().optional(),
  list: z.array(z.int()).max(3),
  withDefault: z.int().default(7),
  anything: z.json().optional(),
};
type Kind = keyof typeof kinds;
const values: Readonly<Record<Kind, fc.Arbitrary<unknown>>> = {
  integer: fc.integer(),
  text: fc.string({ maxLength: 20 }),
  flag: fc.option(fc.boolean(), { nil: undefined }),
  list: fc.array(fc.integer(), { maxLength: 3 }),
  withDefault: fc.option(fc.integer(), { nil: undefined }),
  anything: fc
    .option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined })
    .filter((value) => !JSON.stringify([value]).includes("__proto__")),
};

interface Member {
  readonly name: string;
  readonly kind: Kind;
}
const members = (maxLength: number) =>
  fc.uniqueArray(fc.record({ name: plainNames, kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])) }), {
    maxLength,
    selector: ({ name }) => name,
    size: "max",
  });

/** A method, and the arguments of a call with what its handler receives. */
export interface Declared {
  readonly method: Method;
  readonly calls: fc.Arbitrary<Readonly<Record<string, unknown>>>;
  /** of the arguments, as zod alone sees them */
  readonly expected: (given: object) => unknown;
}

const shapeOf = (list: readonly Member[]) => Object.fromEntries(list.map(({ name, kind }) => [name, kinds[kind]]));
const callsOf = (list: readonly Member[]) =>
  fc
    .record(Object.fromEntries(list.map(({ name, kind }) => [name, values[kind]])), { noNullPrototype: true })
    .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));

function declared(schema: z.ZodType, made: Method, calls: Declared["calls"]): Declared {
  return { method: made, calls, expected: (given) => schema.parse(given) };
}

const byParams = (most: number) =>
  members(most).map((list) => {
    const params = shapeOf(list);
    return declared(z.strictObject(params), method({ params, result: z.json() }), callsOf(list));
  });

const byInput = fc
  .tuple(members(90), fc.constantFrom("object", "strict", "refined", "readonly", "lazy", "transformed"))
  .map(([list, form]) => {
    const shape = shapeOf(list);
    const object = z.object(shape);
    const input = {
      object,
      strict: z.strictObject(shape),
      refined: object.refine(() => true),
      readonly: object.readonly(),
      lazy: z.lazy(() => object),
      transformed: object.transform((given) => ({ given })),
    }[form];
    return declared(input, method({ input, result: z.json() }), callsOf(list));
  });

const byUnion = fc.tuple(members(6), members(6)).map(([left, right]) => {
  const branch = (tag: string, list: readonly Member[]) => ({ ...shapeOf(list), tag: z.literal(tag) });
  const input = z.discriminatedUnion("tag", [z.object(branch("l", left)), z.object(branch("r", right))]);
  const calls = fc.oneof(
    callsOf(left).map((given) => ({ ...given, tag: "l" })),
    callsOf(right).map((given) => ({ ...given, tag: "r" })),
  );
  return declared(input, method({ input, result: z.json() }), calls);
});

/** A method by its name. */
export const namedMethods: fc.Arbitrary<readonly [name: string, Declared]> = fc.tuple(
  methodNames,
  fc.oneof(byParams(8), byParams(64), byInput, byUnion),
);

/** Up to six of them. */
export const definitions: fc.Arbitrary<readonly (readonly [name: string, Declared])[]> = fc.uniqueArray(namedMethods, {
  minLength: 1,
  maxLength: 6,
  selector: ([name]) => name,
});
