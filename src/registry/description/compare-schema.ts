/**
 * Whether all values of one JSON Schema are values of another. Conservative: what is not understood, or not proven, is "no".
 *
 * A schema is a union of alternatives, each a conjunction of parts; it is within another when each alternative meets each
 * of the other's constraints (schema-constraints.ts).
 */
import { type Definitions, type JsonSchema, tooDeep, VALUE_KEYWORD } from "./json-schema.ts";
import { areDisjoint, at, constraintsOf } from "./schema-constraints.ts";
import {
  alternatives,
  hasConstraints,
  isNothing,
  literals,
  MAX_DEPTH,
  type Node,
  split,
  toNode,
  type Union,
} from "./schema-node.ts";

/** The first constraint of `outer` that a value of `inner` may break, as "items.name: maxLength"; undefined when none can.
 *  @throws HbiError bad_option for references that lead nowhere, or in a circle */
export function whyNotWithin(
  inner: JsonSchema,
  innerDefinitions: Definitions,
  outer: JsonSchema,
  outerDefinitions: Definitions,
): string | undefined {
  return new Comparison().within(toNode(inner, innerDefinitions), toNode(outer, outerDefinitions), "");
}

class Comparison {
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;
  /** Pairs taken for granted, as a recursive schema comes back to them: each stays as long as nothing before it failed. */
  readonly #assumed = new Set<string>();
  /** the same, in the order in which they came */
  readonly #since: string[] = [];
  #depth = 0;

  readonly within = (inner: Node, outer: Node, path: string): string | undefined => {
    if (!hasConstraints(outer.schema) || isNothing(inner)) return undefined;
    const pair = `${this.#id(inner.schema)} ${this.#id(outer.schema)}`;
    if (this.#assumed.has(pair)) return undefined;
    const before = this.#since.length;
    this.#assumed.add(pair);
    this.#since.push(pair);
    const reason = this.#deeper(() => this.#compare(inner, outer, path));
    // What was assumed since may rest on this pair.
    if (reason !== undefined) for (const since of this.#since.splice(before)) this.#assumed.delete(since);
    return reason;
  };

  #compare(inner: Node, outer: Node, path: string): string | undefined {
    const mark = outer.schema[VALUE_KEYWORD];
    if (mark !== undefined) {
      const isSame = alternatives(inner).every(({ schema }) => schema[VALUE_KEYWORD] === mark);
      return isSame ? undefined : at(path, `the value ${String(mark)}`);
    }
    const { plain, unions, members } = split(outer);
    return (
      first(unions, (union) => this.#withinUnion(inner, union, path)) ??
      first(members, (member) => this.within(inner, member, path)) ??
      (plain === undefined
        ? undefined
        : first(constraintsOf(plain.schema), (constraint) =>
            this.#meets(inner, (part) => constraint(part, plain, this.within, path)),
          ))
    );
  }

  /** Every alternative must meet the constraint; of the parts of one alternative, one must be strict enough. */
  #meets(inner: Node, constraint: (part: Node) => string | undefined): string | undefined {
    const choices = alternatives(inner);
    if (choices[0] !== inner) {
      return this.#deeper(() => first(choices, (choice) => this.#meets(choice, constraint)));
    }
    const parts = partsOf(inner);
    if (parts.length === 0) return constraint(inner);
    const reasons = this.#deeper(() => parts.map((part) => this.#meets(part, constraint)));
    return reasons.includes(undefined) ? undefined : reasons[0];
  }

  #withinUnion(inner: Node, union: Union, path: string): string | undefined {
    const { keyword, branches } = union;
    // Where more than one branch may match, only the same branches are certain to match just as often.
    if (keyword === "oneOf" && !branches.every((a, i) => branches.slice(i + 1).every((b) => areDisjoint(a, b)))) {
      const given = split(inner).unions.find((other) => other.keyword === "oneOf")?.branches ?? [];
      const isEqual = (a: Node, b: Node | undefined) =>
        b !== undefined && this.within(a, b, path) === undefined && this.within(b, a, path) === undefined;
      const isSame = given.length === branches.length && given.every((branch, i) => isEqual(branch, branches[i]));
      return isSame ? undefined : at(path, "oneOf");
    }
    return first(alternatives(inner).flatMap(literals), (choice) => {
      const isWithin =
        branches.some((branch) => this.within(choice, branch, path) === undefined) ||
        partsOf(choice).some((part) => this.#deeper(() => this.#withinUnion(part, union, path)) === undefined);
      return isWithin ? undefined : at(path, keyword);
    });
  }

  #deeper<T>(compare: () => T): T {
    if (this.#depth === MAX_DEPTH) throw tooDeep();
    this.#depth += 1;
    const result = compare();
    this.#depth -= 1;
    return result;
  }

  #id(schema: object): number {
    let id = this.#ids.get(schema);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(schema, id);
    }
    return id;
  }
}

/** The parts of a conjunction, of which each says less than the whole; none when it is no conjunction. */
function partsOf(node: Node): readonly Node[] {
  const { plain, unions, members } = split(node);
  if (unions.length === 0 && members.length === 0) return [];
  const { definitions } = node;
  const wholes = unions.map(({ keyword }) => ({ schema: { [keyword]: node.schema[keyword] }, definitions }));
  return [...(plain === undefined ? [] : [plain]), ...wholes, ...members];
}

function first<T>(list: readonly T[], check: (item: T) => string | undefined): string | undefined {
  for (const item of list) {
    const reason = check(item);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
