/**
 * Raw data that is given: whole, in pieces, slowly; and as it should not be: failing half-way, too short, too long.
 */
import type { Clock } from "hbi";
import type { Source } from "./plan.ts";

/** What fails on purpose: any other cause of an internal error is the library's. */
export class PlannedError extends Error {}

export function sourceOf(
  source: Source,
  bytes: Uint8Array,
  clock: Clock,
): Uint8Array | Uint8Array[] | AsyncGenerator<Uint8Array> {
  switch (source) {
    case "buffer":
      return bytes;
    case "chunks":
      return inPieces(bytes);
    case "slow":
      return slowly(inPieces(bytes), clock);
    case "fails":
      return failing(bytes);
    case "short":
      return slowly(inPieces(bytes.subarray(0, Math.floor(bytes.length / 2))), clock);
    case "long":
      return slowly([...inPieces(bytes), bytes.subarray(0, 7)], clock);
  }
}

/** How much a source gives of what it should. */
export function givenBy(source: Source, length: number): number {
  if (source === "short") return Math.floor(length / 2);
  return source === "long" ? length + Math.min(7, length) : length;
}

/** Whether it gives just what was declared, if anything was. */
export function isSound(source: Source, length: number, isOpenEnded: boolean): boolean {
  if (source === "fails") return false;
  return isOpenEnded || length === 0 || (source !== "short" && source !== "long");
}

function inPieces(bytes: Uint8Array): Uint8Array[] {
  const size = Math.max(Math.ceil(bytes.length / 3), 1);
  return [0, 1, 2].map((i) => bytes.subarray(i * size, (i + 1) * size)).filter(({ length }) => length > 0);
}

async function* slowly(pieces: readonly Uint8Array[], clock: Clock): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await sleep(clock, 12, undefined);
    yield piece;
  }
}

async function* failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 1) yield bytes.subarray(0, bytes.length >> 1);
  throw new PlannedError("the source fails");
}

/** Resolves after so long, or as soon as the signal aborts. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(ms, end);
    if (signal?.aborted === true) end();
    else signal?.addEventListener("abort", end);
  });
}
