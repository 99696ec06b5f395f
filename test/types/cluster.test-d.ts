/**
 * serveOnAllCores and upstart check their handlers as serve does.
 */
import { type CredentialsOf, defineService, method } from "hbi";
import { type Cluster, serveOnAllCores, upstart } from "hbi/cluster";
import { expectTypeOf, it } from "vitest";
import { z } from "zod";

const sums = defineService({
  name: "sums",
  version: "1.0.0",
  methods: { add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }) },
  credentials: { token: z.string() },
});
const authenticate = ({ token }: CredentialsOf<typeof sums>) => ({ user: token });

it("handlers have their types, and the context that authenticate gives", () => {
  const call = () =>
    serveOnAllCores(
      sums,
      "127.0.0.1:0",
      () => ({
        add({ a, b }, { context }) {
          expectTypeOf(context).toEqualTypeOf<{ user: string }>();
          return a + b;
        },
      }),
      {
        authenticate,
        onServer: ({ peers }) => {
          for (const { context } of peers) expectTypeOf(context).toEqualTypeOf<{ user: string }>();
        },
      },
    );
  expectTypeOf(call).returns.resolves.toEqualTypeOf<Cluster>();
});

it("a missing, surplus or mistyped handler, and an unknown option, are refused", () => {
  const calls = () => [
    // @ts-expect-error missing
    upstart(sums, "127.0.0.1:0", () => ({}), { authenticate }),
    // @ts-expect-error surplus
    upstart(sums, "127.0.0.1:0", () => ({ add: () => 1, sub: () => 1 }), { authenticate }),
    // @ts-expect-error mistyped
    serveOnAllCores(sums, "127.0.0.1:0", () => ({ add: () => "1" }), { authenticate }),
    // @ts-expect-error of upstart
    serveOnAllCores(sums, "127.0.0.1:0", () => ({ add: () => 1 }), { authenticate, maxProcesses: 5 }),
    // @ts-expect-error of serveOnAllCores
    upstart(sums, "127.0.0.1:0", () => ({ add: () => 1 }), { authenticate, workers: 5 }),
  ];
  expectTypeOf(calls).toBeFunction();
});
