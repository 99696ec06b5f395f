/**
 * The errors that handlers throw under a name that their method declares: what crosses was validated here.
 */
import { type HbiError, ownError, textOf } from "../errors.ts";
import { checkedError, declaresErrors, detailsOf } from "./declared-errors.ts";
import type { ExposedMethod } from "./hosting-env.ts";
import type { Method } from "./method.ts";
import { isPromise } from "./promised.ts";

const RAISED = new WeakSet<HbiError>();

/** What a peer that knows the errors of the method is told: "upload.quota_exceeded"; undefined for any other error. */
export function nameOnWire(error: HbiError): string | undefined {
  return RAISED.has(error) ? `${error.method}.${error.declared}` : undefined;
}

/** Runs the handler of the entry, whose declared errors are checked as its results are. */
export function runHandler(entry: ExposedMethod, params: unknown, co: unknown, env: unknown): unknown {
  const run = entry.handler as (...given: unknown[]) => unknown; // validated by the schema that types the handler
  if (!declaresErrors(entry.method)) return run(params, co, env);
  try {
    const returned = run(params, co, env);
    return isPromise(returned) ? Promise.resolve(returned).catch((thrown) => fail(thrown, entry)) : returned;
  } catch (thrown) {
    return fail(thrown, entry);
  }
}

function fail(thrown: unknown, { name, method }: ExposedMethod): never {
  throw raised(thrown, name, method);
}

/** With details that do not fit, an error of another service is passed on without its name. The handler's own is a
 *  mistake, as a result would be that does not fit. */
export function raised(thrown: unknown, name: string, method: Method): unknown {
  const error = ownError(thrown);
  const details = error && detailsOf(method, error.declared);
  if (error?.declared === undefined || details === undefined) return thrown;
  try {
    const checked = checkedError(error, error.declared, details, name, "bad_result");
    checked.stack = textOf(error); // which leads to the handler
    RAISED.add(checked);
    return checked;
  } catch (refused) {
    return error.origin === "peer" ? thrown : refused;
  }
}
