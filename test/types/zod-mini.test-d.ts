/**
 * Definitions whose schemas come from zod/mini have the same types as those of zod.
 */
import { expectTypeOf, test } from "vitest";
import * as z from "zod/mini";
import type { ArgumentsOf, Link, ServiceHandlers } from "../../src/index.ts";
import { defineService, HostingEnv, method, value } from "../../src/index.ts";

const size = z.int().check(z.minimum(0));
const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    run: method({
      params: { action: z.string(), size: z._default(size, 1), tag: z.optional(z.string()) },
      body: ({ size }) => size,
      result: z.array(z.object({ line: z.string() })),
    }),
    stop: method({ params: {} }),
  },
  reactions: { ran: method({ params: { ms: z.number() }, result: z.optional(z.string()) }) },
  values: { Point: value({ params: { x: z.number() }, make: ({ x }) => ({ x }) }) },
  credentials: { token: z.string() },
});

test("a definition of zod/mini infers parameters, results and handlers", () => {
  type Jobs = Link<typeof jobs>;
  expectTypeOf<Awaited<ReturnType<Jobs["call"]["run"]>>>().toEqualTypeOf<{ line: string }[]>();
  expectTypeOf<Parameters<Jobs["call"]["run"]>[0]>().toEqualTypeOf<
    ArgumentsOf<(typeof jobs)["methods"]["run"]["spec"]["params"]>
  >();
  expectTypeOf<Parameters<Jobs["call"]["run"]>[0]>().toExtend<{ action: string; size?: number | undefined }>();
  // @ts-expect-error: action is missing
  expectTypeOf<Parameters<Jobs["call"]["run"]>[0]>({ size: 1 });
  type Handlers = ServiceHandlers<(typeof jobs)["methods"], unknown>;
  expectTypeOf<Parameters<Handlers["run"]>[0]>().toEqualTypeOf<{
    action: string;
    size: number;
    tag?: string | undefined;
  }>();
  new HostingEnv().slot("level", z.int()).expose("stop", jobs.methods.stop, () => undefined);
});
