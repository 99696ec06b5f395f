/**
 * Schemas with values for them: what a schema accepts, strips, changes and allows to be absent, drawn at random.
 */
import fc from "fast-check";
import { z } from "zod";

/** A schema, and a value that it accepts or nearly accepts. */
export interface Drawn {
  readonly schema: z.ZodType;
  readonly value: unknown;
  /** as code, for reports */
  readonly code: string;
}

export class Holder {
  readonly #a: unknown;
  readonly b: unknown;
  constructor(a: unknown, b: unknown) {
    this.#a = a;
    this.b = b;
  }
  get a(): unknown {
    return this.#a;
  }
}

const text = fc.string({ maxLength: 6 });
const leaf = (code: string, schema: z.ZodType, value: fc.Arbitrary<unknown>): fc.Arbitrary<Drawn> =>
  value.map((drawn) => ({ schema, value: drawn, code }));

const plain: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<unknown>(null, undefined, true, 0, -0, Number.NaN, 5n, "x", Number.NEGATIVE_INFINITY),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "0", "7"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.uint8Array({ maxLength: 3 }),
  ),
})).value;

const leaves: readonly fc.Arbitrary<Drawn>[] = [
  leaf("string", z.string(), text),
  leaf("int", z.int(), fc.integer()),
  leaf("number", z.number(), fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant("1"))),
  leaf("boolean", z.boolean(), fc.boolean()),
  leaf("bigint", z.bigint(), fc.bigInt({ min: -5n, max: 2n ** 70n })),
  leaf("null", z.null(), fc.constant(null)),
  leaf("nan", z.nan(), fc.constant(Number.NaN)),
  leaf("undefined", z.undefined(), fc.constant(undefined)),
  leaf("void", z.void(), fc.constant(undefined)),
  leaf("any", z.any(), plain),
  leaf("unknown", z.unknown(), plain),
  leaf("literal", z.literal(["a", 1, null, undefined]), fc.constantFrom("a", 1, null, undefined)),
  leaf("enum", z.enum(["a", "b"]), fc.constantFrom("a", "b", "c")),
  leaf("bytes", z.instanceof(Uint8Array), fc.uint8Array({ maxLength: 4 })),
  leaf("date", z.date(), fc.date({ noInvalidDate: true })),
  leaf(
    "url",
    z.instanceof(URL),
    fc.webUrl({ withQueryParameters: true, withFragments: true }).map((href) => new URL(href)),
  ),
  leaf("json", z.json(), fc.jsonValue({ maxDepth: 2 })),
];

/** They change what they are given, so only a parameter may have them. */
const changing: readonly fc.Arbitrary<Drawn>[] = [
  leaf("default", z.int().default(3), fc.constantFrom(1, undefined)),
  leaf("prefault", z.string().trim().prefault(" a "), fc.constantFrom(" b ", undefined)),
  leaf("catch", z.int().catch(-1), fc.constantFrom(1, "no", undefined)),
  leaf(
    "transform",
    z.string().transform((given) => given.length),
    text,
  ),
  leaf(
    "overwrite",
    z.string().overwrite((given) => `${given}!`),
    text,
  ),
  leaf("coerced number", z.coerce.number(), fc.constantFrom("12", 12, true)),
  leaf("coerced date", z.coerce.date(), fc.constantFrom("2020-01-01", new Date(5), 5)),
  leaf(
    "codec",
    z.codec(z.string(), z.int(), { decode: Number, encode: String }),
    fc.nat().map((given) => `${given}`),
  ),
  leaf(
    "preprocessed",
    z.preprocess((given) => given ?? "none", z.string()),
    fc.constantFrom(undefined, "x"),
  ),
];

const KEYS = ["a", "b", "c"] as const;
type Mode = "strip" | "strict" | "loose" | "catchall";

function objectOf(members: readonly Drawn[], mode: Mode, absent: number, surplus: unknown, isHeld: boolean): Drawn {
  const shape: Record<string, z.ZodType> = {};
  const value: Record<string, unknown> = {};
  for (const [i, member] of members.entries()) {
    const key = KEYS[i] ?? "d";
    shape[key] = member.schema;
    if (absent !== i) value[key] = member.value;
  }
  if (surplus !== undefined) value["secret"] = surplus;
  const schema = {
    strip: z.object(shape),
    strict: z.strictObject(shape),
    loose: z.looseObject(shape),
    catchall: z.object(shape).catchall(z.number()),
  }[mode];
  const code = `${mode}{${members.map((member) => member.code).join()}}`;
  return { schema, value: isHeld ? new Holder(value["a"], value["b"]) : value, code };
}

function drawing(options: readonly fc.Arbitrary<Drawn>[]): fc.Arbitrary<Drawn> {
  return fc.letrec<{ drawn: Drawn }>((tie) => {
    const drawn = tie("drawn");
    const some = fc.array(drawn, { minLength: 1, maxLength: 3 });
    return {
      drawn: fc.oneof(
        { maxDepth: 3, depthSize: "small" },
        { weight: 3, arbitrary: fc.oneof(...options) },
        fc
          .tuple(some, fc.constantFrom<Mode>("strip", "strict", "loose", "catchall"), fc.integer({ min: -4, max: 2 }))
          .chain(([members, mode, absent]) =>
            fc
              .tuple(fc.option(fc.constantFrom<unknown>("s3cret", 1), { nil: undefined }), fc.nat(5))
              .map(([surplus, held]) => objectOf(members, mode, absent, surplus, held === 0)),
          ),
        fc.tuple(drawn, fc.nat(2)).map(([item, count]) => ({
          schema: z.array(item.schema),
          value: Array.from({ length: count }, () => item.value),
          code: `array(${item.code})`,
        })),
        some.map((items) => ({
          schema: z.tuple(items.map((item) => item.schema) as [z.ZodType]),
          value: items.map((item) => item.value),
          code: `tuple(${items.map((item) => item.code).join()})`,
        })),
        fc.tuple(drawn, drawn).map(([key, item]) => ({
          schema: z.map(key.schema, item.schema),
          value: new Map([[key.value, item.value]]),
          code: `map(${key.code},${item.code})`,
        })),
        drawn.map((item) => ({
          schema: z.set(item.schema),
          value: new Set([item.value]),
          code: `set(${item.code})`,
        })),
        drawn.map((item) => ({
          schema: z.record(z.string(), item.schema),
          value: item.value === undefined ? {} : { k: item.value, 7: item.value }, // there, undefined is absent
          code: `record(${item.code})`,
        })),
        fc.tuple(drawn, drawn, fc.boolean()).map(([one, other, isFirst]) => ({
          schema: z.union([one.schema, other.schema]),
          value: isFirst ? one.value : other.value,
          code: `union(${one.code},${other.code})`,
        })),
        fc
          .tuple(drawn, fc.constantFrom("optional", "nullable", "lazy", "readonly"), fc.nat(2))
          .map(([item, how, is]) => {
            const { schema } = item;
            const made = {
              optional: schema.optional(),
              nullable: schema.nullable(),
              lazy: z.lazy(() => schema),
              readonly: schema,
            };
            const nothing = how === "optional" ? undefined : how === "nullable" ? null : item.value;
            return {
              schema: made[how as keyof typeof made],
              value: is === 0 ? nothing : item.value,
              code: `${how}(${item.code})`,
            };
          }),
      ),
    };
  }).drawn;
}

/** For parameters. */
export const anyDrawn = drawing([...leaves, ...changing]);
/** For results. */
export const steadyDrawn = drawing(leaves);

/** Without the members that are undefined: a text does not distinguish them from absent ones. */
export function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]) => [withoutUndefined(key), withoutUndefined(item)]));
  }
  if (value instanceof Set) return new Set(Array.from(value, withoutUndefined));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  if (value instanceof URL) return value.href; // whose content is private

  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutUndefined(member)]));
}

/**
 * What a parameter may land as. A receiver chooses the option of a union anew, for what has been written: without the
 * members that are undefined, and changed as the sender's option changes it. `sent` is what the text says by itself.
 */
export function meaningsAsParameter(
  { schema, value, code }: Drawn,
  sent: { readonly a?: unknown },
): readonly unknown[] {
  const meanings = [schema.parse(value)];
  if (/\bunion\b/.test(code)) meanings.push(z.object({ a: schema }).safeParse(sent).data?.a);
  return meanings.map(withoutUndefined);
}
