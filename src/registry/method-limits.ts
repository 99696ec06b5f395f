/**
 * Limits of a method, which its definition declares: larger or smaller ones than those of the connection, for its calls
 * and for its results. docs/services.md, "Limits of a method".
 */
import { failure } from "../errors.ts";
import { checkedLimit, type LimitName } from "../limits.ts";
import { membersOf } from "../options.ts";

/** Limits of one text, and of the raw data behind it. */
const NAMES = [
  "maxPacketBytes",
  "maxNodes",
  "maxDepth",
  "maxObjectKeys",
  "maxNumberLength",
  "maxBodyBytes",
] as const satisfies readonly LimitName[];

export function isMethodLimit(name: string): boolean {
  return NAMES.some((known) => known === name);
}

export type OwnLimits = { readonly [K in (typeof NAMES)[number]]?: number | undefined };

/** Where a limit is absent, that of the side that reads applies. */
export interface MethodLimits {
  /** of a call, with its raw data */
  readonly call?: OwnLimits | undefined;
  /** of its result, with the raw data behind it */
  readonly result?: OwnLimits | undefined;
}

/** The limits that are set; undefined if there are none.
 *  @throws HbiError bad_option for an unknown part or limit, or a value that is none */
export function checkedMethodLimits(given: MethodLimits, hasResult: boolean): MethodLimits | undefined {
  const parts: [string, OwnLimits][] = [];
  if (typeof given !== "object" || given === null) throw failure("bad_option", "limits of a method: no object");
  for (const [part, own] of membersOf(given, "limits") as [string, OwnLimits | null | undefined][]) {
    if (part !== "call" && part !== "result") {
      throw failure("bad_option", `limits.${part} of a method: there are limits.call and limits.result`);
    }
    if (part === "result" && own !== undefined && !hasResult)
      throw failure("bad_option", "limits.result without a result");
    if (own === undefined) continue;
    if (typeof own !== "object" || own === null) throw failure("bad_option", `limits.${part} of a method: no object`);
    const set: [string, number][] = [];
    for (const [name, value] of membersOf(own, `limits.${part}`)) {
      if (!isMethodLimit(name)) {
        throw failure("bad_option", `limits.${part}.${name}: a method may set ${NAMES.join(", ")}`);
      }
      if (value === Number.POSITIVE_INFINITY) throw failure("bad_option", `limits.${part}.${name} must be finite`); // it is published
      if (value !== undefined) set.push([name, checkedLimit(name as LimitName, value, `limits.${part}`)]); // one of NAMES
    }
    if (set.length > 0) parts.push([part, Object.fromEntries(set)]);
  }
  return parts.length === 0 ? undefined : Object.fromEntries(parts);
}

/** The limits with those that are set. */
export function limited<L extends OwnLimits>(limits: L, own: OwnLimits | undefined): L {
  if (own === undefined) return limits;
  const merged: Record<string, number> = { ...limits } as never; // numbers by name
  for (const [name, value] of Object.entries(own)) if (value !== undefined) merged[name] = value;
  return merged as never; // as before, with other numbers
}

interface Limited {
  readonly spec: { readonly limits?: MethodLimits | undefined };
}

export function hasCallLimits(methods: readonly Limited[]): boolean {
  return methods.some(({ spec }) => spec.limits?.call !== undefined);
}

/** The largest packet that one of the methods permits; 0 if none sets that. */
export function mostPacketBytes(methods: readonly Limited[], part: keyof MethodLimits): number {
  let most = 0;
  for (const { spec } of methods) most = Math.max(most, spec.limits?.[part]?.maxPacketBytes ?? 0);
  return most;
}
