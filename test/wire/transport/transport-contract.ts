/**
 * What every transport keeps: everything in order, once, and what it says that it can: half-close, nothing while paused, counting.
 */
import type { Transport } from "hbi";
import { describe, expect, it } from "vitest";

export class Collector {
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  hasEnded = false;
  closed: (Error | undefined)[] = [];
  drained = 0;
  readonly #changed: (() => void)[] = [];

  onData(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    this.#tell();
  }
  onDrain(): void {
    this.drained += 1;
    this.#tell();
  }
  onEnd(): void {
    this.hasEnded = true;
    this.#tell();
  }
  onClose(error?: Error): void {
    this.closed.push(error);
    this.#tell();
  }
  get text(): string {
    return new TextDecoder().decode(joined(this.chunks));
  }
  async until(is: () => boolean): Promise<void> {
    while (!is()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }
  #tell(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Depends on each byte and on the order, and not on how the bytes are cut. */
function checksum(chunk: Uint8Array, start = 0): number {
  return chunk.reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, start);
}

/** What a transport can't do. */
export interface Lacks {
  readonly halfClose?: boolean;
  readonly pause?: boolean;
}

export function keepsTheContract(
  name: string,
  connect: () => Promise<[Transport, Transport]>,
  lacks: Lacks = {},
): void {
  describe(name, () => {
    it("declares what it cannot do", async () => {
      for (const transport of await connect()) {
        expect(transport.canHalfClose !== false).toBe(lacks.halfClose !== true);
        expect(transport.canPause !== false).toBe(lacks.pause !== true);
        transport.start(new Collector());
        transport.destroy();
      }
    });

    it("counts all that the platform takes, if it counts", async () => {
      const [left, right] = await connect();
      const [l, r] = [new Collector(), new Collector()];
      left.start(l);
      const isCounting = left.takenBytes !== undefined;
      let written = 0;
      let before = 0;
      const look = () => {
        const { takenBytes = written - left.bufferedBytes } = left;
        expect(takenBytes + left.bufferedBytes).toBe(written);
        expect(takenBytes).toBeGreaterThanOrEqual(before);
        before = takenBytes;
      };
      for (const chunk of ["text", new Uint8Array(200_000), "", new Uint8Array(0), "more", new Uint8Array(8_000_000)]) {
        left.write(chunk);
        written += chunk.length;
        look();
      }
      expect(left.bufferedBytes).toBeGreaterThan(0); // not read yet
      right.start(r);
      await l.until(() => {
        look();
        return left.bufferedBytes === 0;
      });
      await r.until(() => r.bytes === written);
      expect(left.takenBytes).toBe(isCounting ? written : undefined);
      left.destroy();
      right.destroy();
      await r.until(() => r.closed.length > 0);
    });

    it("reports when it is down to its low water and when nothing is left, if it has one", async () => {
      const [left, right] = await connect();
      const [l, r] = [new Collector(), new Collector()];
      const told: number[] = [];
      const hasLowWater = left.lowWaterBytes !== undefined;
      if (hasLowWater) left.lowWaterBytes = 100_000;
      const drain = l.onDrain.bind(l);
      l.onDrain = () => {
        told.push(left.bufferedBytes);
        drain();
      };
      left.start(l);
      right.start(r);
      for (let i = 0; i < 300; i++) left.write(new Uint8Array(65_536));
      await r.until(() => r.bytes === 300 * 65_536);
      await l.until(() => left.bufferedBytes === 0 && told.at(-1) === 0);
      expect(told.filter((bytes) => hasLowWater && bytes > 100_000)).toEqual([]);
      left.destroy();
      right.destroy();
      await r.until(() => r.closed.length > 0);
    });

    it("carries 4 MiB both ways at once, in order", async () => {
      const [left, right] = await connect();
      const ends = [new Collector(), new Collector()] as const;
      left.start(ends[0]);
      right.start(ends[1]);
      const sums = [0, 0];
      for (let i = 0; i < 64; i++) {
        for (const [k, transport] of [left, right].entries()) {
          const chunk = new Uint8Array(65_536).fill(i * 3 + k);
          sums[k] = checksum(chunk, sums[k]);
          transport.write(chunk);
        }
      }
      for (const [k, end] of ends.entries()) {
        await end.until(() => end.bytes === 64 * 65_536);
        expect(end.chunks.reduce((sum, chunk) => checksum(chunk, sum), 0)).toBe(sums[1 - k]);
        await end.until(() => end.drained > 0 && [left, right][k]?.bufferedBytes === 0);
      }
      expect([left.bufferedBytes, right.bufferedBytes]).toEqual([0, 0]);
      left.destroy();
      right.destroy();
      for (const end of ends) await end.until(() => end.closed.length > 0);
    });

    if (lacks.halfClose === true)
      it("sends what was written, then closes both directions, in peace", async () => {
        const [left, right] = await connect();
        const [l, r] = [new Collector(), new Collector()];
        left.start(l);
        right.start(r);
        left.write("héllo");
        left.end();
        await l.until(() => l.closed.length > 0);
        await r.until(() => r.closed.length > 0);
        expect([r.text, r.hasEnded, l.hasEnded]).toEqual(["héllo", false, false]);
        expect([l.closed, r.closed]).toEqual([[undefined], [undefined]]);
      });
    else
      it.each(["dials", "is dialed"])(
        "ends one half after the other; closes once, in peace: who %s first",
        async (first) => {
          const [near, far] = await connect();
          const [left, right] = first === "dials" ? [near, far] : [far, near];
          const [l, r] = [new Collector(), new Collector()];
          left.start(l);
          right.start(r);
          left.write("héllo");
          left.end();
          await r.until(() => r.hasEnded);
          expect(r.text).toBe("héllo");
          right.write("still here");
          right.end();
          await l.until(() => l.closed.length > 0);
          await r.until(() => r.closed.length > 0);
          expect(l.text).toBe("still here");
          expect([l.closed, r.closed]).toEqual([[undefined], [undefined]]);
        },
      );

    if (lacks.pause === true)
      it("delivers all the same when it should pause", async () => {
        const [left, right] = await connect();
        const r = new Collector();
        left.start(new Collector());
        right.start(r);
        right.pause();
        left.write("all");
        await r.until(() => r.text === "all");
        right.resume();
        left.write(" of it");
        await r.until(() => r.text === "all of it");
        left.destroy();
        right.destroy();
        await r.until(() => r.closed.length > 0);
      });
    else
      it("delivers nothing while paused, beyond what was under way", async () => {
        const [left, right] = await connect();
        const [l, r] = [new Collector(), new Collector()];
        left.start(l);
        right.start(r);
        right.pause();
        for (let i = 0; i < 200; i++) left.write(new Uint8Array(65_536));
        for (let i = 0; i < 50; i++) await new Promise(setImmediate);
        expect(r.bytes).toBeLessThanOrEqual(65_536);
        right.resume();
        await r.until(() => r.bytes === 200 * 65_536);
        left.destroy();
        right.destroy();
        await r.until(() => r.closed.length > 0);
      });

    it("reports each time that bytes were taken, and reads no chunk that it no longer counts", async () => {
      const [left, right] = await connect();
      const [l, r] = [new Collector(), new Collector()];
      left.start(l);
      right.start(r);
      const chunk = new Uint8Array(65_536);
      for (let i = 0; i < 300; i++) {
        chunk.fill(i);
        left.write(chunk);
        await l.until(() => left.bufferedBytes === 0);
      }
      await r.until(() => r.bytes === 300 * 65_536);
      expect(l.drained).toBeGreaterThanOrEqual(1);
      const all = joined(r.chunks);
      for (let i = 0; i < 300; i++)
        expect(all.subarray(i * 65_536, (i + 1) * 65_536).every((byte) => byte === i % 256)).toBe(true);
      left.destroy();
      right.destroy();
      await r.until(() => r.closed.length > 0);
    });

    it("sends nothing for nothing, and drops what is written behind the end", async () => {
      const [left, right] = await connect();
      const [l, r] = [new Collector(), new Collector()];
      left.start(l);
      right.start(r);
      right.resume(); // it is not paused
      left.write("");
      left.write(new Uint8Array(0));
      left.write("all");
      left.end();
      left.end();
      left.write("more");
      await r.until(() => r.hasEnded || r.closed.length > 0);
      expect(r.chunks.every((chunk) => chunk.length > 0)).toBe(true);
      expect(r.text).toBe("all");
      right.end();
      await l.until(() => l.closed.length > 0);
      await r.until(() => r.closed.length > 0);
      left.write("more");
      left.end();
      left.destroy();
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      expect([r.text, l.closed, r.closed]).toEqual(["all", [undefined], [undefined]]);
    });

    it("reports to a late start that it is closed, once and not inside the call", async () => {
      const [left, right] = await connect();
      const [first, late] = [new Collector(), new Collector()];
      left.start(first);
      right.destroy();
      await first.until(() => first.hasEnded || first.closed.length > 0);
      left.destroy();
      await first.until(() => first.closed.length > 0);
      right.start(late);
      expect(late.closed).toEqual([]);
      await late.until(() => late.closed.length > 0);
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      expect([first.closed.length, late.closed.length, late.bytes]).toEqual([1, 1, 0]);
    });

    it("drops what is under way when destroyed, and notifies both sides once", async () => {
      const [left, right] = await connect();
      const [l, r] = [new Collector(), new Collector()];
      left.start(l);
      right.start(r);
      left.destroy();
      left.destroy();
      await l.until(() => l.closed.length > 0);
      await r.until(() => r.hasEnded || r.closed.length > 0);
      right.destroy();
      await r.until(() => r.closed.length > 0);
      expect([l.closed.length, r.closed.length]).toEqual([1, 1]);
    });
  });
}
