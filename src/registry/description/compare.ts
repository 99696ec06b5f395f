/**
 * compareServices: whether consumers built on an older definition of a service can use a newer one.
 * docs/schema-export.md has the rules as a table.
 */

import { PRESETS } from "../../limits.ts";
import { checkOptions } from "../../options.ts";
import { isService, type Service } from "../service.ts";
import { compareParams } from "./compare-params.ts";
import { describeService } from "./describe.ts";
import { type MethodDescription, objectOf, readDescription, type ServiceDescription } from "./description.ts";
import type { Change, Direction } from "./differences.ts";
import { Differences } from "./differences.ts";
import { bounded, type JsonSchema } from "./json-schema.ts";
import { DESCRIBE_OPTIONS, type DescribeOptions } from "./schema-export.ts";

/** The differences, sorted by path. A change is breaking if it may stop a consumer that was built on the older
 *  definition: a method accepts less, returns more or is removed; for a reaction, which the service calls, the reverse.
 *  A change is compatible only if that is proven. The version is not compared, and neither is anything outside the
 *  definition: handlers, refinements, the functions of `body` and `resultBody`.
 *  @param options used where a `Service` is given, as for `describeService`
 *  @throws HbiError bad_option for a description in another format, or a schema without a JSON Schema;
 *  resource_exhausted if foreign schemas would take too long */
export function compareServices(
  older: Service | ServiceDescription,
  newer: Service | ServiceDescription,
  options: DescribeOptions = {},
): Change[] {
  checkOptions(options, "compareServices", DESCRIBE_OPTIONS);
  const [before, after] = [older, newer].map((one) =>
    isService(one) ? describeService(one, options) : readDescription(one),
  ) as [ServiceDescription, ServiceDescription]; // as many results as inputs
  return bounded(() => compareDescriptions(before, after));
}

function compareDescriptions(before: ServiceDescription, after: ServiceDescription): Change[] {
  const differences = new Differences(before.$defs, after.$defs);
  if (before.name !== after.name) differences.add("name", "changed", true, "consumers look the service up by its name");
  compareTexts(differences, "", before, after, ["title", "description"]);
  compareMembers(differences, "methods", before.methods, after.methods, "to-service");
  compareMembers(differences, "reactions", before.reactions, after.reactions, "to-consumer");
  compareValues(differences, before, after);
  compareCredentials(differences, before, after);
  return differences.sorted();
}

type Methods = Readonly<Record<string, MethodDescription>>;

function compareMembers(differences: Differences, section: string, older: Methods, newer: Methods, calls: Direction) {
  const isCalledByConsumers = calls === "to-service";
  for (const name of Object.keys(older)) {
    if (Object.hasOwn(newer, name)) continue;
    const why = isCalledByConsumers ? "consumers may call it" : "the service no longer calls it";
    differences.add(`${section}.${name}`, "removed", isCalledByConsumers, why);
  }
  for (const [name, method] of Object.entries(newer)) {
    const before = Object.hasOwn(older, name) ? older[name] : undefined;
    const why = isCalledByConsumers
      ? "no consumer calls it yet"
      : "consumers do not have it, and the service may call it";
    if (before === undefined) differences.add(`${section}.${name}`, "added", !isCalledByConsumers, why);
    else compareMethod(differences, `${section}.${name}`, before, method, calls);
  }
}

function compareMethod(
  differences: Differences,
  path: string,
  older: MethodDescription,
  newer: MethodDescription,
  calls: Direction,
): void {
  const answers: Direction = calls === "to-service" ? "to-consumer" : "to-service";
  compareArguments(differences, path, older, newer, calls);
  for (const body of ["body", "resultBody"] as const) {
    const isUnknown = older[body] === "unknown" || newer[body] === "unknown";
    const why = `raw data was ${older[body]} and is ${newer[body]}: ${isUnknown ? "calls are refused" : "the position in the bytes is lost"}`;
    if (older[body] !== newer[body]) differences.add(`${path}.${body}`, "changed", true, why);
  }
  if (older.result !== undefined && newer.result !== undefined) {
    differences.compareSchemas(`${path}.result`, older.result, newer.result, answers);
  } else if (newer.result !== undefined) {
    differences.add(`${path}.result`, "added", true, "the result is sent but not read");
  } else if (older.result !== undefined) {
    differences.add(`${path}.result`, "removed", true, "the result is awaited but not sent");
  }
  if (older.yields !== undefined && newer.yields !== undefined) {
    differences.compareSchemas(`${path}.yields`, older.yields, newer.yields, answers);
  } else if (newer.yields !== older.yields) {
    const kind = older.yields === undefined ? "added" : "removed";
    differences.add(`${path}.yields`, kind, true, "a stream of values is answered otherwise: calls are refused");
  }
  compareErrors(differences, `${path}.errors`, older.errors, newer.errors, calls);
  if (older.idempotent !== newer.idempotent) {
    // The caller decides on a retry by its own definition; the callee acts by its own.
    const isPromiseBroken = calls === "to-service" ? older.idempotent : newer.idempotent;
    const why = isPromiseBroken ? "a call may be repeated that must not run twice" : "no call is repeated incorrectly";
    differences.add(`${path}.idempotent`, "changed", isPromiseBroken, why);
  }
  compareAlone(differences, `${path}.limits.call`, older, newer, calls);
  compareLimits(differences, `${path}.limits.call`, older.limits?.call, newer.limits?.call, calls);
  compareLimits(differences, `${path}.limits.result`, older.limits?.result, newer.limits?.result, answers);
  compareTexts(differences, path, older, newer, ["title", "description", "deprecated", "examples"]);
}

/** An error that only the host declares is an ordinary one for the caller. One that only the caller knows never
 *  comes. */
function compareErrors(
  differences: Differences,
  path: string,
  older: Readonly<Record<string, JsonSchema>> = {},
  newer: Readonly<Record<string, JsonSchema>> = {},
  calls: Direction,
): void {
  const [caller, answers] =
    calls === "to-service" ? ([older, "to-consumer"] as const) : ([newer, "to-service"] as const);
  for (const name of new Set([...Object.keys(older), ...Object.keys(newer)])) {
    const [before, after] = [older, newer].map((errors) => (Object.hasOwn(errors, name) ? errors[name] : undefined));
    if (before !== undefined && after !== undefined) {
      differences.compareSchemas(`${path}.${name}`, before, after, answers);
      continue;
    }
    const isBreaking = Object.hasOwn(caller, name);
    const why = isBreaking ? "callers wait for it in vain" : "callers that do not know it see an ordinary error";
    differences.add(`${path}.${name}`, after === undefined ? "removed" : "added", isBreaking, why);
  }
}

/** A call with limits of its own must be the only one of its script, as the side that reads it declares. */
function compareAlone(
  differences: Differences,
  path: string,
  older: MethodDescription,
  newer: MethodDescription,
  calls: Direction,
): void {
  const [before, after] = [older, newer].map(({ limits }) => Object.keys(limits?.call ?? {}).length > 0);
  if (before === after) return;
  const [isAloneAtCaller, isAloneAtHost] = calls === "to-service" ? [before, after] : [after, before];
  const isBreaking = isAloneAtHost === true && isAloneAtCaller !== true;
  const why = isBreaking ? "a script with other calls beside it is refused" : "it is sent alone, or may be";
  differences.add(path, after === true ? "added" : "removed", isBreaking, why);
}

/** Where a limit is not set, the default of the side that reads is assumed. */
function compareLimits(
  differences: Differences,
  path: string,
  older: Readonly<Record<string, number>> = {},
  newer: Readonly<Record<string, number>> = {},
  direction: Direction,
): void {
  const usual: Readonly<Record<string, number>> = direction === "to-service" ? PRESETS.public : PRESETS.client;
  for (const name of new Set([...Object.keys(older), ...Object.keys(newer)])) {
    const [before, after] = [older, newer].map((limits) => (Object.hasOwn(limits, name) ? limits[name] : usual[name]));
    if (before === after) continue;
    const isLess = after !== undefined && (before === undefined || after < before);
    const isBreaking = before === undefined || after === undefined || isLess === (direction === "to-service");
    const why = `${before ?? "unknown"} before, ${after ?? "unknown"} now`;
    differences.add(`${path}.${name}`, isLess ? "narrowed" : "widened", isBreaking, why);
  }
}

function compareArguments(
  differences: Differences,
  path: string,
  older: MethodDescription,
  newer: MethodDescription,
  calls: Direction,
): void {
  const [caller, host] = calls === "to-service" ? [older, newer] : [newer, older];
  if (caller.byName !== host.byName) {
    const isBreaking = host.byName === true && caller.params.length > 0;
    const why = isBreaking ? "arguments are passed by position, and taken by name" : "arguments are passed by name";
    differences.add(`${path}.params`, "changed", isBreaking, why);
  }
  if (older.input === undefined && newer.input === undefined) {
    const byName = older.byName === true || newer.byName === true;
    compareParams(differences, `${path}.params`, older.params, newer.params, calls, byName);
  } else differences.compareSchemas(`${path}.input`, wholeInput(older), wholeInput(newer), calls);
}

function wholeInput({ input, params }: MethodDescription): JsonSchema {
  return input ?? objectOf(params);
}

function compareTexts<T extends object>(
  differences: Differences,
  path: string,
  older: T,
  newer: T,
  keys: readonly (keyof T & string)[],
): void {
  for (const key of keys) {
    if (JSON.stringify(older[key]) === JSON.stringify(newer[key])) continue;
    differences.add(path === "" ? key : `${path}.${key}`, "text", false, "documentation only");
  }
}

function compareValues(differences: Differences, older: ServiceDescription, newer: ServiceDescription): void {
  for (const name of Object.keys(older.values)) {
    if (Object.hasOwn(newer.values, name)) continue;
    differences.add(`values.${name}`, "removed", true, "consumers may write it");
  }
  for (const [name, value] of Object.entries(newer.values)) {
    const before = Object.hasOwn(older.values, name) ? older.values[name] : undefined;
    if (before === undefined)
      differences.add(`values.${name}`, "added", false, "only members that are declared with it use it");
    else compareParams(differences, `values.${name}.params`, before.params, value.params, "both-ways");
  }
}

function compareCredentials(differences: Differences, older: ServiceDescription, newer: ServiceDescription): void {
  if (older.credentials !== undefined && newer.credentials !== undefined) {
    compareParams(differences, "credentials", older.credentials, newer.credentials, "to-service");
  } else if (newer.credentials !== undefined) {
    differences.add("credentials", "added", true, "consumers present none and are refused");
  } else if (older.credentials !== undefined) {
    differences.add("credentials", "removed", true, "consumers present credentials that the service does not accept");
  }
}
