/**
 * Whether all values of one JSON Schema are values of another. Conservative: the answer is "no" if it is not understood
 * or not proven.
 *
 * A schema is a union of alternatives, each a conjunction of parts. It is within another schema if each alternative
 * satisfies each of the other's constraints (schema-constraints.ts).
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

/** The first constraint of `outer` that a value of `inner` may violate, as "items.name: maxLength"; undefined if there
 *  is none.
 *  @throws HbiError bad_option for unresolvable or circular references */
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
  /** Pairs assumed to hold, because recursive schemas lead back to them. Removed when an earlier pair fails. */
  readonly #assumed = new Set<string>();
  /** the same pairs in order of insertion */
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
    // later assumptions may depend on this pair
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

  /** Every alternative must satisfy the constraint; one of its parts being strict enough suffices. */
  #meets(inner: Node, constraint: (part: Node) => string | undefined): string | undefined {
    if (isNothing(inner)) return undefined;
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
    // If several branches may match, only identical branches are certain to match equally often.
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

/** The parts of a conjunction, each of which is weaker than the whole; none if it is not a conjunction. */
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
