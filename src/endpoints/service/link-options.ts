/**
 * The options of a link among those of a function that dials for it.
 */
import type { Service } from "../../registry/service.ts";
import type { LinkOptions } from "./link.ts";

/** The options of the link. Their getters are kept: `credentials` is read for each connection. */
export function withoutOwn<S extends Service>(options: LinkOptions<S>, ...own: readonly string[]): LinkOptions<S> {
  const members = Object.getOwnPropertyDescriptors(options) as Record<string, PropertyDescriptor>;
  const others = Object.entries(members).filter(([name]) => !own.includes(name));
  return Object.defineProperties({}, Object.fromEntries(others)) as LinkOptions<S>; // the same members
}
