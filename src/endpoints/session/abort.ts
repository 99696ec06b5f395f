/**
 * The signals by which an application is told that something is over.
 */
import { heard } from "./connection-options.ts";

type Listener = EventListenerOrEventListenerObject | null;

/** An AbortController whose listeners can't end the process, as they would in Node by an exception or a rejection: a peer decides when a
 *  signal aborts. What they throw is told by `failed`. The signals that an application makes of this one are its own. */
export function abortController(failed: (thrown: unknown) => void): AbortController {
  const controller = new AbortController();
  const { signal } = controller;
  const guarded = new WeakMap<object, EventListener>();
  const guard = (listener: Listener): Listener => {
    if (listener === null) return null;
    let run = guarded.get(listener);
    if (run === undefined) {
      run = function (this: unknown, event: Event): void {
        heard(
          () => (typeof listener === "function" ? listener.call(this as never, event) : listener.handleEvent(event)),
          failed,
        );
      };
      guarded.set(listener, run);
    }
    return run;
  };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, listener: Listener, options?: AddEventListenerOptions | boolean): void =>
    add(type, guard(listener) as EventListener, options); // also where a listener is none, as of old
  signal.removeEventListener = (type: string, listener: Listener, options?: EventListenerOptions | boolean): void =>
    remove(type, guard(listener) as EventListener, options);
  return controller;
}
