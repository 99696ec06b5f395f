/**
 * A turn of the event loop: after it, all promise reactions have run, and unhandled rejections were reported.
 */

/** Node runs promise reactions and reports rejections between two immediates, so several at once save turns of its
 *  loop. */
const BATCH = 64;

let waiting: (() => void)[] = [];
let left = 0;

export function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (left > 0) return;
    left = BATCH;
    for (let i = 0; i < BATCH; i++) setImmediate(tick);
  });
}

function tick(): void {
  left -= 1;
  if (waiting.length === 0) return;
  const resolves = waiting;
  waiting = [];
  for (const resolve of resolves) resolve();
}
