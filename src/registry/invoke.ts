/**
 * Runs what a planned step contains beside its handler. Everything is synchronous unless something waits: promises are created only
 * for asynchronous nested calls and for handlers that return a promise.
 */
import { failure } from "../errors.ts";
import { compact } from "../parser/members.ts";
import { Call } from "../parser/tree.ts";
import type { HostingEnv } from "./hosting-env.ts";
import { hasCall } from "./land-value.ts";
import type { AssignStep, Step, ValueStep } from "./plan.ts";
import { following, isPromise } from "./promised.ts";
import { runHandler } from "./raised-error.ts";
import { validate } from "./validate.ts";

/** Runs a statement that is not a call and returns its value, or a promise of it. */
export function runQuietStep(step: AssignStep | ValueStep, env: HostingEnv, co: unknown): unknown {
  if (step.kind === "value") return hasCall(step.value) ? resolveCalls(step.value, env, co) : step.value;
  const { slot } = step;
  if (!step.hasNestedCall) {
    slot.value = step.value;
    return step.value;
  }
  return following(resolveCalls(step.value, env, co), (value) => {
    slot.value = validate(slot.schema, value, "bad_argument", slot.name);
    return slot.value;
  });
}

/** The parameters of a step after its nested calls have run, validated by the method's schema. */
export function stepParams(step: Step, env: HostingEnv, co: unknown): object | undefined | Promise<object> {
  if (step.kind !== "call" || step.params !== undefined) return step.kind === "call" ? step.params : undefined;
  const { name, method } = step.entry;
  return following(resolveCalls(step.bound, env, co), (bound) =>
    method.signature.validate(name, bound as Record<string, unknown>),
  ) as object | Promise<object>; // a record in, a record out
}

/** The result as the peer receives it, validated by the declared schema. @throws HbiError internal */
export function checkResult(step: Step, result: unknown): unknown {
  if (step.kind !== "call") return result;
  const { result: schema, resultBody } = step.entry.method.spec;
  if (schema === undefined || resultBody !== undefined) return result; // with resultBody, the handler has sent the result itself
  return validate(schema, result, "bad_result", step.entry.name);
}

/** Runs nested calls, innermost first, in written order. */
function resolveCalls(value: unknown, env: HostingEnv, co: unknown): unknown {
  if (!hasCall(value)) return value;
  if (value instanceof Call) {
    return following(resolveAll([...value.args, ...(value.named?.values() ?? [])], env, co), (items) => {
      const values = items as unknown[]; // as many results as items
      const named =
        value.named && new Map([...value.named.keys()].map((key, i) => [key, values[value.args.length + i]]));
      return runNested(new Call(value.name, values.slice(0, value.args.length), named, false), env, co);
    });
  }
  if (Array.isArray(value)) return resolveAll(value, env, co);
  const entries = Object.entries(value as object); // a value that contains a call is a container
  const items = resolveAll(
    entries.map(([, item]) => item),
    env,
    co,
  );
  return following(items, (resolved) =>
    compact(Object.fromEntries(entries.map(([key], i) => [key, (resolved as unknown[])[i]]))),
  );
}

function runNested(call: Call, env: HostingEnv, co: unknown): unknown {
  checkWanted(co); // earlier calls may have taken long
  const entry = env.lookup(call.name);
  if (entry === undefined || entry.kind === "slot") throw failure("unknown_name", call.name);
  if (entry.kind === "value") return entry.maker.make(call.name, call);
  const { signature, spec } = entry.method;
  const params = signature.validate(call.name, signature.bind(call));
  const result = runHandler(entry, params, co, env);
  const { result: schema } = spec;
  return schema === undefined ? result : following(result, (value) => validate(schema, value, "bad_result", call.name));
}

/** In order, because a nested call may depend on the effects of the one before it. */
function resolveAll(values: readonly unknown[], env: HostingEnv, co: unknown): unknown {
  const done: unknown[] = [];
  const from = (start: number): unknown => {
    for (let i = start; i < values.length; i++) {
      const item = resolveCalls(values[i], env, co);
      if (isPromise(item)) {
        return Promise.resolve(item).then((value) => {
          done.push(value);
          return from(i + 1);
        });
      }
      done.push(item);
    }
    return done;
  };
  return from(0);
}

/** After a conversation is cancelled, nothing more of it begins. @throws HbiError cancelled */
function checkWanted(co: unknown): void {
  if ((co as { readonly isGivenUp?: boolean } | undefined)?.isGivenUp === true) throw failure("cancelled"); // its type belongs to a later folder
}
