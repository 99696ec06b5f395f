/**
 * Strings that satisfy the checks of a schema: lengths, patterns, formats, fixed parts. Where the checks permit it,
 * text that breaks careless code: quotes, line breaks, NUL, text that resembles code or packets, characters outside the
 * BMP.
 */
import fc from "fast-check";
import type { z } from "zod";
import { accepts, bestOf } from "./acceptance.ts";
import { matching } from "./matching.ts";
import { checksOf, type LengthBounds, lengthBounds, type StringCheck } from "./schema-checks.ts";
import { formatArbitrary } from "./text-formats.ts";

type Candidate = () => fc.Arbitrary<string>;

const USUAL_MAX = 64;
/** Longer texts repeat a part. */
const MOST_DRAWN = 256;
/** Strings of exactly the declared maximum are generated up to this length; longer ones make reports unreadable. */
const MAX_EDGE = 4_096;

const HARSH = [
  ..."\"'\\\n\r\t\0\x1b/#`{}[](),;:$%&<>=\u00a0\u2028\ufeff",
  "é",
  "漢",
  "e\u0301",
  "😀",
  "👩‍💻",
  "\u{10ffff}",
];

const SURROGATES = { first: 0xd800, count: 0x800 };

/** Any code point. The unit "binary" of fast-check tabulates all of them, which takes a second. */
const anyChar = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES.count })
  .map((point) => String.fromCodePoint(point < SURROGATES.first ? point : point + SURROGATES.count));

/** The letters first, because values shrink towards them. `fc.string` for one character takes several times as long. */
const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + ((i + 65) % 95)));

const char: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ASCII) },
  { weight: 2, arbitrary: fc.constantFrom(...HARSH) },
  { weight: 1, arbitrary: anyChar },
);

/** Any text of this many UTF-16 units; one symbol may take several. */
export function plainText(min: number, max: number, unit: fc.Arbitrary<string> = char): fc.Arbitrary<string> {
  const usual = Math.min(max, Math.max(USUAL_MAX, min + 16));
  const text = min > MOST_DRAWN ? repeated(min, usual, unit) : drawn(min, usual, unit);
  if (max > MAX_EDGE || max === min) return text;
  return fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: fc.constant("x".repeat(max)) });
}

function drawn(min: number, max: number, unit: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .string({ unit, minLength: min, maxLength: max, size: "max" })
    .map((value) => [...value].slice(0, max).join(""));
}

/** A long text repeats a short one, because a symbol takes longer to draw than to send. */
function repeated(min: number, max: number, unit: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(drawn(1, USUAL_MAX, unit), fc.integer({ min, max })).map(([part, length]) => {
    const text = part.repeat(Math.ceil(length / part.length)).slice(0, length);
    return /[\ud800-\udbff]$/.test(text) ? `${text.slice(0, -1)}x` : text; // no half of a symbol at the end
  });
}

/** @throws HbiError invalid_argument if too few of the candidates are accepted */
export function stringArbitrary(schema: z.core.$ZodType, complaint: string): fc.Arbitrary<string> {
  const checks = checksOf(schema);
  const { min, max } = lengthBounds(checks);
  const formats = checks.filter((check): check is StringCheck => check.check === "string_format");
  const patterned = formats.filter(({ format }) => !PARTS.has(format) && !CASES.has(format));
  const candidates =
    patterned.length === 0
      ? composed(formats, min, max)
      : patterned.flatMap((check) => [...formatCandidates(check), ...patternCandidates(check, { min, max })]);
  return bestOf(candidates, (value) => accepts(schema, value), complaint);
}

const PARTS: ReadonlySet<string> = new Set(["starts_with", "ends_with", "includes"]);
const CASES: ReadonlySet<string> = new Set(["lowercase", "uppercase"]);

function formatCandidates(check: StringCheck): Candidate[] {
  const format = formatArbitrary(check);
  return format === undefined ? [] : [() => format];
}

/** fast-check does not support the flag `i`. What matches without it also matches with it, except for negated
 *  classes. */
function patternCandidates({ pattern }: StringCheck, { min, max }: LengthBounds): Candidate[] {
  if (pattern === undefined) return [];
  const readable = new RegExp(bounded(pattern.source, min, max), pattern.flags.replace(/[^msu]/g, ""));
  const limit = Number.isFinite(max) ? { maxLength: max } : {};
  const sizes = ["xsmall", "small", "medium", "large"] as const; // the lengths of `*` and `+`
  const wanted = min <= 1 ? sizes.slice(0, 2) : sizes;
  return wanted.map((size) => () => matching(readable, { ...limit, size }));
}

/** `/^[a-z]+$/` with a length is the most common pattern. The bounds become its quantifier, because few random strings
 *  would have the length. */
function bounded(source: string, min: number, max: number): string {
  const [, one, quantifier] = /^\^((?:\[(?:[^\]\\]|\\.)+\]|\\[wds]))([+*])\$$/.exec(source) ?? [];
  if (one === undefined) return source;
  const least = Math.max(min, quantifier === "+" ? 1 : 0);
  return `^${one}{${least},${Number.isFinite(max) ? max : Math.max(USUAL_MAX, least + 16)}}$`;
}

/** Text around its fixed parts. */
function composed(checks: readonly StringCheck[], min: number, max: number): Candidate[] {
  const prefix = checks.map((check) => ("prefix" in check ? String(check.prefix) : "")).join("");
  const suffix = checks.map((check) => ("suffix" in check ? String(check.suffix) : "")).join("");
  const parts = checks.flatMap((check) => ("includes" in check ? [String(check.includes)] : []));
  const positions = checks.map((check) => ("position" in check ? Number(check.position ?? 0) : 0));
  const unit = char.map((text) => cased(text, checks));
  const fixed = [...prefix, ...parts.join(""), ...suffix].length;
  const lead = Math.max(0, ...positions.map((position) => position - prefix.length));
  const whole = () => {
    const room = Math.max(0, max - fixed);
    const before = plainText(
      Math.min(lead, room),
      Math.max(lead, parts.length === 0 ? 0 : Math.min(room, lead + 8)),
      unit,
    );
    return before.chain((start) => {
      const used = fixed + [...start].length;
      const rest = plainText(Math.max(0, min - used), Math.max(0, max - used), unit);
      return rest.map((end) => `${prefix}${start}${parts.join("")}${end}${suffix}`);
    });
  };
  if (fixed === 0) return [() => plainText(min, max, unit)];
  const only = [prefix + suffix, prefix, suffix, ...parts]; // if there is room only for overlapping parts
  return [whole, ...(fixed > max ? only.map((text) => () => fc.constant(text)) : [])];
}

function cased(text: string, checks: readonly StringCheck[]): string {
  let result = text;
  for (const { format } of checks) {
    if (format === "lowercase") result = result.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (format === "uppercase") result = result.replace(/[a-z]/g, (letter) => letter.toUpperCase());
  }
  return result;
}
