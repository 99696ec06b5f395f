/**
 * ArbitraryWalk: traverses a schema and creates an arbitrary for each of its parts.
 */
import fc from "fast-check";
import { failure } from "../errors.ts";
import { isRecord } from "../registry/issues.ts";
import { type ValueConstructor, valueOfSchema } from "../registry/method.ts";
import { definition, innerOf, partsOf } from "../registry/schema-walk.ts";
import { accepts, bestOf } from "./acceptance.ts";
import { bytesArbitrary, takesBytes } from "./bytes.ts";
import {
  arrayArbitrary,
  type Def,
  type Made,
  objectArbitrary,
  type Place,
  recordArbitrary,
  type Schema,
  shapeArbitrary,
  tupleArbitrary,
  unfit,
  type Visit,
} from "./container-arbitrary.ts";
import { matching } from "./matching.ts";
import { bigintArbitrary, dateArbitrary, dateTextArbitrary, numberArbitrary } from "./number-arbitrary.ts";
import { complaint, type Overrides, overrideOf, type WalkScope } from "./overrides.ts";
import { plainData } from "./plain-data.ts";
import { instanceArbitrary, mapArbitrary, setArbitrary } from "./rich-arbitrary.ts";
import { checksOf, hasOpaqueCheck } from "./schema-checks.ts";
import { stringArbitrary } from "./string-arbitrary.ts";

const ROOM = 1_000;
/** A schema with more parts creates new ones endlessly. */
const MAX_PARTS = 20_000;

export class ArbitraryWalk {
  readonly #overrides: Overrides | undefined;
  readonly #scope: WalkScope;
  /** arbitraries of recursive schemas by remaining fuel; one per path would be far too many */
  readonly #made = new Map<Schema, Map<number, Made>>();
  readonly #costs = new Map<Schema, number>();

  constructor(overrides: Overrides | undefined, scope: WalkScope) {
    this.#overrides = overrides;
    this.#scope = scope;
  }

  /** `depth`: the approximate nesting of objects and lazy schemas that contain themselves. */
  start(schema: Schema, depth: number): Made {
    return this.#visit(schema, { path: "", fuel: depth, room: ROOM });
  }

  readonly #visit: Visit = (schema, at) => {
    const given = overrideOf(this.#overrides, at.path, schema);
    if (given !== undefined) return given;
    const cost = this.#costOf(schema);
    if (cost === 0) return this.#checked(schema, at);
    if (at.fuel < cost) return { lack: "end", path: at.path, what: "a schema that contains itself without end" };
    const byFuel = this.#made.get(schema) ?? new Map<number, Made>();
    this.#made.set(schema, byFuel);
    const made = byFuel.get(at.fuel) ?? this.#checked(schema, { ...at, fuel: at.fuel - cost, room: 0 });
    byFuel.set(at.fuel, made);
    return made;
  };

  /** Filters by a refinement at the schema that has it, where the path for an error is still known. */
  #checked(schema: Schema, at: Place): Made {
    const made = this.#make(schema, at);
    const { type } = schema._zod.def;
    const isOpen = hasOpaqueCheck(checksOf(schema)) || ["union", "pipe", "record", "custom"].includes(type);
    if ("lack" in made || type === "string" || !isOpen) return made;
    return this.#kept(schema, at, `what this ${type} takes`, () => made);
  }

  #make(schema: Schema, at: Place): Made {
    const def = definition(schema);
    switch (def.type) {
      case "string":
        return stringArbitrary(schema, this.#complaint(at, "a string of these checks"));
      case "number":
        return numberArbitrary(checksOf(schema), this.#scope.capOf?.(at.path)) ?? unfit(at, "a number of these bounds");
      case "bigint":
        return bigintArbitrary(checksOf(schema)) ?? unfit(at, "bigints of these bounds");
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "nan":
        return fc.constant(Number.NaN);
      case "any":
      case "unknown":
        return plainData;
      case "enum":
      case "literal":
        return constants(schema._zod.values ?? new Set(), at);
      case "template_literal":
        return this.#kept(schema, at, "this template", () => matching(schema._zod.pattern ?? /^$/));
      case "array":
        return arrayArbitrary(schema, def, at, this.#visit);
      case "tuple":
        return tupleArbitrary(def, at, this.#visit);
      case "object":
        return objectArbitrary(def, at, this.#visit);
      case "record":
        return recordArbitrary(def, at, this.#visit);
      case "union":
        return this.#union(def, at);
      case "intersection":
        return this.#intersection(schema, def, at);
      case "nullable":
        return orNull(this.#visit(def.innerType, at));
      case "pipe":
        return this.#pipe(schema, def, at);
      case "date":
        return (def.coerce === true ? dateTextArbitrary : dateArbitrary)(checksOf(schema)) ?? unfit(at, "a Date");
      case "map":
        return mapArbitrary(schema, def, at, this.#visit);
      case "set":
        return setArbitrary(schema, def, at, this.#visit);
      case "custom":
        return this.#custom(schema, at);
      case "transform":
        throw failure("bad_option", this.#complaint(at, "what a transform takes"));
      case "undefined":
      case "void":
        return { lack: "absent", path: at.path, what: "undefined" };
      default: {
        const inner = innerOf(schema);
        return inner === undefined ? unfit(at, `${def.type}, which has no textual form`) : this.#visit(inner, at);
      }
    }
  }

  #union(def: Def<"union">, at: Place): Made {
    const options = def.options.map((option) => this.#visit(option, at));
    const possible = options.flatMap((option) => ("lack" in option ? [] : [option]));
    if (possible.length > 0) return fc.oneof(...possible);
    const lacks = options.flatMap((option) => ("lack" in option ? [option] : []));
    return lacks.find(({ lack }) => lack === "end") ?? lacks[0] ?? unfit(at, "a union of nothing");
  }

  /** Objects are joined. For anything else, values of one side may satisfy the other. */
  #intersection(schema: Schema, def: Def<"intersection">, at: Place): Made {
    const left = this.#visit(def.left, at);
    const right = this.#visit(def.right, at);
    if ("lack" in left) return left;
    if ("lack" in right) return right;
    const both = fc.tuple(left, right);
    const joined = () => both.map(([a, b]) => (isRecord(a) && isRecord(b) ? { ...a, ...b } : a));
    const turned = () => both.map(([a, b]) => (isRecord(a) && isRecord(b) ? { ...b, ...a } : b));
    return this.#kept(schema, at, "this intersection", joined, turned);
  }

  /** The input. That of a preprocessing function is unknown, but it usually accepts the output too. */
  #pipe(schema: Schema, def: Def<"pipe">, at: Place): Made {
    const { truthy, falsy } = schema._zod.bag; // of z.stringbool()
    if (Array.isArray(truthy) && Array.isArray(falsy)) return fc.constantFrom<unknown>(...truthy, ...falsy);
    return this.#visit(definition(def.in).type === "transform" ? def.out : def.in, at);
  }

  #custom(schema: Schema, at: Place): Made {
    const value = valueOfSchema(schema);
    if (value !== undefined) {
      const params = shapeArbitrary(value.spec.params, at, this.#visit);
      return "lack" in params ? params : params.map((bound) => instanceOf(value, bound));
    }
    if (takesBytes(schema)) return bytesArbitrary;
    const instances = instanceArbitrary(schema);
    if (instances !== undefined) return instances;
    throw failure("bad_option", this.#complaint(at, "a custom schema"));
  }

  #kept(schema: Schema, at: Place, what: string, ...candidates: (() => fc.Arbitrary<unknown>)[]): Made {
    return bestOf(candidates, (value) => accepts(schema, value), this.#complaint(at, what));
  }

  #complaint(at: Place, what: string): string {
    return complaint(this.#scope.where ?? "", at.path, what);
  }

  /** The fuel that a recursive schema takes: 1, or more if many of its members are recursive, because values would grow
   *  exponentially in their number. 0 for a schema that is not recursive. */
  #costOf(schema: Schema): number {
    const { type } = schema._zod.def;
    if (type !== "object" && type !== "lazy") return 0; // recursion requires a getter or a lazy schema
    const known = this.#costs.get(schema);
    if (known !== undefined) return known;
    const ways = partsOf(schema).filter((part) => part.schema === schema || contains(part.schema, schema)).length;
    const cost = Math.ceil(Math.log2(ways + 1));
    this.#costs.set(schema, cost);
    return cost;
  }
}

function contains(whole: Schema, schema: Schema): boolean {
  const seen = new Set<Schema>();
  const ahead = [whole];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    for (const { schema: part } of partsOf(next)) {
      if (part === schema) return true;
      if (seen.has(part)) continue;
      if (seen.size === MAX_PARTS) throw failure("bad_option", "an endless schema: it creates new schemas each time");
      seen.add(part);
      ahead.push(part);
    }
  }
  return false;
}

function orNull(made: Made): Made {
  return "lack" in made ? fc.constant(null) : fc.option(made, { nil: null, freq: 4 });
}

/** Constants that have a textual form. */
function constants(values: ReadonlySet<unknown>, at: Place): Made {
  const crossing = [...values].filter((value) => value !== undefined);
  if (crossing.length > 0) return fc.constantFrom(...crossing);
  return values.has(undefined)
    ? { lack: "absent", path: at.path, what: "undefined" }
    : unfit(at, "one of no constants");
}

/** Undefined if `make` refuses these parameters; no `is` accepts undefined. */
function instanceOf({ signature, spec }: ValueConstructor, bound: Record<string, unknown>): unknown {
  try {
    return spec.make(signature.validate("value", bound));
  } catch {
    return undefined; // the acceptance of the result is measured
  }
}
