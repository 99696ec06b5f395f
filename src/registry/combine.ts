/**
 * combine: one service of several definitions, for a server that offers all of them. A consumer imports one of them.
 * docs/handlers.md, "Several definitions".
 */
import { z } from "zod";
import { failure } from "../errors.ts";
import { membersOf } from "../options.ts";
import type { Params } from "./method.ts";
import { type Methods, Service, type ServiceSpec, type Values } from "./service.ts";

/** What the parts declare together. */
type All<P extends readonly Service[], K extends "methods" | "reactions" | "values"> = P extends readonly [
  infer F extends Service,
  ...infer R extends readonly Service[],
]
  ? F[K] & All<R, K>
  : unknown;

/** A service of several definitions. */
export type Combined<P extends readonly Service[]> = Service<
  Extract<All<P, "methods">, Methods>,
  Extract<All<P, "reactions">, Methods>,
  Extract<All<P, "values">, Values>,
  P[0] extends Service ? P[0]["credentials"] : undefined
>;

type Head = Pick<ServiceSpec<Methods, Methods, Values, Params>, "name" | "version" | "title" | "description">;

/** Combines definitions for one server. Their methods, reactions and values keep their names; a value that several of
 *  them declare must be the same. All must declare the same credentials, or none.
 *  @throws HbiError invalid_argument for a name that two of them declare, and for different credentials */
export function combine<const P extends readonly [Service, ...Service[]]>(head: Head, ...parts: P): Combined<P> {
  for (const part of parts) {
    if (!(part instanceof Service)) throw failure("bad_option", "combine takes definitions, made by defineService");
    if (part.parts.length > 0) throw failure("bad_option", `${part.name} is combined already; pass its definitions`);
    if (parts.some((other) => other !== part && other.name === part.name))
      throw failure("bad_option", `two definitions have the name ${part.name}`);
  }
  const spec = {
    ...Object.fromEntries(membersOf(head, "combine")),
    methods: merged(parts, "methods", "a method"),
    reactions: merged(parts, "reactions", "a reaction"),
    values: merged(parts, "values", "a value"),
    credentials: commonCredentials(parts),
  };
  return new Service(spec as never, parts) as unknown as Combined<P>; // as merged
}

function merged(parts: readonly Service[], section: "methods" | "reactions" | "values", what: string): object {
  const all = new Map<string, readonly [unknown, Service]>();
  for (const part of parts) {
    for (const [name, member] of Object.entries<unknown>(part[section])) {
      const [taken, owner] = all.get(name) ?? [];
      if (owner !== undefined && !(section === "values" && taken === member)) {
        throw failure("bad_option", `${name} is ${what} of ${owner.name} and of ${part.name}`);
      }
      all.set(name, [member, part]);
    }
  }
  return Object.fromEntries([...all].map(([name, [member]]) => [name, member]));
}

function commonCredentials([first, ...others]: readonly Service[]): Params | undefined {
  for (const other of others) {
    if (!isSame(first?.credentials, other.credentials)) {
      throw failure("bad_option", `${first?.name} and ${other.name} must declare the same credentials`);
    }
  }
  return first?.credentials;
}

/** Whether they are the same schemas, or have the same JSON Schema. */
function isSame(one: Params | undefined, other: Params | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  const names = Object.keys(one);
  return (
    names.join() === Object.keys(other).join() &&
    names.every((name) => one[name] === other[name] || isAlike(one[name], other[name]))
  );
}

function isAlike(one: z.core.$ZodType | undefined, other: z.core.$ZodType | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  try {
    const text = (schema: z.core.$ZodType) => JSON.stringify(z.toJSONSchema(schema, { io: "input" }));
    return text(one) === text(other);
  } catch {
    return false; // without a JSON Schema, only the same schema is known to be the same
  }
}
