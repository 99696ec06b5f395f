/**
 * A turn of the event loop: when it is over every promise that can has run, and rejections that nobody hears have been told.
 */

/** Node lets promises and rejections run between any two immediates: so many at once spare it most ways round its loop. */
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
