/**
 * When a link may have lost its connection without a word: the machine or the page has slept, or the network is back. Only browsers have
 * the events; every platform has the clock. docs/browsers.md.
 */
import type { Clock } from "../../clock.ts";

type Listen = (type: string, listener: () => void, isCapturing: boolean) => void;

const platform: Readonly<Partial<Record<"addEventListener" | "removeEventListener", Listen>>> = globalThis as never; // each is checked

/** `resume`: the page was frozen; `visibilitychange`: the timers of a hidden page are slowed down. Both are events of the document. */
const EVENTS = ["online", "resume", "visibilitychange"];

/** Calls `listener` then. Returns a function that stops this. */
export function onWaking(clock: Clock, listener: () => void): () => void {
  const forget = clock.onWake?.(listener);
  for (const type of EVENTS) platform.addEventListener?.(type, listener, true);
  return () => {
    forget?.();
    for (const type of EVENTS) platform.removeEventListener?.(type, listener, true);
  };
}
