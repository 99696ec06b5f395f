/**
 * Writes a call of a declared method as text: validated, with positional arguments up to the first omitted parameter
 * and named arguments after it.
 */
import { failure } from "../errors.ts";
import { type Dialect, type InstanceWriter, type OnlyOurs, reprOf } from "../parser/repr.ts";
import type { Method } from "./method.ts";

export interface Writing {
  readonly dialect: Dialect;
  readonly maxDepth: number;
  /** writes the values of a service as constructor calls */
  readonly writer: InstanceWriter | undefined;
}

export interface WrittenCall {
  readonly code: string;
  /** the first form in it that only peers of this library can read, if any */
  readonly onlyOurs: string | undefined;
  /** the number of raw bytes that the declared function returns; undefined for a manual body */
  readonly bodyBytes: number | undefined;
}

/** What was validated is sent, in the form that the host validates again: what a default or a transform makes of it is
 *  only for the handler.
 *  @throws HbiError invalid_argument, before anything is sent */
export function writeCall(name: string, method: Method, params: unknown, writing: Writing): WrittenCall {
  const { params: validated, sent } = method.signature.send(name, (params ?? {}) as Record<string, unknown>); // refuses anything but a record
  const bodyBytes = method.bodyBytes(validated);
  if (bodyBytes === undefined && method.spec.body !== "manual") {
    throw failure("bad_argument", `${name}: the length of its raw data is unknown`);
  }
  const onlyOurs: OnlyOurs = { what: undefined };
  const { names, isByName } = method.signature;
  const code = `${name}(${argumentsText(names, sent, writing, onlyOurs, isByName)})`;
  return { code, onlyOurs: onlyOurs.what, bodyBytes };
}

/** @param onlyOurs receives the first form that only peers of this library can read */
export function argumentsText(
  names: readonly string[],
  params: object,
  writing: Writing,
  onlyOurs: OnlyOurs | undefined,
  isByName = false,
): string {
  const { dialect, maxDepth, writer } = writing;
  const how = { dialect, maxDepth: maxDepth - 1, writer, onlyOurs };
  let text = "";
  let isNamed = isByName;
  for (const name of names) {
    const value: unknown = Object.hasOwn(params, name) ? params[name as never] : undefined; // own members of declared names only
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
