/**
 * Plan: checks a whole script against the hosting environment before any part of it runs, and computes its data plan:
 * how many raw bytes follow which statement. The plan keeps a connection usable after a refused call
 * (docs/errors-and-limits.md).
 */
import { asHbiError, bodyTooBig, failure, type HbiError, refusal as refuse } from "../errors.ts";
import { type Limits, TO_THE_END } from "../limits.ts";
import { Assignment, Call, type Tree } from "../parser/tree.ts";
import type { ExposedMethod, HostingEnv, Slot } from "./hosting-env.ts";
import { hasCall } from "./land-value.ts";
import type { Bound } from "./method.ts";
import { validate } from "./validate.ts";

export interface CallStep {
  readonly kind: "call";
  readonly entry: ExposedMethod;
  readonly bound: Bound;
  /** validated; undefined while the arguments contain a nested call */
  readonly params: object | undefined;
  /** the number of raw bytes that follow; undefined until nested calls have run, and for a manual body */
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
  /** why the script does not run */
  readonly refusal: HbiError | undefined;
  /** the number of raw bytes behind the script, or `TO_THE_END`; undefined if uncertain */
  readonly rawBytes: number | undefined;
  /** whether raw data, of its call or behind its result, ends with the lane */
  readonly needsLane: boolean;
  /** whether the raw data behind its result does */
  readonly hasOpenResult: boolean;
  /** whether the last statement is a call with a declared result, so that the poster waits for an object */
  readonly answersObject: boolean;
}

/** Checks every statement. Never throws because of a peer's text. Cost: linear in the tree, plus the schemas. */
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
  if (tree.length > 1 && env.hasLimits && tree.some((statement) => hasOwnLimits(statement, env))) {
    refusal ??= refuse("bad_argument", "a method with limits of its own must be the only call of its script");
  }
  const open = steps.find((step) => step.kind === "call" && step.entry.method.needsLane);
  if (open?.kind === "call" && tree.length > 1) {
    refusal ??= refuse("bad_argument", `${open.entry.name} has raw data of unknown length and must stand alone`);
  }
  const answersObject = last?.kind === "call" && last.entry.method.spec.result !== undefined;
  const hasOpenResult = last?.kind === "call" && last.entry.method.spec.resultBody === "unknown";
  return { steps, refusal, rawBytes, needsLane: open !== undefined, hasOpenResult, answersObject };
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
    // To the peer, an unknown name may be a method with raw data, so the position is lost.
    if (entry?.kind !== "value")
      return { step: undefined, refusal: unknownName(statement.name, env), rawBytes: undefined };
  }
  try {
    return { step: planQuiet(statement, env), refusal: undefined, rawBytes: 0 };
  } catch (thrown) {
    return { step: undefined, refusal: asHbiError(thrown), rawBytes: hidesRawData(statement, env) ? undefined : 0 };
  }
}

/** Values and assignments, which never have raw data. */
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
    if (call.hasNestedCall) checkNested(Object.values(bound), env, method.spec.limits?.call === undefined);
    else params = method.signature.validate(name, bound, refuse) as object | undefined; // or what an input's transform returns
  } catch (thrown) {
    refusal = asHbiError(thrown);
  }
  // If arguments match no parameter, the length is unknown, even if the parameter that determines it has a default.
  const isLost = (!isBound && method.takesRawData) || argumentsHideRawData(call, env);
  const rawBytes = isLost ? undefined : method.bodyBytes(params ?? method.signature.probe(bound, hasCall)); // valid, or throws when read
  const most = method.spec.limits?.call?.maxBodyBytes ?? limits.maxBodyBytes;
  if (rawBytes !== undefined && rawBytes > most && rawBytes !== TO_THE_END)
    refusal ??= bodyTooBig(rawBytes, most, name);
  const step: Step = { kind: "call", entry, bound, params, bodyBytes: rawBytes };
  if (refusal === undefined && rawBytes === undefined && params !== undefined && method.spec.body !== "manual") {
    refusal = refuse("bad_argument", `${name}: the length of its raw data is unknown`);
  }
  return { step, refusal, rawBytes };
}

/** The timeout of a script: the longest timeout among its calls, including nested ones.
 *  @param commonMs for calls without a timeout of their own */
export function handlerTimeoutOf({ steps }: Plan, env: HostingEnv, commonMs: number): number {
  const [first] = steps;
  if (steps.length === 1 && first?.kind === "call" && first.params !== undefined)
    return first.entry.timeoutMs ?? commonMs; // the usual case
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

/** Checks the calls inside a value: they are known, have no raw data, and their arguments are valid as far as
 *  available. */
function checkNested(value: unknown, env: HostingEnv, mayCall = true): unknown {
  forEachCall(value, (call) => {
    const entry = env.lookup(call.name);
    if (entry === undefined || entry.kind === "slot") throw unknownName(call.name, env);
    if (entry.kind === "method" && (entry.method.takesRawData || entry.method.spec.resultBody !== undefined)) {
      throw refuse("bad_argument", `${call.name} has raw data and must stand alone`);
    }
    if (entry.kind === "method" && (!mayCall || entry.method.spec.limits?.call !== undefined)) {
      throw refuse("bad_argument", `${call.name} beside a method with limits of its own, which must stand alone`);
    }
    const { signature } = entry.kind === "method" ? entry.method : entry.maker;
    const bound = signature.bind(call);
    if (!call.hasNestedCall) signature.validate(call.name, bound, refuse);
  });
  return value;
}

/** A script is read under the limits of one method. */
function hasOwnLimits(statement: unknown, env: HostingEnv): boolean {
  const entry = statement instanceof Call ? env.lookup(statement.name) : undefined;
  return entry?.kind === "method" && entry.method.spec.limits?.call !== undefined;
}

function argumentsHideRawData(call: Call, env: HostingEnv): boolean {
  return call.hasNestedCall && hidesRawData([...call.args, ...(call.named?.values() ?? [])], env);
}

/** Whether a call inside is unknown or takes raw data, so that what follows is uncertain. */
function hidesRawData(value: unknown, env: HostingEnv): boolean {
  let hides = false;
  forEachCall(value, (call) => {
    const entry = env.lookup(call.name);
    hides ||= entry === undefined || (entry.kind === "method" && entry.method.takesRawData);
  });
  return hides;
}

/** The parser has bounded the depth. */
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

/** The number of calls in a script, including nested ones. */
export function callCount(tree: Tree): number {
  let count = 0;
  for (const statement of tree) {
    if (statement instanceof Call && !statement.hasNestedCall) count += 1;
    else forEachCall(statement, () => (count += 1));
  }
  return count;
}

function unknownName(name: string, env: HostingEnv): HbiError {
  return env.isPreAuth ? failure("unauthenticated") : refuse("unknown_name", name);
}
