/**
 * How a call fails: with the name of its method and, although it fails long after it was made, a stack that leads to the
 * line that waits for it. Calls that succeed pay nothing for it.
 */
import { type HbiError, ofCall, ownError } from "../errors.ts";
import { markHandled } from "./waits.ts";

/** Rejects a promise with the error. V8 finds who awaits a promise from the reaction that settles it, so it is made to
 *  follow one whose reaction takes the stack. */
export function rejectWhereAwaited(
  promise: Promise<unknown>,
  resolve: (value: unknown) => void,
  error: HbiError,
): void {
  let fail: () => void = () => undefined;
  const source = new Promise<void>((settle) => {
    fail = settle;
  });
  const followed = source.then((): never => {
    leadHere(error);
    markHandled(promise); // only now: V8 follows a promise that one alone awaits
    throw error;
  });
  resolve(followed);
  Promise.resolve().then(fail); // when the promise follows
}

/** The same promise; the stack of an error that comes through it leads to the line that awaits it. */
export function leading<T>(promise: Promise<T>): Promise<T> {
  const led: Promise<T> = promise.then(undefined, (thrown: unknown): never => {
    const error = ownError(thrown);
    if (error !== undefined && isOurs(error)) leadHere(error);
    markHandled(led);
    throw thrown;
  });
  return led;
}

/** A call that fails where it is made. */
export function failedAtOnce(error: HbiError, method: string): Promise<never> {
  return markHandled(Promise.reject(ledTo(error, method, failedAtOnce)));
}

/** The error as one of this method, thrown here. */
export function ledTo(error: HbiError, method: string, from: unknown = ledTo): HbiError {
  const named = ofCall(error, method);
  if (isOurs(named)) leadHere(named, from);
  return named;
}

/** Whether it is an error of one call, made by this library or the peer, and not one of the application. */
function isOurs({ reason, origin }: HbiError): boolean {
  return reason !== undefined || origin === "peer";
}

/** Its stack becomes that of here. @param from the innermost function that it leaves out */
export function leadHere(error: HbiError, from: unknown = leadHere): void {
  const { captureStackTrace } = Error as { captureStackTrace?: (target: object, from: unknown) => void }; // of V8
  captureStackTrace?.(error, from);
}
