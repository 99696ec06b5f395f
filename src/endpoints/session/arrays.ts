/**
 * Arrays: the protocol of the reference's numpy helper for typed arrays: the shape as an object, `dtype('float64')` as
 * an object, then the elements in C order as raw data, or nothing if there are none. docs/protocol.md, "Arrays".
 */
import { z } from "zod";
import { bodyTooBig, failure } from "../../errors.ts";
import { repr } from "../../parser/repr.ts";
import { HostingEnv } from "../../registry/hosting-env.ts";
import { value } from "../../registry/method.ts";
import { markHandled, type WaitOptions } from "../waits.ts";
import type { HoCo } from "./ho-co.ts";
import type { PoCo } from "./po-co.ts";

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

export interface NdArray {
  /** the length of each dimension; their product is the length of `data` */
  readonly shape: readonly number[];
  /** numpy's name: "float64" */
  readonly dtype: string;
  /** the elements in C order (the last dimension varies fastest), in this machine's byte order */
  readonly data: TypedArray;
}

type Constructor = { new (buffer: ArrayBuffer): TypedArray; readonly BYTES_PER_ELEMENT: number };

const DTYPES: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ["int8", Int8Array],
  ["uint8", Uint8Array],
  ["bool", Uint8Array],
  ["int16", Int16Array],
  ["uint16", Uint16Array],
  ["int32", Int32Array],
  ["uint32", Uint32Array],
  ["int64", BigInt64Array],
  ["uint64", BigUint64Array],
  ["float32", Float32Array],
  ["float64", Float64Array],
]);

/** numpy's short names, without the byte order. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  i1: "int8",
  u1: "uint8",
  b1: "bool",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  f4: "float32",
  f8: "float64",
};

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

class Dtype {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const SHAPE = z.array(z.int().min(0)).max(32);
const DTYPE = z.instanceof(Dtype);
const DTYPE_ENV = new HostingEnv().construct(
  "dtype",
  value({ params: { name: z.string().max(32) }, make: ({ name }) => new Dtype(name) }),
);

/** Sends an array to a peer's `recvArray` or the reference's numpy helper. The default `shape` has one dimension. */
export function sendArray(
  co: PoCo | HoCo,
  data: TypedArray,
  shape: readonly number[] = [data.length],
  options: WaitOptions = {},
): Promise<void> {
  return markHandled(send(co, data, shape, options));
}

async function send(co: PoCo | HoCo, data: TypedArray, shape: readonly number[], options: WaitOptions): Promise<void> {
  if (elementCount(shape) !== data.length) throw failure("bad_option", "the shape does not match the data");
  await co.sendObj(repr(shape), options);
  await co.sendObj(`dtype('${dtypeOf(data)}')`, options);
  if (data.length > 0) await co.sendData(data, options);
}

/** Receives an array, in a hosted method with `body: "manual"`, or in the answer to a posted conversation.
 *  @throws HbiError invalid_argument for an unsupported shape or dtype, resource_exhausted beyond `maxBodyBytes` */
export function recvArray(co: PoCo | HoCo, options: WaitOptions = {}): Promise<NdArray> {
  return markHandled(recv(co, options));
}

async function recv(co: PoCo | HoCo, options: WaitOptions): Promise<NdArray> {
  const shape = await co.recvObj(SHAPE, options);
  const dtype = parseDtype((await co.recvObjIn(DTYPE_ENV, DTYPE, options)).name);
  const byteLength = elementCount(shape) * dtype.make.BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(byteLength) || byteLength > co.limits.maxBodyBytes)
    throw bodyTooBig(byteLength, co.limits.maxBodyBytes);
  const bytes = await recvBytes(co, byteLength, options);
  if (dtype.isSwapped) swap(bytes, dtype.make.BYTES_PER_ELEMENT);
  return { shape, dtype: dtype.name, data: new dtype.make(bytes.buffer) };
}

/** Grows as data arrives: nothing is allocated from an announced shape. */
async function recvBytes(co: PoCo | HoCo, byteLength: number, options: WaitOptions): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(Math.min(byteLength, 64 * 1024));
  let filled = 0;
  if (byteLength === 0) return bytes;
  for await (const chunk of co.recvChunks(byteLength, options)) {
    if (filled + chunk.length > bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(bytes.length * 2, filled + chunk.length), byteLength));
      grown.set(bytes.subarray(0, filled));
      bytes = grown;
    }
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  return bytes;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function dtypeOf(data: TypedArray): string {
  if (data instanceof Uint8ClampedArray) return "uint8";
  for (const [name, make] of DTYPES) if (data instanceof make) return name;
  throw failure("bad_option", "not a typed array of numbers");
}

function parseDtype(text: string): { name: string; make: Constructor; isSwapped: boolean } {
  const order = /^[<>=|]/.exec(text)?.[0] ?? "=";
  const rest = text.replace(/^[<>=|]/, "");
  const name = Object.hasOwn(SHORT_NAMES, rest) ? SHORT_NAMES[rest] : rest;
  const make = name === undefined ? undefined : DTYPES.get(name);
  if (name === undefined || make === undefined) throw failure("bad_argument", "unsupported dtype");
  const isSwapped =
    make.BYTES_PER_ELEMENT > 1 && (order === ">" ? IS_LITTLE_ENDIAN : order === "<" && !IS_LITTLE_ENDIAN);
  return { name, make, isSwapped };
}

function swap(bytes: Uint8Array, elementBytes: number): void {
  for (let i = 0; i < bytes.length; i += elementBytes) bytes.subarray(i, i + elementBytes).reverse();
}
