/**
 * The service of the worlds: one method of each kind, offered by both sides. Every call carries its number.
 */
import { defineService, method } from "hbi";
import { z } from "zod";
import { RAW_BYTE } from "./wire-text.ts";

const id = z.int().min(1).max(999);
const size = z.int().min(0).max(1_000);
const sized = z.strictObject({ id, size });

const methods = {
  work: method({ params: { id }, result: z.int() }),
  again: method({ params: { id }, result: z.int(), idempotent: true }),
  note: method({ params: { id } }),
  put: method({ params: { id, size }, body: ({ size }) => size, result: z.int() }),
  give: method({ params: { id, size }, result: sized, resultBody: ({ size }) => size }),
};

export const service = defineService({ name: "explored", version: "1.0.0", methods, reactions: methods });
export type Explored = typeof service;

/** The number of the call that a script makes; undefined for other scripts. */
export function callIn(code: string): number | undefined {
  const [, id] = /^(?:work|again|note|put|give)\((\d+)/.exec(code) ?? [];
  return id === undefined ? undefined : Number(id);
}

export function bytesOf(length: number): Uint8Array {
  return new Uint8Array(length).fill(RAW_BYTE);
}

/** @throws Error when it is not what `bytesOf` made */
export function checkBytes(bytes: Uint8Array, size: number): void {
  if (bytes.length !== size || bytes.some((byte) => byte !== RAW_BYTE)) throw new Error("other raw data");
}
