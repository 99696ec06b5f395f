/**
 * Credentials, what `authenticate` makes of them, and interceptors, which see both.
 */
import {
  type AnyCallOn,
  type CredentialsOf,
  type HandlersOf,
  HbiError,
  type Link,
  type LogFields,
  type OutgoingCall,
  type Peer,
  type ServiceCall,
  ServiceHost,
} from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { expectTypeOf, test } from "vitest";
import { depot, guarded, plain } from "./depot.ts";

const ADDRESS = "127.0.0.1:0";
type Guarded = typeof guarded;

test("a consumer shows what is declared", () => {
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: { token: "t" } });
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: { token: "t", asked: 2 }, retries: 1 });
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: () => ({ token: "t" }) });
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: async () => ({ token: "t" }) });
  // @ts-expect-error no options
  connect(guarded, ADDRESS, { bye: () => undefined });
  // @ts-expect-error no credentials
  connect(guarded, ADDRESS, { bye: () => undefined }, {});
  // @ts-expect-error other options alone
  connect(guarded, ADDRESS, { bye: () => undefined }, { retries: 1 });
  // @ts-expect-error the token is text
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: { token: 5 } });
  // @ts-expect-error the token is missing
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: {} });
  // @ts-expect-error there is no credential password
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: { token: "t", password: "p" } });
  // @ts-expect-error the token is text, of a function
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: () => ({ token: 5 }) });
  // @ts-expect-error the token is text, of an async function
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: async () => ({ token: 5 }) });
  // @ts-expect-error bare text
  connect(guarded, ADDRESS, { bye: () => undefined }, { credentials: "t" });
});

test("a consumer shows nothing where nothing is declared", () => {
  connect(plain, ADDRESS);
  connect(plain, ADDRESS, {}, { credentials: undefined });
  // @ts-expect-error plain declares no credentials
  connect(plain, ADDRESS, {}, { credentials: { token: "t" } });
  // @ts-expect-error nor does depot
  connect(depot, ADDRESS, { moved: () => 1, confirm: () => true }, { credentials: { token: "t" } });
});

test("authenticate gets the declared credentials", () => {
  expectTypeOf<CredentialsOf<Guarded>>().toEqualTypeOf<{ token: string; asked: number }>();
  expectTypeOf<CredentialsOf<typeof plain>>().toEqualTypeOf<undefined>();
  serve(guarded, ADDRESS, () => ({ hello: () => "" }), {
    authenticate: ({ token, asked }) => {
      expectTypeOf(token).toEqualTypeOf<string>();
      expectTypeOf(asked).toEqualTypeOf<number>();
      return { user: token };
    },
  });
  serve(guarded, ADDRESS, () => ({ hello: () => "" }), {
    // @ts-expect-error there is no credential password
    authenticate: ({ password }: { password: string }) => ({ user: password }),
  });
  serve(plain, ADDRESS, () => ({ hello: () => "" }), {
    authenticate: (nothing, peer) => {
      expectTypeOf(peer).toEqualTypeOf<Peer<typeof plain, unknown>>();
      expectTypeOf(nothing).toEqualTypeOf<undefined>();
      return { from: peer.remoteAddress };
    },
  });
});

test("what authenticate gives is the context of handlers, interceptors and peers", async () => {
  const server = await serve(
    guarded,
    ADDRESS,
    (peer) => {
      expectTypeOf(peer.context.user).toEqualTypeOf<string>();
      return {
        hello(_params, call) {
          expectTypeOf(call.context).toEqualTypeOf<{ user: string }>();
          expectTypeOf(call.peer.context).toEqualTypeOf<{ user: string }>();
          return call.context.user;
        },
      };
    },
    {
      authenticate: async ({ token }: CredentialsOf<Guarded>) => ({ user: token }),
      interceptors: [
        (call, next) => {
          expectTypeOf(call).toEqualTypeOf<AnyCallOn<Guarded, { user: string }>>();
          expectTypeOf(call).toExtend<ServiceCall<Peer<Guarded, { user: string }>, { user: string }>>();
          if (call.context.user === "") throw new HbiError("permission_denied", "no user");
          return next();
        },
      ],
    },
  );
  expectTypeOf(server).toEqualTypeOf<Server<Guarded, { user: string }>>();
  for (const peer of server.peers) expectTypeOf(peer.context).toEqualTypeOf<{ user: string }>();
});

test("what refuses is no part of the context", async () => {
  const maybe = await serve(guarded, ADDRESS, () => ({ hello: (_params, call) => call.context.user }), {
    authenticate: ({ token }: CredentialsOf<Guarded>) => (token === "" ? undefined : { user: token }),
  });
  expectTypeOf(maybe).toEqualTypeOf<Server<Guarded, { user: string }>>();
  const nulled = await serve(guarded, ADDRESS, () => ({ hello: (_params, call) => call.context.user }), {
    authenticate: async ({ token }: CredentialsOf<Guarded>) => (token === "" ? null : { user: token }),
  });
  expectTypeOf(nulled).toEqualTypeOf<Server<Guarded, { user: string }>>();
  const falsed = await serve(guarded, ADDRESS, () => ({ hello: (_params, call) => call.context.user }), {
    authenticate: async ({ token }: CredentialsOf<Guarded>) => token !== "" && { user: token },
  });
  expectTypeOf(falsed).toEqualTypeOf<Server<Guarded, { user: string }>>();
  const shorthand = await serve(guarded, ADDRESS, () => ({ hello: (_params, call) => call.context.user }), {
    async authenticate({ token }: CredentialsOf<Guarded>) {
      if (token === "") return undefined;
      if (token === "-") return null;
      if (token === "?") return false;
      return { user: token };
    },
  });
  expectTypeOf(shorthand).toEqualTypeOf<Server<Guarded, { user: string }>>();
});

test("mistakes about the context", () => {
  serve(
    guarded,
    ADDRESS,
    () => ({
      // @ts-expect-error the context has a user and no role
      hello: (_params, call) => call.context.role,
    }),
    { authenticate: async ({ token }: CredentialsOf<Guarded>) => ({ user: token }) },
  );
  serve(guarded, ADDRESS, () => ({ hello: () => "" }), {
    authenticate: async ({ token }: CredentialsOf<Guarded>) => ({ user: token }),
    interceptors: [
      (call, next) => {
        // @ts-expect-error the context has a user and no role
        call.context.role;
        return next();
      },
    ],
  });
  // @ts-expect-error without authenticate there is no context
  serve(plain, ADDRESS, () => ({ hello: (_params, call) => call.context.user }));
});

test("interceptors without a context, and of a consumer", () => {
  serve(plain, ADDRESS, () => ({ hello: () => "" }), {
    interceptors: [
      (call, next) => {
        expectTypeOf(call.context).toEqualTypeOf<undefined>();
        expectTypeOf(call.name).toEqualTypeOf<"hello">();
        expectTypeOf(call.params.name).toEqualTypeOf<string>();
        return next();
      },
    ],
    // @ts-expect-error an interceptor is a function
    outgoing: ["log"],
  });
  connect(
    depot,
    ADDRESS,
    { moved: () => 1, confirm: () => true },
    {
      incoming: [
        (call, next) => {
          expectTypeOf(call).toExtend<ServiceCall<Link<typeof depot>, undefined>>();
          if (call.name === "confirm") expectTypeOf(call.params).toEqualTypeOf<{ question: string }>();
          return next();
        },
      ],
      interceptors: [
        (call, next) => {
          expectTypeOf(call.kind).toEqualTypeOf<"call" | "post" | "script">();
          if (call.kind === "script") expectTypeOf(call.params).toEqualTypeOf<string>();
          else if (call.name === "label") expectTypeOf(call.params.parcel.grams).toEqualTypeOf<number>();
          return next();
        },
      ],
    },
  );
  // @ts-expect-error no such option
  connect(plain, ADDRESS, {}, { retry: 3 });
  // @ts-expect-error no such option
  serve(plain, ADDRESS, () => ({ hello: () => "" }), { timeout: 3 });
});

test("the name of a call decides what its parameters are", () => {
  const right = {} as HandlersOf<typeof depot, undefined>;
  serve(depot, ADDRESS, () => right, {
    authorize({ name, params }) {
      if (name === "move") expectTypeOf(params.to).toEqualTypeOf<number>();
      // @ts-expect-error there is no method moves
      return name !== "moves";
    },
    interceptors: [
      (call, next) => {
        if (call.name === "label") expectTypeOf(call.params.parcel.id).toEqualTypeOf<string>();
        // @ts-expect-error not of every method
        call.params.parcel;
        return next();
      },
      // what knows less about a call is an interceptor as well
      (call: ServiceCall<unknown, unknown>, next) => (call.name === "" ? undefined : next()),
    ],
    outgoing: [
      (call, next) => {
        if (call.kind === "post" && call.name === "moved") expectTypeOf(call.params.id).toEqualTypeOf<string>();
        return next();
      },
      (call: OutgoingCall, next) => (call.name === "" ? Promise.resolve() : next()),
    ],
    onCall: ({ code, durationMs, fields }) => {
      expectTypeOf(code).toExtend<string>();
      expectTypeOf(durationMs).toEqualTypeOf<number>();
      expectTypeOf(fields).toEqualTypeOf<LogFields>();
    },
    logFields: (context, peer) => {
      expectTypeOf(context).toEqualTypeOf<undefined>();
      expectTypeOf(peer).toEqualTypeOf<Peer<typeof depot, undefined>>();
      return { tenant: "a", isNew: true };
    },
  });
});

test("a time of its own is for a method that is declared", () => {
  serve(plain, ADDRESS, () => ({ hello: () => "" }), {
    handlerTimeoutsMs: { hello: 1_000 },
    concurrency: { hello: 2 },
  });
  // @ts-expect-error there is no method bye
  serve(plain, ADDRESS, () => ({ hello: () => "" }), { handlerTimeoutsMs: { bye: 1_000 } });
  // @ts-expect-error a time is a number
  serve(plain, ADDRESS, () => ({ hello: () => "" }), { handlerTimeoutsMs: { hello: "1 s" } });
  const reactions = { moved: () => 1, confirm: () => true };
  connect(depot, ADDRESS, reactions, { handlerTimeoutsMs: { confirm: 1_000 } });
  // @ts-expect-error that is a method, and no reaction
  connect(depot, ADDRESS, reactions, { handlerTimeoutsMs: { count: 1_000 } });
});

test("a host without sockets is typed alike", () => {
  const host = new ServiceHost<Guarded, { user: string }>(guarded, () => ({ hello: () => "" }), {
    authenticate: async ({ token }) => ({ user: token }),
  });
  for (const peer of host.peers) expectTypeOf(peer.context.user).toEqualTypeOf<string>();
  expectTypeOf(host.accept).parameter(1).toEqualTypeOf<{ readonly address?: string | undefined } | undefined>();
  expectTypeOf(host.accept).returns.toEqualTypeOf<Promise<Peer<Guarded, { user: string }>>>();
  const inferred = new ServiceHost(guarded, () => ({ hello: (_params, call) => call.context.user }), {
    authenticate: async ({ token }: CredentialsOf<Guarded>) => ({ user: token }),
  });
  expectTypeOf(inferred).toEqualTypeOf<ServiceHost<Guarded, { user: string }>>();
  expectTypeOf(new ServiceHost(plain, () => ({ hello: ({ name }) => name }), {})).toEqualTypeOf<
    ServiceHost<typeof plain, undefined>
  >();
  // @ts-expect-error hello is missing
  new ServiceHost(plain, () => ({}), {});
  // @ts-expect-error a number is no text
  new ServiceHost(plain, () => ({ hello: () => 5 }), {});
  new ServiceHost<Guarded, { user: string }>(guarded, () => ({ hello: () => "" }), {
    // @ts-expect-error the context has a user
    authenticate: async () => ({ role: "admin" }),
  });
});
