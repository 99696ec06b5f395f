/**
 * Scripts of typed calls: `link.script((s) => s.notify(s.user_by_email("a@b.c")))` takes one round trip, and the inner
 * result never leaves the peer. docs/services.md, "Scripts".
 */
import type { z } from "zod";
import { failure } from "../../errors.ts";
import { isPlainObject } from "../../parser/plain-object.ts";
import { type OnlyOurs, REPR } from "../../parser/repr.ts";
import { argumentsText, type Writing } from "../../registry/call-text.ts";
import { declaresErrors } from "../../registry/declared-errors.ts";
import type { Method } from "../../registry/method.ts";
import type { Methods } from "../../registry/service.ts";

declare const RESULT: unique symbol;

/** A call in a script: a statement, or an argument of another call; as an argument it has the type of its result. */
export class ScriptCall<out T = unknown> {
  /** for types only */
  declare readonly [RESULT]: T;
  readonly code: string;
  readonly name: string;
  readonly result: z.core.$ZodType | undefined;
  #isUsed = false;

  constructor(name: string, code: string, result: z.core.$ZodType | undefined) {
    this.name = name;
    this.code = code;
    this.result = result;
  }

  /** Marks it as used; used twice, it would run twice. @throws HbiError invalid_argument */
  use(): string {
    if (this.#isUsed) throw failure("bad_option", `${this.name} is used twice in the script and would run twice`);
    this.#isUsed = true;
    return this.code;
  }

  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** As an argument it is written as its call. */
  [REPR](): string {
    return this.use();
  }
}

type Argument<S> = S extends z.core.$ZodType ? z.input<S> | ScriptCall<z.input<S>> : never;
type Optional<P> = {
  readonly [K in keyof P as undefined extends z.input<P[K] & z.core.$ZodType> ? K : never]?: Argument<P[K]>;
};
type Required<P> = {
  readonly [K in keyof P as undefined extends z.input<P[K] & z.core.$ZodType> ? never : K]: Argument<P[K]>;
};
type Flat<T> = { readonly [K in keyof T]: T[K] };
type ParamsRecord<P> = Flat<Optional<P> & Required<P>>;

/** A single parameter may be passed without its name, unless it is a record, which would be taken for a record of
 *  parameters. */
type Single<P> = { [K in keyof P]: [Exclude<keyof P, K>] extends [never] ? Alone<Argument<P[K]>> : never }[keyof P];
type Alone<A> = A extends ScriptCall | readonly unknown[] | Uint8Array | string | number | bigint | boolean | null
  ? A
  : never;

/** The members of an `input`, each of which may be the result of a call. */
type InputRecord<I> = I extends object
  ? { readonly [K in keyof I]: I[K] | ScriptCall<Exclude<I[K], undefined>> }
  : never;

type Written<R> = ScriptCall<R extends z.core.$ZodType ? z.output<R> : undefined>;

/** Methods with raw data are not available in scripts. */
export type ScriptOf<M> =
  M extends Method<infer P, infer R, "none", "none">
    ? P extends z.core.$ZodType
      ? (...params: Optionally<InputRecord<z.input<P>>>) => Written<R>
      : [keyof P] extends [never]
        ? () => Written<R>
        : (...params: Optionally<ParamsRecord<P>, Single<P>>) => Written<R>
    : never;
type Optionally<P, Other = never> = Record<never, never> extends P ? [params?: P | Other] : [params: P | Other];

export type ScriptMethods<M extends Methods> = { readonly [K in keyof M]: ScriptOf<M[K]> };

/** One call, or several that run in order. */
export type ScriptPlan = ScriptCall | readonly ScriptCall[];
/** The result of the call, or the results of all calls. */
export type ScriptResults<T> =
  T extends ScriptCall<infer R> ? R : { -readonly [K in keyof T]: T[K] extends ScriptCall<infer R> ? R : never };

export interface BuiltScript {
  readonly code: string;
  readonly name: string;
  /** the first form in it that only peers of this library can read, if any */
  readonly onlyOurs: string | undefined;
  /** the number of its calls, including those inside others */
  readonly calls: number;
  /** the called method of this name; undefined if none of them declares errors */
  readonly methodOf: ((name: string) => Method | undefined) | undefined;
  /** one per statement */
  readonly results: readonly (z.core.$ZodType | undefined)[];
}

/** @throws HbiError invalid_argument */
export function buildScript<M extends Methods>(
  methods: M,
  build: (script: ScriptMethods<M>) => ScriptPlan,
  writing: Writing,
): BuiltScript {
  const made: ScriptCall[] = [];
  const onlyOurs: OnlyOurs = { what: undefined };
  const writers: [string, unknown][] = [];
  for (const [name, method] of Object.entries(methods)) {
    if (method.takesRawData || method.spec.resultBody !== undefined) continue;
    const write = (params: unknown) => {
      if (method.spec.limits?.call !== undefined) {
        throw failure("bad_option", `${name} has limits of its own, so it must be called alone`);
      }
      const call = new ScriptCall(
        name,
        `${name}(${argumentsOf(name, method, params, writing, onlyOurs)})`,
        method.spec.result,
      );
      made.push(call);
      return call;
    };
    writers.push([name, write]);
  }
  const plan = build(Object.fromEntries(writers) as ScriptMethods<M>); // one per method
  const statements: readonly ScriptCall[] = plan instanceof ScriptCall ? [plan] : plan;
  if (statements.length === 0) throw failure("bad_option", "an empty script");
  const code = statements.map((statement) => statement.use()).join("\n");
  const lost = made.find((call) => !call.isUsed);
  if (lost !== undefined)
    throw failure("bad_option", `${lost.name} is neither an argument nor a statement of the script`);
  const name = statements.map((statement) => statement.name).join(", ");
  const called = new Map(made.map((call) => [call.name, methods[call.name] as Method])); // one of these
  const methodOf = [...called.values()].some(declaresErrors) ? (of: string) => called.get(of) : undefined;
  const results = statements.map(({ result }) => result);
  return { code, onlyOurs: onlyOurs.what, calls: made.length, name, methodOf, results };
}

function argumentsOf(name: string, method: Method, given: unknown, writing: Writing, onlyOurs: OnlyOurs): string {
  const { signature } = method;
  const [only] = signature.names;
  const isAlone = !isRecord(given) && only !== undefined && signature.names.length === 1 && !signature.isByName;
  const params = isAlone ? { [only]: given } : (given ?? {});
  if (!isRecord(params)) throw failure("bad_argument", `${name}: parameters must be given by name`);
  const isPending = (value: unknown): boolean => value instanceof ScriptCall;
  const sent = signature.sendEach(name, params as Record<string, unknown>, isPending); // refuses unknown parameters
  return argumentsText(signature.names, sent, writing, onlyOurs, signature.isByName);
}

function isRecord(value: unknown): boolean {
  return value === undefined || isPlainObject(value);
}
