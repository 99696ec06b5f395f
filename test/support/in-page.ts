/**
 * What the tests use of Node, for those that run in a page. The library is loaded before, so that it finds a browser.
 */
import "hbi";

const { port1, port2 } = new MessageChannel();
const queue: (() => void)[] = [];
port1.onmessage = () => queue.shift()?.();

Object.assign(globalThis, {
  setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => {
    queue.push(() => run(...args));
    port2.postMessage(0);
  },
  process: {
    env: {},
    /** Rejections and exceptions that nobody catches fail the tests anyway. */
    on: () => undefined,
    off: () => undefined,
  },
});
