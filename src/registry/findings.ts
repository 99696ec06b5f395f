/**
 * The findings in a value that a schema has refused: zod stopped at the first, because the number of its issues and
 * their size are the peer's choice. The members are therefore run one by one, each up to its first issue.
 */
import type { z } from "zod";
import { type Issue, MAX_ISSUES } from "../errors.ts";
import { isRecord, issueOf } from "./issues.ts";
import { definition } from "./schema-walk.ts";

type Schema = z.core.$ZodType;
type Raw = z.core.$ZodRawIssue;
type Path = readonly (string | number)[];
/** Runs a schema up to its first issue. */
type Run = (schema: Schema, value: unknown) => readonly Raw[];

/** Bound the work for a refused value: how many of its parts run again, and how often each of them does. */
const MAX_RUNS = 256;
const MAX_DEPTH = 8;

/** At most `MAX_ISSUES`, and at least one. @param first what the schema has found in the whole value */
export function findings(schema: Schema, value: unknown, first: readonly Raw[], run: Run): readonly Issue[] {
  const search = new Search(run);
  try {
    search.explain(schema, value, [], first);
  } catch {
    // a function of the author that fails the second time, or an object of the caller that changes
  }
  const { found } = search;
  return found.length === 0 ? first.slice(0, MAX_ISSUES).map((raw) => issueOf(raw, value)) : found;
}

class Search {
  readonly found: Issue[] = [];
  readonly #run: Run;
  #runsLeft = MAX_RUNS;

  constructor(run: Run) {
    this.#run = run;
  }

  /** What is wrong with the value, which `raw` says only in part. */
  explain(schema: Schema, value: unknown, path: Path, raw: readonly Raw[]): void {
    const before = this.found.length;
    if (path.length < MAX_DEPTH) this.#descend(schema, value, path, raw);
    if (this.found.length > before) return;
    for (const issue of raw) if (this.found.length < MAX_ISSUES) this.found.push(issueOf(issue, value, path));
  }

  /** Returns whether the search goes on. */
  #visit(schema: Schema, value: unknown, path: Path): boolean {
    if (this.#runsLeft === 0 || this.found.length === MAX_ISSUES) return false;
    this.#runsLeft -= 1;
    const raw = this.#run(schema, value);
    if (raw.length > 0) this.explain(schema, value, path, raw);
    return true;
  }

  #descend(schema: Schema, value: unknown, path: Path, raw: readonly Raw[]): void {
    const def = definition(schema);
    switch (def.type) {
      case "object":
        if (isRecord(value)) this.#members(def, value, path);
        break;
      case "array":
        if (Array.isArray(value)) value.every((item, i) => this.#visit(def.element, item, [...path, i]));
        break;
      case "tuple":
        if (Array.isArray(value)) def.items.every((item, i) => this.#visit(item, value[i], [...path, i]));
        break;
      case "record":
        if (isRecord(value)) Object.keys(value).every((key) => this.#visit(def.valueType, value[key], [...path, key]));
        break;
      case "union": {
        const variant = variantOf(def, value);
        if (variant !== undefined) this.#visit(variant, value, path);
        break;
      }
      case "optional":
      case "nullable":
      case "default":
      case "prefault":
      case "readonly":
        if (value !== undefined && value !== null) this.explain(def.innerType, value, path, raw);
        break;
      case "intersection":
        if (this.#visit(def.left, value, path)) this.#visit(def.right, value, path);
        break;
      case "pipe":
        if (definition(def.in).type !== "transform") this.#visit(def.in, value, path);
        break;
      case "lazy":
        this.explain((schema as z.core.$ZodLazy)._zod.innerType, value, path, raw);
        break;
    }
  }

  #members(def: z.core.$ZodObjectDef, value: Readonly<Record<string, unknown>>, path: Path): void {
    for (const [key, part] of Object.entries(def.shape)) {
      const isGiven = Object.hasOwn(value, key);
      if (!isGiven && part._zod.optin === "optional") continue; // its schema may refuse an explicit undefined
      if (!this.#visit(part, isGiven ? value[key] : undefined, [...path, key])) return;
    }
    if (def.catchall === undefined) return;
    const surplus = Object.keys(value).filter((key) => !Object.hasOwn(def.shape, key));
    if (definition(def.catchall).type !== "never") {
      for (const key of surplus) if (!this.#visit(def.catchall, value[key], [...path, key])) return;
    } else if (surplus.length > 0) {
      this.found.push(issueOf({ code: "unrecognized_keys", keys: surplus, input: value }, value, path));
    }
  }
}

/** The only option of a union whose literal members, such as a discriminator, have the value's. */
function variantOf({ options }: z.core.$ZodUnionDef, value: unknown): Schema | undefined {
  if (!isRecord(value)) return undefined;
  const fitting = options.filter((option) => {
    const literals = Object.entries(option._zod.propValues ?? {});
    return literals.length > 0 && literals.every(([key, allowed]) => allowed.has(value[key] as z.core.util.Primitive)); // it is only looked up
  });
  return fitting.length === 1 ? fitting[0] : undefined;
}
