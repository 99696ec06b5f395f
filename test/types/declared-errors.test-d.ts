/**
 * Declared errors: what a handler may throw, and what a caller knows of what it catches.
 */
import {
  type AnyCallOn,
  type Calls,
  type DeclaredError,
  defineService,
  type HbiError,
  isServiceError,
  type Link,
  method,
  type NoErrors,
  type Peer,
  type ServiceCall,
  type ServiceError,
  type Tries,
} from "hbi";
import { serve } from "hbi/node";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";

const quota = z.object({ retryAfterMs: z.int(), plan: z.string().default("free") });
const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    run: method({ params: { id: z.string() }, result: z.int(), errors: { quota_exceeded: quota, busy: z.object({}) } }),
    note: method({ params: {}, errors: { full: mini.object({ by: mini.number() }) } }),
    plain: method({ params: {}, result: z.int() }),
    same: method({ params: {}, result: z.int(), errors: undefined }),
  },
  reactions: { confirm: method({ params: {}, errors: { refused: z.object({ by: z.string() }) } }) },
});
type Jobs = typeof jobs;
type Run = Jobs["methods"]["run"];
declare const link: Link<Jobs>;
declare const peer: Peer<Jobs>;
declare const caught: unknown;

test("a method has the types of its errors", () => {
  expectTypeOf<Run["errors"]["quota_exceeded"]>().toEqualTypeOf<typeof quota>();
  expectTypeOf<Jobs["methods"]["plain"]["errors"]>().toEqualTypeOf<NoErrors>();
  expectTypeOf<Jobs["methods"]["same"]["errors"]>().toEqualTypeOf<NoErrors>();
  expectTypeOf(jobs).toExtend<import("hbi").Service>();
});

test("isServiceError narrows to the errors of the method, and their name to one of them", () => {
  if (isServiceError(caught, jobs.methods.run)) {
    expectTypeOf(caught).toExtend<HbiError>();
    expectTypeOf(caught.declared).toEqualTypeOf<"quota_exceeded" | "busy">();
    if (caught.declared === "quota_exceeded") {
      expectTypeOf(caught.details).toEqualTypeOf<{ retryAfterMs: number; plan: string }>();
      // @ts-expect-error no such detail
      caught.details.retryAfter;
    } else expectTypeOf(caught.declared).toEqualTypeOf<"busy">();
    switch (caught.declared) {
      case "quota_exceeded":
      case "busy":
        break;
      default:
        expectTypeOf(caught).toEqualTypeOf<never>();
    }
  }
  if (isServiceError(caught, jobs.methods.note)) expectTypeOf(caught.details.by).toEqualTypeOf<number>();
  expectTypeOf<ServiceError<Jobs["methods"]["note"]>>().toEqualTypeOf<DeclaredError<"full", { by: number }>>();
  expectTypeOf<ServiceError<Jobs["methods"]["plain"]>>().toEqualTypeOf<never>();
});

test("link.try and peer.try have the result or one of the errors", async () => {
  expectTypeOf(link.try).toEqualTypeOf<Tries<Jobs["methods"]>>();
  const tried = await link.try.run({ id: "a" });
  if (tried.error === undefined) expectTypeOf(tried.ok).toEqualTypeOf<number>();
  else expectTypeOf(tried.error).toEqualTypeOf<ServiceError<Run>>();
  const { ok, error } = tried;
  expectTypeOf(ok).toEqualTypeOf<number | undefined>();
  expectTypeOf(error?.declared).toEqualTypeOf<"quota_exceeded" | "busy" | undefined>();
  expectTypeOf((await link.try.plain()).ok).toEqualTypeOf<number>();
  expectTypeOf((await link.try.plain()).error).toEqualTypeOf<undefined>();
  expectTypeOf((await peer.try.confirm()).error?.details).toEqualTypeOf<{ by: string } | undefined>();
  // @ts-expect-error parameters are those of the call
  link.try.run({ id: 5 });
  expectTypeOf(link.call).toEqualTypeOf<Calls<Jobs["methods"]>>();
});

test("a handler throws only what its method declares", async () => {
  await serve(jobs, "127.0.0.1:0", () => ({
    run(_, call) {
      expectTypeOf(call).toEqualTypeOf<ServiceCall<Peer<Jobs, undefined>, undefined, Run["errors"]>>();
      expectTypeOf(call.error("busy", {})).toEqualTypeOf<HbiError>();
      call.error("quota_exceeded", { retryAfterMs: 1 });
      call.error("quota_exceeded", { retryAfterMs: 1, plan: "paid" }, { message: "m", code: "aborted" });
      // @ts-expect-error not declared
      call.error("gone", {});
      // @ts-expect-error details of another type
      call.error("quota_exceeded", { retryAfterMs: "1" });
      // @ts-expect-error without its details
      call.error("quota_exceeded");
      // @ts-expect-error no code
      call.error("busy", {}, { code: "gone" });
      throw call.error("busy", {});
    },
    note: (_, call) => {
      throw call.error("full", { by: 1 });
    },
    plain(_, call) {
      // @ts-expect-error it declares none
      throw call.error("busy", {});
    },
    same: () => 1,
  }));
});

test("interceptors know the errors by the name of the call; a helper takes any call", () => {
  const intercept = (call: AnyCallOn<Jobs, undefined>) => {
    if (call.name === "note") throw call.error("full", { by: 1 });
    // @ts-expect-error an error of another method
    if (call.name === "run") throw call.error("full", { by: 1 });
  };
  const helper = (call: ServiceCall) => call.error("anything", {});
  const calls = (run: ServiceCall<Peer<Jobs>, undefined, Run["errors"]>, none: ServiceCall<null, null, NoErrors>) => [
    helper(run),
    helper(none),
  ];
  return [intercept, calls];
});
