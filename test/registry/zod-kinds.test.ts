/**
 * Which kinds of zod schemas a parameter and a result may have: the table of docs/services.md, row by row, with zod and zod/mini.
 */
import { readFileSync } from "node:fs";
import { HbiError, HostingEnv, method, parseScript, parseValue, repr, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";
import { writeCall } from "../../src/registry/call-text.ts";
import { landValue } from "../../src/registry/land-value.ts";
import { validate } from "../../src/registry/validate.ts";

type Verdict = "yes" | "no";
interface Row {
  readonly kind: string;
  readonly param: Verdict;
  readonly result: Verdict;
  readonly schema: z.ZodType;
  readonly given?: unknown;
  /** what the other side gets; what was given, if it is the same */
  readonly lands?: unknown;
}

const LIMITS = resolveLimits();
const WRITING = { dialect: "json", maxDepth: LIMITS.maxDepth, writer: undefined } as const;

const day = new Date(0);
const isoToDate = { decode: (text: string) => new Date(text), encode: (date: Date) => date.toISOString() };
const dateToIso = { decode: (date: Date) => date.toISOString(), encode: (text: string) => new Date(text) };
type Tree = { [name: string]: Tree };
const Trees: z.ZodType<Tree> = z.lazy(() => z.record(z.string(), Trees));
const MiniTrees: mini.ZodMiniType = mini.lazy(() => mini.record(mini.string(), MiniTrees));
const shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("dot") }),
  z.object({ kind: z.literal("circle"), r: z.number() }),
]);
const miniShape = mini.discriminatedUnion("kind", [
  mini.object({ kind: mini.literal("dot") }),
  mini.object({ kind: mini.literal("circle"), r: mini.number() }),
]);

const both = (kind: string, schema: unknown, given: unknown, lands: unknown = given): Row => ({
  ...{ kind, param: "yes", result: "yes", given, lands },
  schema: schema as z.ZodType,
});
const param = (kind: string, schema: unknown, given: unknown, lands: unknown): Row => ({
  ...both(kind, schema, given, lands),
  result: "no",
});
const neither = (kind: string, schema: unknown): Row => ({
  ...{ kind, param: "no", result: "no" },
  schema: schema as z.ZodType,
});

const ROWS: readonly Row[] = [
  both("z.bigint()", z.bigint(), 5n),
  both("z.date()", z.date(), day),
  both("z.map()", z.map(z.int(), z.date()), new Map([[1, day]])),
  both("z.set()", z.set(z.string()), new Set(["a"])),
  both("z.instanceof(Uint8Array)", z.instanceof(Uint8Array), Uint8Array.of(1)),
  both("z.instanceof(URL)", z.instanceof(URL), new URL("a:b")),
  both("z.undefined()", z.undefined(), undefined),
  both("z.nan()", z.nan(), Number.NaN),
  both("z.lazy()", Trees, { a: { b: {} } }),
  both("z.discriminatedUnion()", shape, { kind: "circle", r: 1 }),
  both("z.unknown()", z.unknown(), [day]),
  both("z.default()", z.int().default(3), undefined, 3),
  both("z.catch()", z.int().catch(-1), "x", -1),
  both("z.coerce.date()", z.coerce.date(), "1970-01-01", day),
  both("z.coerce.number()", z.coerce.number(), "5", 5),
  both("z.overwrite()", z.string().trim(), " a ", "a"),
  both("z.readonly()", z.array(z.int()).readonly(), [1]),
  param("z.transform()", z.string().transform(Number), "5", 5),
  param("z.codec()", z.codec(z.iso.datetime(), z.date(), isoToDate), "1970-01-01T00:00:00Z", day),
  param("z.codec()", z.codec(z.date(), z.iso.datetime(), dateToIso), day, "1970-01-01T00:00:00.000Z"),
  param(
    "z.preprocess()",
    z.preprocess((given) => given ?? "a", z.string()),
    undefined,
    "a",
  ),
  both("z.pipe()", z.string().pipe(z.enum(["a"])), "a"),
  neither("z.file()", z.file()),
  neither("z.function()", z.function()),
  neither("z.promise()", z.promise(z.string())),
  neither("z.symbol()", z.symbol()),
  neither("z.instanceof(Buffer)", z.instanceof(Buffer)),
  neither("z.instanceof(Blob)", z.instanceof(Blob)),
];

const MINI: readonly Row[] = [
  both("z.bigint()", mini.bigint(), 5n),
  both("z.date()", mini.date(), day),
  both("z.map()", mini.map(mini.int(), mini.date()), new Map([[1, day]])),
  both("z.set()", mini.set(mini.string()), new Set(["a"])),
  both("z.instanceof(Uint8Array)", mini.instanceof(Uint8Array), Uint8Array.of(1)),
  both("z.instanceof(URL)", mini.instanceof(URL), new URL("a:b")),
  both("z.undefined()", mini.undefined(), undefined),
  both("z.nan()", mini.nan(), Number.NaN),
  both("z.lazy()", MiniTrees, { a: { b: {} } }),
  both("z.discriminatedUnion()", miniShape, { kind: "circle", r: 1 }),
  both("z.unknown()", mini.unknown(), [day]),
  both("z.default()", mini._default(mini.int(), 3), undefined, 3),
  both("z.catch()", mini.catch(mini.int(), -1), "x", -1),
  both("z.coerce.date()", mini.coerce.date(), "1970-01-01", day),
  both("z.coerce.number()", mini.coerce.number(), "5", 5),
  both("z.overwrite()", mini.string().check(mini.trim()), " a ", "a"),
  both("z.readonly()", mini.readonly(mini.array(mini.int())), [1]),
  param("z.transform()", mini.pipe(mini.string(), mini.transform(Number)), "5", 5),
  param("z.codec()", mini.codec(mini.iso.datetime(), mini.date(), isoToDate), "1970-01-01T00:00:00Z", day),
  param("z.codec()", mini.codec(mini.date(), mini.iso.datetime(), dateToIso), day, "1970-01-01T00:00:00.000Z"),
  param(
    "z.preprocess()",
    mini.pipe(
      mini.transform((given) => given ?? "a"),
      mini.string(),
    ),
    undefined,
    "a",
  ),
  both("z.pipe()", mini.pipe(mini.string(), mini.enum(["a"])), "a"),
  neither("z.file()", mini.file()),
  neither("z.function()", mini.function()),
  neither("z.promise()", mini.promise(mini.string())),
  neither("z.symbol()", mini.symbol()),
  neither("z.instanceof(Buffer)", mini.instanceof(Buffer)),
  neither("z.instanceof(Blob)", mini.instanceof(Blob)),
];

describe.each([
  ["zod", ROWS],
  ["zod/mini", MINI],
] as const)("%s", (_, rows) => {
  it.each(rows.map((row, i) => [`${i} ${row.kind}`, row] as const))("%s as a parameter", (_name, row) => {
    const declare = () => method({ params: { a: row.schema } });
    if (row.param === "no") return expect(declare).toThrow(HbiError);
    const declared = declare();
    const { code } = writeCall("m", declared as never, { a: row.given }, WRITING);
    const [call] = parseScript(code, LIMITS);
    const landed = declared.signature.validate("m", declared.signature.bind(call as never)) as { a: unknown };
    expect(landed.a).toStrictEqual(row.lands);
  });

  it.each(rows.map((row, i) => [`${i} ${row.kind}`, row] as const))("%s as a result", (_name, row) => {
    const declare = () => method({ params: {}, result: row.schema });
    if (row.result === "no") return expect(declare).toThrow(HbiError);
    const [schema] = declare().results;
    if (schema === undefined) throw new Error("no result");
    const text = repr(validate(schema, row.given, "bad_result", "m"));
    const landed = validate(schema, landValue(parseValue(text, LIMITS), new HostingEnv()), "bad_answer", "m");
    expect(landed).toStrictEqual(row.lands);
  });
});

it("the guide says the same", () => {
  const guide = readFileSync(new URL("../../docs/services.md", import.meta.url), "utf8");
  const table = /\| kind .*?\n\n/s.exec(guide)?.[0] ?? "";
  const told = [...table.matchAll(/^\| (.+?) +\| (yes|no)[^|]*\| (yes|no)[^|]*\|/gm)].flatMap(([, kinds = "", p, r]) =>
    [...kinds.matchAll(/`([^`]+)`/g)].map(([, kind]) => `${kind} ${p} ${r}`),
  );
  const tested = new Set(ROWS.map((row) => `${row.kind} ${row.param} ${row.result}`));
  expect(new Set(told)).toEqual(tested);
  expect(new Set(MINI.map((row) => `${row.kind} ${row.param} ${row.result}`))).toEqual(tested);
});
