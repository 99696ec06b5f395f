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
  method,
  type ReconnectOptions,
  type Service,
  type WaitOptions,
} from "hbi";
import type { ClientTls, ConnectLinkOptions, ConnectOptions, ServeOptions, ServerOptions, ServerTls } from "hbi/node";
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
    | Strict<WaitOptions>
  >().toEqualTypeOf<never>();
});

test("a member of a definition that is undefined is absent", () => {
  const none = method({ params: {}, body: undefined, result: undefined, resultBody: undefined, title: undefined });
  expectTypeOf(none).toEqualTypeOf(method({ params: {} }));
  const some = defineService({
    name: "a",
    version: "1.0.0",
    methods: { none },
    reactions: undefined,
    values: undefined,
  });
  expectTypeOf(some.credentials).toEqualTypeOf<undefined>();
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
