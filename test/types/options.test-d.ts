/**
 * Configuration is passed through: every option may be given as undefined, and details may be of any object type.
 */
import {
  type AcceptOptions,
  type AcceptorOptions,
  type AsyncApiOptions,
  type CallOptions,
  type CallsOverOptions,
  type ConnectionOptions,
  type DescribedOptions,
  type DescribeOptions,
  defineService,
  HbiError,
  type HbiErrorOptions,
  type HostOptions,
  type LimitOptions,
  type LinkOptions,
  type MemoryOptions,
  type MethodSpec,
  type Methods,
  method,
  type Params,
  type ReconnectOptions,
  type Service,
  type ServiceSpec,
  type ValueSpec,
  type Values,
  value,
  type WaitOptions,
} from "hbi";
import type { ClientTls, ConnectLinkOptions, ConnectOptions, ServeOptions, ServerOptions, ServerTls } from "hbi/node";
import { connect } from "hbi/node";
import type { CheckOptions, GenerateOptions, TestLinkOptions } from "hbi/testing";
import { expectTypeOf, test } from "vitest";
import type { z } from "zod";
import type { plain } from "./depot.ts";

type Plain = typeof plain;
/** The optional members that do not accept undefined; with `exactOptionalPropertyTypes` that is a difference. */
type Strict<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? (undefined extends Required<T>[K] ? never : K) : never;
}[keyof T];

test("the members of all options accept undefined", () => {
  expectTypeOf<
    | Strict<AcceptOptions>
    | Strict<AcceptorOptions>
    | Strict<AsyncApiOptions>
    | Strict<CallOptions>
    | Strict<CallsOverOptions>
    | Strict<CheckOptions<Plain, unknown>>
    | Strict<ClientTls>
    | Strict<ConnectLinkOptions<Plain>>
    | Strict<ConnectOptions>
    | Strict<ConnectionOptions>
    | Strict<DescribeOptions>
    | Strict<DescribedOptions>
    | Strict<GenerateOptions>
    | Strict<HbiErrorOptions>
    | Strict<HostOptions<Plain, unknown>>
    | Strict<LimitOptions>
    | Strict<LinkOptions<Service>>
    | Strict<MemoryOptions>
    | Strict<MethodSpec<{ a: z.ZodInt }, z.ZodInt>>
    | Strict<ReconnectOptions>
    | Strict<ServeOptions<Plain, unknown>>
    | Strict<ServerOptions>
    | Strict<ServerTls>
    | Strict<TestLinkOptions<Plain, unknown>>
    | Strict<ServiceSpec<Methods, Methods, Values, Params>>
    | Strict<ValueSpec<Params, number>>
    | Strict<WaitOptions>
  >().toEqualTypeOf<never>();
});

test("a member of a definition that is undefined is absent", () => {
  const none = method({
    params: {},
    input: undefined,
    body: undefined,
    result: undefined,
    resultBody: undefined,
    limits: undefined,
    title: undefined,
    description: undefined,
    idempotent: undefined,
    deprecated: undefined,
    examples: undefined,
  });
  expectTypeOf(none).toEqualTypeOf(method({ params: {} }));
  expectTypeOf(method({ params: {}, limits: { call: undefined, result: undefined } })).toEqualTypeOf(none);
  expectTypeOf(method({ params: undefined, input: none.signature.schema })).toEqualTypeOf(
    method({ input: none.signature.schema }),
  );
  const made = value({ params: {}, make: () => 1, is: undefined });
  expectTypeOf(made).toEqualTypeOf(value({ params: {}, make: () => 1 }));
});

const head = { name: "a", version: "1.0.0" };
const one = method({ params: {} });
const bare = defineService({ ...head, methods: { one } });

test("an optional member of a service that is undefined is absent, each by itself and all together", () => {
  expectTypeOf(defineService({ ...head, methods: { one }, title: undefined })).toEqualTypeOf(bare);
  expectTypeOf(defineService({ ...head, methods: { one }, description: undefined })).toEqualTypeOf(bare);
  expectTypeOf(defineService({ ...head, methods: { one }, foreign: undefined })).toEqualTypeOf(bare);
  expectTypeOf(defineService({ ...head, methods: { one }, reactions: undefined })).toEqualTypeOf(bare);
  expectTypeOf(defineService({ ...head, methods: { one }, values: undefined })).toEqualTypeOf(bare);
  expectTypeOf(defineService({ ...head, methods: { one }, credentials: undefined })).toEqualTypeOf(bare);
  const all = defineService({
    ...head,
    title: undefined,
    description: undefined,
    foreign: undefined,
    methods: { one },
    reactions: undefined,
    values: undefined,
    credentials: undefined,
  });
  expectTypeOf(all).toEqualTypeOf(bare);
  expectTypeOf<keyof typeof all.reactions>().toEqualTypeOf<never>();
  expectTypeOf<keyof typeof all.values>().toEqualTypeOf<never>();
  expectTypeOf(all.credentials).toEqualTypeOf<undefined>();
});

test("a member that may be undefined has its own type", () => {
  const reactions = { one } as { one: typeof one } | undefined;
  expectTypeOf(defineService({ ...head, methods: { one }, reactions }).reactions).toEqualTypeOf<{ one: typeof one }>();
});

test("a definition of a generic function may be used", () => {
  const serviceOf = <R extends Methods>(reactions: R) => defineService({ ...head, methods: { one }, reactions });
  expectTypeOf(serviceOf({ one }).reactions).toEqualTypeOf<{ one: typeof one }>();
});

test("without reactions, none may be given to connect", () => {
  const all = defineService({ ...head, methods: { one }, reactions: undefined, values: undefined });
  void (() => connect(all, "a:1"));
  // @ts-expect-error no reaction is declared
  void (() => connect(all, "a:1", { told: () => 1 }));
  // @ts-expect-error the same for a service without the member
  void (() => connect(bare, "a:1", { told: () => 1 }));
});

interface Range {
  readonly least: number;
  readonly most?: number;
}

test("details of an error are an object of any type", () => {
  const range: Range = { least: 1 };
  new HbiError("out_of_range", "too small", range);
  new HbiError("out_of_range", "too small", { range, nested: [range] });
  new HbiError("out_of_range", "too small", undefined, { cause: undefined, mayHaveLanded: undefined });
  // @ts-expect-error a list has no names
  new HbiError("out_of_range", "too small", [range]);
  // @ts-expect-error nor has a Map, whose entries would be lost
  new HbiError("out_of_range", "too small", new Map());
  // @ts-expect-error bare text
  new HbiError("out_of_range", "too small", "1");
});
