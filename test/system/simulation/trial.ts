/**
 * Trial: the service of the simulation, with one method of each kind; both sides offer the same ones. Every call says its
 * number, so that what it gives, and every byte, can be told from that of any other.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

const call = z.int().min(0);
const part = z.int().min(0).max(15);
const size = z.int().min(0).max(10_000_000);
const sized = z.strictObject({ call, size });

const methods = {
  act: method({ params: { call, part }, result: z.int() }),
  again: method({ params: { call, part }, result: z.int(), idempotent: true }),
  note: method({ params: { call, part } }),
  take: method({ params: { call, size }, body: ({ size }) => size, result: z.int() }),
  keep: method({ params: { call, size }, body: ({ size }) => size }),
  give: method({ params: { call, size }, result: sized, resultBody: ({ size }) => size }),
  swap: method({
    params: { call, size },
    body: ({ size }) => size,
    result: sized,
    resultBody: ({ size }) => size,
  }),
  // the same, with as many bytes as their sources happen to give
  pour: method({ params: { call, size }, body: "unknown", result: z.int() }),
  drip: method({ params: { call, size }, result: sized, resultBody: "unknown" }),
  churn: method({ params: { call, size }, body: "unknown", result: sized, resultBody: "unknown" }),
};

export const trial = defineService({ name: "trial", version: "1.0.0", methods, reactions: methods });
export type Trial = typeof trial;
export type MethodName = keyof typeof methods;

const SENDING: ReadonlySet<MethodName> = new Set(["take", "keep", "swap", "pour", "churn"]);
const RECEIVING: ReadonlySet<MethodName> = new Set(["give", "swap", "drip", "churn"]);
const OPEN: ReadonlySet<MethodName> = new Set(["pour", "drip", "churn"]);

/** Whether raw data stands behind its calls, and behind its results. */
export const sendsBody = (method: MethodName): boolean => SENDING.has(method);
export const receivesBody = (method: MethodName): boolean => RECEIVING.has(method);
/** Whether the length of its raw data is unknown. */
export const isOpenEnded = (method: MethodName): boolean => OPEN.has(method);

/** What a part of a call gives. */
export function resultOf(callId: number, partId: number): number {
  return callId * 16 + partId;
}

/** The one byte that all raw data of a call consists of. */
export function byteOf(callId: number): number {
  return (callId * 37 + 11) % 251;
}

export function bytesOf(callId: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byteOf(callId));
}

/** Adds to what was read of a call's raw data. */
export function checkBytes(callId: number, chunk: Uint8Array): number {
  const expected = byteOf(callId);
  for (const byte of chunk) if (byte !== expected) throw new Error(`a byte of another call in the data of ${callId}`);
  return chunk.length;
}
