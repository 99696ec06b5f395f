/**
 * Guards: properties of every run of every target: it ends in time, prototypes stay unchanged, errors reveal little,
 * and no rejection is unhandled.
 */
import { CODES, HbiError } from "../../src/index.ts";
import { checkPrototypes } from "./prototypes.ts";
import { must, type Target, Violation } from "./target.ts";
import { turn } from "./turn.ts";
import type { Worst } from "./worst.ts";

/** A run may take the time of its target, plus this much for each KiB of its input. */
const MS_PER_KIB = 20;
const MAX_ERROR_BYTES = 512;

const unheard: unknown[] = [];
process.on("unhandledRejection", (thrown) => void unheard.push(thrown));

/** Runs an input, and throws a violated property. */
export async function guarded(target: Target, input: Uint8Array): Promise<void> {
  await timed(target, input);
  await turn();
  checkRejections();
  checkPrototypes();
}

/** Like `guarded`, without checking what a synchronous input leaves behind, which costs more than reading it. */
export async function timed(target: Target, input: Uint8Array): Promise<void> {
  const startMs = performance.now();
  const running = target.run(input);
  if (running !== undefined) {
    await running;
    await turn(); // unhandled rejections are reported after a turn
  }
  const tookMs = performance.now() - startMs;
  checkRejections();
  if (tookMs > allowedMs(target, input)) await checkTime(target, input);
}

export function checkRejections(): void {
  if (unheard.length > 0) throw new Violation(`a rejection that nobody hears: ${String(unheard.splice(0)[0])}`);
}

function allowedMs({ baseMs }: Target, input: Uint8Array): number {
  return baseMs + (MS_PER_KIB * input.length) / 1_024;
}

/** The machine may cause a single slow run; the minimum of several counts. */
async function checkTime(target: Target, input: Uint8Array): Promise<void> {
  const tookMs = await least(target, input, 4);
  must(tookMs <= allowedMs(target, input), `${tookMs.toFixed(0)} ms for ${input.length} bytes`);
}

async function least(target: Target, input: Uint8Array, times: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    await target.run(input);
    least = Math.min(least, performance.now() - startMs);
  }
  return least;
}

const LENGTHS_KIB = [1, 4, 16, 64];

/** Repeats the input up to 64 KiB: the time must grow linearly. Checked step by step, so that quadratic growth is
 *  noticed before it takes minutes. */
export async function checkGrowth(target: Target, input: Uint8Array, worst?: Worst): Promise<void> {
  if (target.readOnce === undefined || input.length === 0) return;
  let shorter = repeated(input, (LENGTHS_KIB[0] ?? 1) * 1_024);
  let shorterMs = await least(target, shorter, 2);
  for (const kib of LENGTHS_KIB.slice(1)) {
    const isLinear = (ms: number) => ms <= 30 + 8 * shorterMs;
    const longer = repeated(input, kib * 1_024);
    let ms = await least(target, longer, 1);
    if (!isLinear(ms)) {
      shorterMs = Math.max(shorterMs, await least(target, shorter, 3));
      ms = await least(target, longer, 3);
    }
    must(isLinear(ms), `repeated it is not linear: ${shorterMs.toFixed(1)} ms, four times as long ${ms.toFixed(1)} ms`);
    worst?.offer(longer);
    [shorter, shorterMs] = [longer, ms];
  }
}

function repeated(input: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(input.subarray(0, length));
  for (let filled = input.length; filled < length; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

// --- errors ------------------------------------------------------------------------------------------------------------

/** An error must have a code of the table, and one short printable line that reveals nothing of the program. */
export function checkError(thrown: unknown): asserts thrown is HbiError {
  if (!(thrown instanceof HbiError)) {
    throw new Violation(`no HbiError: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  }
  must(CODES.has(thrown.code), () => `unknown code ${thrown.code}`);
  checkText(thrown.message);
}

/** Texts known to be valid; most errors repeat an earlier text. */
const well = new Set<string>();
const MOST_WELL = 20_000;

/** What can forge a line or control a terminal: controls, separators of lines, unpaired surrogates, directions of text. */
const HARMFUL =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0001}]/u;

/** Text for a peer or for a log. */
export function checkText(text: string): void {
  if (well.has(text)) return;
  must(Buffer.byteLength(text) <= MAX_ERROR_BYTES, `an error of ${text.length} characters`);
  must(!HARMFUL.test(text), () => `an error that is not one printable line: ${JSON.stringify(text)}`);
  must(!/ {4}at |\.(ts|js|mjs):\d|node:|file:\/\//.test(text), `an error that tells of the program: ${text}`);
  if (well.size >= MOST_WELL) well.clear();
  well.add(text);
}
