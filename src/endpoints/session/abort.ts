/**
 * The signals that inform an application of an end.
 */
import { heard } from "./connection-options.ts";

type Listener = EventListenerOrEventListenerObject | null;

/** An AbortController whose listeners cannot end the process. In Node, an exception or rejection of a listener would,
 *  and a peer decides when a signal aborts. `failed` receives what they throw. Signals that an application derives are
 *  its own. */
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
    add(type, guard(listener) as EventListener, options); // even if a listener is invalid, as usual
  signal.removeEventListener = (type: string, listener: Listener, options?: EventListenerOptions | boolean): void =>
    remove(type, guard(listener) as EventListener, options);
  return controller;
}
