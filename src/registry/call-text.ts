/**
 * The text of a call of a declared method: validated, positional as far as no parameter is left out, named from there on.
 */
import { failure } from "../errors.ts";
import { type Dialect, type InstanceWriter, type OnlyOurs, reprOf } from "../parser/repr.ts";
import type { Method } from "./method.ts";

export interface Writing {
  readonly dialect: Dialect;
  readonly maxDepth: number;
  /** writes the values of a service as their constructor calls */
  readonly writer: InstanceWriter | undefined;
}

export interface WrittenCall {
  readonly code: string;
  /** the first form in it that only a peer of ours reads, if there is one */
  readonly onlyOurs: string | undefined;
  /** raw bytes that the declared function finds in the parameters; undefined for a manual body */
  readonly bodyBytes: number | undefined;
}

/** What was given is sent, and validated again by the host: what a schema makes of it is for the handler alone.
 *  @throws HbiError invalid_argument, before anything is sent */
export function writeCall(name: string, method: Method, params: unknown, writing: Writing): WrittenCall {
  const given = params ?? {};
  const validated = method.signature.validate(name, given as Record<string, unknown>); // refuses what is no record
  const bodyBytes = method.bodyBytes(validated);
  if (bodyBytes === undefined && method.spec.body !== "manual") {
    throw failure("bad_argument", `${name}: no length of raw data`);
  }
  const onlyOurs: OnlyOurs = { what: undefined };
  const code = `${name}(${argumentsText(method.signature.names, given, writing, onlyOurs)})`;
  return { code, onlyOurs: onlyOurs.what, bodyBytes };
}

/** @param onlyOurs is told of what only a peer of ours reads */
export function argumentsText(
  names: readonly string[],
  params: object,
  writing: Writing,
  onlyOurs: OnlyOurs | undefined,
): string {
  const { dialect, maxDepth, writer } = writing;
  const how = { dialect, maxDepth: maxDepth - 1, writer, onlyOurs };
  let text = "";
  let isNamed = false;
  for (const name of names) {
    const value: unknown = Object.hasOwn(params, name) ? params[name as never] : undefined; // own and known
    if (value === undefined) {
      isNamed = true;
      continue;
    }
    if (text !== "") text += ",";
    if (isNamed) text += `${name}=`;
    text += reprOf(value, how, name);
  }
  return text;
}
