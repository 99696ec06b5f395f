/**
 * Plan: a script checked whole against the hosting environment before any of it runs, and its data plan: how many raw
 * bytes follow which statement. The plan is what lets a connection outlive a refused call (docs/errors-and-limits.md).
 */
import { asHbiError, failure, type HbiError, refusal as refuse } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { Assignment, Call, type Tree } from "../parser/tree.ts";
import type { ExposedMethod, HostingEnv, Slot } from "./hosting-env.ts";
import type { Bound } from "./method.ts";
import { validate } from "./validate.ts";

export interface CallStep {
  readonly kind: "call";
  readonly entry: ExposedMethod;
  readonly bound: Bound;
  /** validated; undefined while a nested call stands in the arguments */
  readonly params: object | undefined;
  /** raw bytes that follow; undefined until nested results are there, and for a manual body */
  readonly bodyBytes: number | undefined;
}
export interface AssignStep {
  readonly kind: "assign";
  readonly slot: Slot;
  readonly value: unknown;
  readonly hasNestedCall: boolean;
}
export interface ValueStep {
  readonly kind: "value";
  readonly value: unknown;
}
export type Step = CallStep | AssignStep | ValueStep;

export interface Plan {
  readonly steps: readonly Step[];
  /** why nothing of the script runs */
  readonly refusal: HbiError | undefined;
  /** raw bytes behind the script; undefined when that is not certain */
  readonly rawBytes: number | undefined;
  /** whether the last statement is a call with a declared result, so that the poster waits for an object */
  readonly answersObject: boolean;
}

/** Checks every statement; never throws for what a peer sent. Cost: linear in the tree, plus the schemas. */
export function planScript(tree: Tree, env: HostingEnv, limits: Limits): Plan {
  const steps: Step[] = [];
  let refusal: HbiError | undefined;
  let rawBytes: number | undefined = 0;
  let last: Step | undefined;
  for (const statement of tree) {
    const checked = planStatement(statement, env, limits);
    last = checked.step;
    if (last !== undefined) steps.push(last);
    refusal ??= checked.refusal;
    rawBytes = rawBytes === undefined || checked.rawBytes === undefined ? undefined : rawBytes + checked.rawBytes;
  }
  const answersObject = last?.kind === "call" && last.entry.method.spec.result !== undefined;
  return { steps, refusal, rawBytes, answersObject };
}

interface Checked {
  readonly step: Step | undefined;
  readonly refusal: HbiError | undefined;
  readonly rawBytes: number | undefined;
}

function planStatement(statement: unknown, env: HostingEnv, limits: Limits): Checked {
  if (statement instanceof Call) {
    const entry = env.lookup(statement.name);
    if (entry?.kind === "method") return planCall(statement, entry, env, limits);
    // An unknown name may be a method with raw data in the peer's mind, so the position is lost with it.
    if (entry?.kind !== "value")
      return { step: undefined, refusal: unknownName(statement.name, env), rawBytes: undefined };
  }
  try {
    return { step: planQuiet(statement, env), refusal: undefined, rawBytes: 0 };
  } catch (thrown) {
    return { step: undefined, refusal: asHbiError(thrown), rawBytes: hidesRawData(statement, env) ? undefined : 0 };
  }
}

/** Values and assignments: nothing that takes raw data. */
function planQuiet(statement: unknown, env: HostingEnv): Step {
  if (!(statement instanceof Assignment)) return { kind: "value", value: checkNested(statement, env) };
  const slot = env.lookup(statement.name);
  if (slot?.kind !== "slot") throw unknownName(statement.name, env);
  const { hasNestedCall } = statement;
  const value = hasNestedCall
    ? checkNested(statement.value, env)
    : validate(slot.schema, statement.value, "bad_argument", slot.name);
  return { kind: "assign", slot, value, hasNestedCall };
}

function planCall(call: Call, entry: ExposedMethod, env: HostingEnv, limits: Limits): Checked {
  const { method, name } = entry;
  let bound: Bound = {};
  let refusal: HbiError | undefined;
  let params: object | undefined;
  let isBound = false;
  try {
    bound = method.signature.bind(call);
    isBound = true;
    if (call.hasNestedCall) checkNested(Object.values(bound), env);
    else params = method.signature.validate(name, bound, refuse);
  } catch (thrown) {
    refusal = asHbiError(thrown);
  }
  // Arguments that found no parameter tell no length, not even by the default of an optional one.
  const isLost = (!isBound && method.takesRawData) || argumentsHideRawData(call, env);
  const rawBytes = isLost ? undefined : method.bodyBytes((params ?? method.signature.probe(bound, hasCall)) as never); // valid, or throws when read
  if (rawBytes !== undefined && rawBytes > limits.maxBodyBytes) refusal ??= failure("body_too_big", name);
  const step: Step = { kind: "call", entry, bound, params, bodyBytes: rawBytes };
  if (refusal === undefined && rawBytes === undefined && params !== undefined && method.spec.body !== "manual") {
    refusal = refuse("bad_argument", `${name}: no length of raw data`);
  }
  return { step, refusal, rawBytes };
}

/** How long the handlers of a script may take together: the longest that any of its calls may take, nested ones among them.
 *  @param commonMs of a call that has no time of its own */
export function handlerTimeoutOf({ steps }: Plan, env: HostingEnv, commonMs: number): number {
  const [first] = steps;
  if (steps.length === 1 && first?.kind === "call" && first.params !== undefined)
    return first.entry.timeoutMs ?? commonMs; // mostly
  let longestMs = 0;
  const visit = ({ timeoutMs = commonMs }: ExposedMethod): void => {
    longestMs = Math.max(longestMs, timeoutMs);
  };
  const visitNested = (call: Call): void => {
    const entry = env.lookup(call.name);
    if (entry?.kind === "method") visit(entry);
  };
  for (const step of steps) {
    if (step.kind === "call") visit(step.entry);
    if (step.kind !== "call") forEachCall(step.value, visitNested);
    else if (step.params === undefined) forEachCall(step.bound, visitNested);
  }
  return longestMs === 0 ? commonMs : longestMs;
}

/** Checks the calls inside a value: known, no raw data, arguments that are there already are valid. */
function checkNested(value: unknown, env: HostingEnv): unknown {
  forEachCall(value, (call) => {
    const entry = env.lookup(call.name);
    if (entry === undefined || entry.kind === "slot") throw unknownName(call.name, env);
    if (entry.kind === "method" && (entry.method.takesRawData || entry.method.spec.resultBody !== undefined)) {
      throw refuse("bad_argument", `${call.name} has raw data and must stand alone`);
    }
    const { signature } = entry.kind === "method" ? entry.method : entry.maker;
    const bound = signature.bind(call);
    if (!call.hasNestedCall) signature.validate(call.name, bound, refuse);
  });
  return value;
}

function argumentsHideRawData(call: Call, env: HostingEnv): boolean {
  return call.hasNestedCall && hidesRawData([...call.args, ...(call.named?.values() ?? [])], env);
}

/** Whether a call inside is unknown or takes raw data: then nobody knows what follows. */
function hidesRawData(value: unknown, env: HostingEnv): boolean {
  let hides = false;
  forEachCall(value, (call) => {
    const entry = env.lookup(call.name);
    hides ||= entry === undefined || (entry.kind === "method" && entry.method.takesRawData);
  });
  return hides;
}

/** Depth is bounded by the parser. */
function forEachCall(value: unknown, visit: (call: Call) => void): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if (value instanceof Call) {
    for (const arg of value.args) forEachCall(arg, visit);
    for (const arg of value.named?.values() ?? []) forEachCall(arg, visit);
    visit(value);
  } else if (value instanceof Assignment) {
    forEachCall(value.value, visit);
  } else {
    for (const item of Object.values(value)) forEachCall(item, visit);
  }
}

/** How many calls a script makes, nested ones included. */
export function callCount(tree: Tree): number {
  let count = 0;
  for (const statement of tree) {
    if (statement instanceof Call && !statement.hasNestedCall) count += 1;
    else forEachCall(statement, () => (count += 1));
  }
  return count;
}

export function hasCall(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  if (value instanceof Call) return true;
  if (Array.isArray(value)) return value.some(hasCall);
  for (const key in value) if (hasCall(value[key as never])) return true; // plain, as the parser makes them
  return false;
}

function unknownName(name: string, env: HostingEnv): HbiError {
  return env.isPreAuth ? failure("unauthenticated") : refuse("unknown_name", name);
}
