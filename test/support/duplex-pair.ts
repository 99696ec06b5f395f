/**
 * A pair of streams in memory: each receives what the other writes. Node has it from version 22 on.
 */
import { Duplex } from "node:stream";

/** A Duplex whose other end is another one. */
export function duplexPair(options: object = {}): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const waiting: ((() => void) | undefined)[] = [];
  for (const [own, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    ends[own] = new Duplex({
      ...options,
      read() {
        const done = waiting[other];
        waiting[other] = undefined;
        done?.();
      },
      write(chunk, _encoding, done) {
        if (ends[other]?.push(chunk) === false) waiting[own] = done;
        else done();
      },
      final(done) {
        ends[other]?.push(null);
        done();
      },
      destroy(error, done) {
        if (ends[other]?.destroyed === false) ends[other]?.destroy();
        done(error);
      },
    });
  }
  return ends as [Duplex, Duplex];
}
