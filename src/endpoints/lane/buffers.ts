/**
 * Raw data as applications have it.
 */
import { failure } from "../../errors.ts";
import { insteadOfBytes } from "../../parser/kinds.ts";

export type Buffers = ArrayBufferView | Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;

/** Any view as bytes: a `Float64Array` is filled in place. @throws HbiError invalid_argument if it is not a view */
export function asBytes(view: ArrayBufferView): Uint8Array {
  if (view instanceof Uint8Array) return view;
  if (!ArrayBuffer.isView(view)) throw failure("bad_option", `a chunk of raw data ${insteadOfBytes(view)}`);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
