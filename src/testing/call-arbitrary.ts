/**
 * Calls of a service, valid and nearly valid, as data: what a peer may send, before it is written or landed.
 */

import fc from "fast-check";
import { failure } from "../errors.ts";
import { TO_THE_END } from "../limits.ts";
import { aCount, checkOptions, type OptionsOf } from "../options.ts";
import type { Method } from "../registry/method.ts";
import { type Methods, Service } from "../registry/service.ts";
import { validate } from "../registry/validate.ts";
import { sampleOf } from "./acceptance.ts";
import { bytesOf } from "./bytes.ts";
import { nearlyOf } from "./nearly-arbitrary.ts";
import { ARBITRARY_OPTIONS, type ArbitraryOptions } from "./overrides.ts";
import { scopedArbitrary } from "./schema-arbitrary.ts";

export interface GeneratedCall {
  readonly name: string;
  /** by name, as a caller passes them: before defaults and transforms */
  readonly params: Readonly<Record<string, unknown>>;
  /** of exactly the declared length, or of any if that is unknown; undefined for a method without raw data */
  readonly body: Uint8Array | undefined;
}

export interface NearlyValidCall extends GeneratedCall {
  /** place and mistake: "dataLen: too big", "body: a byte short" (see `SHORT_BODY`) */
  readonly wrong: string;
}

/** Paths of overrides begin with a parameter: "result.bytes". */
export interface CallOptions extends ArbitraryOptions {
  /** the longest body; 4096 by default */
  readonly maxBodyBytes?: number | undefined;
}

export const GENERATE_OPTIONS: OptionsOf<CallOptions> = { ...ARBITRARY_OPTIONS, maxBodyBytes: aCount };

/** The mistake of a call whose body is a byte shorter than declared. If the peer promises the bytes that it has, this
 *  call ends the connection, unlike all others: the receiver cannot tell whether a byte of raw data or a packet
 *  follows. */
export const SHORT_BODY = "body: a byte short";

const MAX_BODY_BYTES = 4_096;

/** Valid calls of each method. For a service, these are the methods that its consumers may call; pass
 *  `service.reactions` for the others. Methods with `body: "manual"` are left out: see `manualMethods`.
 *  @throws HbiError invalid_argument if a parameter or the length of a body needs an override */
export function validCalls(service: Service | Methods, options: CallOptions = {}): fc.Arbitrary<GeneratedCall> {
  checkOptions(options, "validCalls", GENERATE_OPTIONS);
  return fc.oneof(
    ...callable(service).map(([name, method]) => callsOf(name, method, validParams(name, method, options), options)),
  );
}

/** Calls that differ from a valid one in a single way: a parameter that is nearly valid, missing or unknown, or a body
 *  that is one byte too short or too long. The body of a refused call has the length that its parameters declare;
 *  undefined if the invalid parameter determines the length.
 *  @throws HbiError invalid_argument, as `validCalls` */
export function nearlyValidCalls(service: Service | Methods, options: CallOptions = {}): fc.Arbitrary<NearlyValidCall> {
  checkOptions(options, "nearlyValidCalls", GENERATE_OPTIONS);
  const calls = wrongCalls(service, options);
  if (calls === undefined) throw failure("bad_option", "no method that refuses a call, as far as its schema says");
  return calls;
}

/** The same; undefined if the methods accept everything that resembles a valid call. */
function wrongCalls(service: Service | Methods, options: CallOptions): fc.Arbitrary<NearlyValidCall> | undefined {
  const kinds = callable(service).flatMap(([name, method]) => {
    const { wrong } = callsOfMethod(name, method, options);
    return wrong === undefined ? [] : [wrong];
  });
  return kinds.length === 0 ? undefined : fc.oneof(...kinds);
}

interface CallsOfMethod {
  readonly valid: fc.Arbitrary<GeneratedCall>;
  /** undefined if it accepts everything that resembles a valid call */
  readonly wrong: fc.Arbitrary<NearlyValidCall> | undefined;
}

/** Both kinds of calls, from the same valid parameters. @throws HbiError invalid_argument, as `validCalls` */
export function callsOfMethod(name: string, method: Method, options: CallOptions): CallsOfMethod {
  const params = validParams(name, method, options);
  const valid = callsOf(name, method, params, options);
  const refused = refusedCalls(name, method, params, options);
  const isCounted = method.takesRawData && method.spec.body !== "unknown";
  const kinds = [...(refused === undefined ? [] : [refused]), ...(isCounted ? [miscountedCalls(valid)] : [])];
  return { valid, wrong: kinds.length === 0 ? undefined : fc.oneof(...kinds) };
}

/** Methods for which no calls are generated, because only their handlers know what raw data they read. */
export function manualMethods(service: Service | Methods): string[] {
  return Object.entries(methodsOf(service)).flatMap(([name, { spec }]) => (spec.body === "manual" ? [name] : []));
}

function methodsOf(service: Service | Methods): Methods {
  return service instanceof Service ? service.methods : service;
}

function callable(service: Service | Methods): [name: string, method: Method][] {
  const methods = Object.entries(methodsOf(service)).filter(([, { spec }]) => spec.body !== "manual");
  if (methods.length === 0) throw failure("bad_option", "no method whose calls could be generated");
  return methods;
}

type CallParams = GeneratedCall["params"];

function callsOf(
  name: string,
  method: Method,
  valid: fc.Arbitrary<CallParams>,
  options: CallOptions,
): fc.Arbitrary<GeneratedCall> {
  return valid.chain((params) => {
    const length = method.takesRawData ? lengthOf(name, method, params) : undefined;
    return bodyOf(length, options).map((body) => ({ name, params, body }));
  });
}

function bodyOf(
  length: number | undefined,
  { maxBodyBytes = MAX_BODY_BYTES }: CallOptions,
): fc.Arbitrary<Uint8Array | undefined> {
  if (length === undefined) return fc.constant(undefined);
  return length === TO_THE_END ? fc.nat({ max: maxBodyBytes }).chain(bytesOf) : bytesOf(length);
}

function lengthOf(name: string, method: Method, params: CallParams): number | undefined {
  return method.bodyBytes(validate(method.signature.schema, params, "bad_argument", name) as never); // of these params
}

/** Fractions of the longest body up to which the numbers behind a length are drawn. One of them may be the length, and
 *  so may a product of several. */
const PARTS = [1, 1 / 8, 1 / 64, 1 / 512] as const;

/** Parameters whose body is not too long. Hardly any value of `z.int().max(2 ** 26)` would qualify, so the numbers
 *  behind the length are drawn as small as necessary. */
function validParams(name: string, method: Method, options: CallOptions): fc.Arbitrary<CallParams> {
  const schema = method.signature.schema;
  const make = (capOf: (path: string) => number | undefined) =>
    scopedArbitrary(schema, options, { where: name, capOf }) as fc.Arbitrary<CallParams>; // an object of params
  const any = make(() => undefined);
  if (!method.takesRawData || method.spec.body === "unknown") return any;
  const maxBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  const fits = (params: CallParams) => {
    const length = lengthOf(name, method, params);
    return length !== undefined && length <= maxBytes;
  };
  const read = readByLength(name, method, sampleOf(any));
  const caps = new Set([...PARTS.map((part) => Math.floor(maxBytes * part)), 1]);
  const fitting = [...caps].flatMap((cap) => {
    const some = make((path) => (read.has(path.split(".")[0] ?? "") ? cap : undefined));
    const sample = sampleOf(some);
    return sample.filter(fits).length >= sample.length / 4 ? [some.filter(fits)] : [];
  });
  if (fitting.length > 0) return fc.oneof(...fitting);
  throw failure(
    "bad_option",
    `${name}: no body of at most ${maxBytes} bytes; give ${[...read].join(", ")} in options.overrides`,
  );
}

/** The parameters that determine the length of the body. */
function readByLength(name: string, method: Method, sample: readonly CallParams[]): ReadonlySet<string> {
  const read = new Set<string>();
  for (const params of sample) {
    const valid = validate(method.signature.schema, params, "bad_argument", name) as object; // of these params
    const watched = new Proxy(valid, {
      get(target, key, receiver) {
        if (typeof key === "string") read.add(key);
        return Reflect.get(target, key, receiver);
      },
    });
    method.bodyBytes(watched as never); // as above
  }
  return read;
}

function refusedCalls(
  name: string,
  method: Method,
  valid: fc.Arbitrary<CallParams>,
  options: CallOptions,
): fc.Arbitrary<NearlyValidCall> | undefined {
  const nearly = nearlyOf(method.signature.schema, valid, ({ path, isType }) => path !== "" || !isType);
  return nearly?.chain(({ value, wrong }) => {
    const params = value as CallParams; // still an object: no other type was requested
    const length = method.takesRawData ? method.bodyBytes(method.signature.probe(params, () => false)) : undefined;
    return bodyOf(length, options).map((body) => ({ name, params, body, wrong }));
  });
}

function miscountedCalls(calls: fc.Arbitrary<GeneratedCall>): fc.Arbitrary<NearlyValidCall> {
  return fc.tuple(calls, fc.boolean()).map(([call, isShort]) => {
    const body = call.body ?? new Uint8Array();
    if (isShort && body.length > 0) return { ...call, body: body.subarray(1), wrong: SHORT_BODY };
    return { ...call, body: Uint8Array.of(...body, 0), wrong: "body: a byte too long" };
  });
}
