/**
 * Handlers of methods and of reactions: none missing, none left over, each returning what is declared.
 */
import {
  type Body,
  type CallOn,
  combine,
  type HandlersOf,
  type HbiError,
  type Link,
  type NoErrors,
  type Peer,
  type ReactionsOf,
  type ServiceCall,
} from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { expectTypeOf, test } from "vitest";
import { depot, plain, type Spot } from "./depot.ts";

const ADDRESS = "127.0.0.1:0";
type Depot = typeof depot;

/** All of them, right: the tests below change one. */
declare const right: HandlersOf<Depot, undefined>;

test("handlers get the declared parameters and the call, and may be async or not", async () => {
  const server = await serve(depot, ADDRESS, (peer) => {
    expectTypeOf(peer).toEqualTypeOf<Peer<Depot, undefined>>();
    return {
      async move({ id, to, note, speed }, call) {
        expectTypeOf(id).toEqualTypeOf<string>();
        expectTypeOf(to).toEqualTypeOf<number>();
        expectTypeOf(note).toEqualTypeOf<string | undefined>();
        expectTypeOf(speed).toEqualTypeOf<"slow" | "fast">();
        expectTypeOf(call).toEqualTypeOf<CallOn<Depot, undefined, NoErrors>>();
        expectTypeOf(call.peer).toEqualTypeOf<Peer<Depot, undefined>>();
        await call.peer.post.moved({ id, to });
        return { id, grams: 1 };
      },
      count: () => 3,
      list: async ({ limit }) => {
        expectTypeOf(limit).toEqualTypeOf<number | undefined>();
        return ["a"];
      },
      find: ({ label }) => label,
      weigh: () => 1.5,
      label: ({ parcel }) => {
        expectTypeOf(parcel).toEqualTypeOf<{ id: string; grams: number }>();
        return parcel.id;
      },
      note: ({ line }) => console.log(line),
      async store({ id, size }, call) {
        expectTypeOf(call.body).toEqualTypeOf<Body>();
        expectTypeOf(call.bytes()).resolves.toEqualTypeOf<Uint8Array<ArrayBuffer>>();
        return { id, grams: size };
      },
      feed: () => 3,
      fetch: () => ({ result: { size: 3 }, body: new Uint8Array(3) }),
      place: ({ at }) => {
        expectTypeOf(at).toEqualTypeOf<Spot>();
        return at;
      },
    };
  });
  expectTypeOf(server).toEqualTypeOf<Server<Depot, undefined>>();
  for (const peer of server.peers) await peer.post.moved({ id: "a", to: 1 });
});

test("a notification's handler may return anything, as nobody is given it", () => {
  serve(depot, ADDRESS, () => ({ ...right, note: () => undefined }));
  serve(depot, ADDRESS, () => ({ ...right, note: async () => 5 }));
});

test("a missing handler", () => {
  const { move: _, ...withoutMove } = right;
  // @ts-expect-error move is missing
  serve(depot, ADDRESS, () => withoutMove);
  // @ts-expect-error hello is missing
  serve(plain, ADDRESS, () => ({}));
  // @ts-expect-error hello is missing, of what is returned in a block
  serve(plain, ADDRESS, () => {
    return {};
  });
});

test("a surplus handler", () => {
  // @ts-expect-error there is no method extra, of an object as it is written
  serve(plain, ADDRESS, () => ({ hello: ({ name }) => name, extra: () => 1 }));
  const surplus = { ...right, extra: () => 1 };
  // @ts-expect-error there is no method extra, of an object made before
  serve(depot, ADDRESS, () => surplus);
  // @ts-expect-error a handler under a wrong name
  serve(plain, ADDRESS, () => ({ hullo: () => "" }));
});

test("an instance of a class, with members that are no handlers", () => {
  class Hello {
    readonly peer: Peer<typeof plain, undefined>;
    readonly #greeting = "hello";
    constructor(peer: Peer<typeof plain, undefined>) {
      this.peer = peer;
    }
    hello({ name }: { name: string }, call: CallOn<typeof plain, undefined>): string {
      return this.greet(name + call.name);
    }
    private greet(name: string): string {
      return `${this.#greeting} ${name}`;
    }
  }
  serve(plain, ADDRESS, (peer) => new Hello(peer));
  class Silent {}
  // @ts-expect-error hello is missing
  serve(plain, ADDRESS, () => new Silent());
  class Wrong extends Hello {
    extra(): void {}
  }
  // @ts-expect-error there is no method extra; a helper is private
  serve(plain, ADDRESS, (peer) => new Wrong(peer));
});

test("several definitions: handlers, peers and reactions of all of them", async () => {
  const both = combine({ name: "both", version: "1.0.0" }, depot, plain);
  const handlers = { ...right, hello: ({ name }: { name: string }) => name } as never as HandlersOf<
    typeof both,
    undefined
  >;
  const server = await serve(both, ADDRESS, () => handlers);
  for (const peer of server.peers) {
    await peer.post.moved({ id: "a", to: 1 });
    expectTypeOf(peer.declares(depot)).toEqualTypeOf<boolean | undefined>();
  }
  expectTypeOf(handlers.hello).parameter(0).toEqualTypeOf<{ name: string }>();
  // @ts-expect-error the handlers of plain are missing
  serve(both, ADDRESS, () => right);
});

test("the hooks around a peer", () => {
  serve(plain, ADDRESS, () => ({ hello: ({ name }) => name }), {
    authenticate: () => ({ user: "ali" }),
    onPeer: (peer) => expectTypeOf(peer).toEqualTypeOf<Peer<typeof plain, { user: string }>>(),
    onPeerLeft: async (peer, reason) => {
      expectTypeOf(peer.context).toEqualTypeOf<{ user: string }>();
      expectTypeOf(reason).toEqualTypeOf<HbiError | undefined>();
    },
  });
});

test("a wrong result", () => {
  // @ts-expect-error a number is no text
  serve(plain, ADDRESS, () => ({ hello: () => 5 }));
  // @ts-expect-error nor is a promise of one
  serve(plain, ADDRESS, () => ({ hello: async () => 5 }));
  // @ts-expect-error nothing is no text
  serve(plain, ADDRESS, () => ({ hello: () => undefined }));
  // @ts-expect-error nor is no return at all
  serve(plain, ADDRESS, () => ({ async hello() {} }));
  // @ts-expect-error grams is missing
  serve(depot, ADDRESS, () => ({ ...right, move: ({ id }) => ({ id }) }));
  // @ts-expect-error grams is text
  serve(depot, ADDRESS, () => ({ ...right, move: async ({ id }) => ({ id, grams: "1" }) }));
  // @ts-expect-error a Spot is no text
  serve(depot, ADDRESS, () => ({ ...right, place: () => "1/2" }));
});

test("a handler that wants other parameters", () => {
  // @ts-expect-error there is no parameter title
  serve(plain, ADDRESS, () => ({ hello: ({ title }) => title }));
  // @ts-expect-error name is text
  serve(plain, ADDRESS, () => ({ hello: ({ name }: { name: number }) => `${name}` }));
});

test("raw data behind a result is returned beside it", () => {
  serve(depot, ADDRESS, () => ({ ...right, fetch: async () => ({ result: { size: 3 }, body: new Blob([]) }) }));
  // @ts-expect-error the result alone
  serve(depot, ADDRESS, () => ({ ...right, fetch: () => ({ size: 3 }) }));
  // @ts-expect-error a result without its body
  serve(depot, ADDRESS, () => ({ ...right, fetch: () => ({ result: { size: 3 } }) }));
  // @ts-expect-error a body without its result
  serve(depot, ADDRESS, () => ({ ...right, fetch: () => ({ body: new Uint8Array(3) }) }));
  // @ts-expect-error text is no body
  serve(depot, ADDRESS, () => ({ ...right, fetch: () => ({ result: { size: 3 }, body: "abc" }) }));
  // @ts-expect-error the size is a number
  serve(depot, ADDRESS, () => ({ ...right, fetch: () => ({ result: { size: "3" }, body: new Uint8Array(3) }) }));
});

test("the factory gives handlers, synchronously", () => {
  // @ts-expect-error handlers are no factory
  serve(plain, ADDRESS, { hello: () => "" });
  // @ts-expect-error a promise of handlers
  serve(plain, ADDRESS, async () => ({ hello: () => "" }));
});

test("reactions get the declared parameters and the call", async () => {
  const link = await connect(depot, ADDRESS, {
    moved({ id, to }, call) {
      expectTypeOf(id).toEqualTypeOf<string>();
      expectTypeOf(to).toEqualTypeOf<number>();
      expectTypeOf(call).toEqualTypeOf<ServiceCall<Link<Depot>, undefined, NoErrors>>();
      expectTypeOf(call.peer.call.count()).resolves.toEqualTypeOf<number>();
    },
    confirm: async ({ question }) => question === "?",
  });
  expectTypeOf(link).toEqualTypeOf<Link<Depot>>();
});

test("mistakes in reactions", () => {
  const moved: ReactionsOf<Depot>["moved"] = () => undefined;
  const confirm: ReactionsOf<Depot>["confirm"] = () => true;
  // @ts-expect-error confirm is missing
  connect(depot, ADDRESS, { moved });
  // @ts-expect-error there is no reaction extra
  connect(depot, ADDRESS, { moved, confirm, extra: () => 1 });
  const surplus = { moved, confirm, extra: () => 1 };
  // @ts-expect-error nor is there in an object made before
  connect(depot, ADDRESS, surplus);
  // @ts-expect-error text is no truth value
  connect(depot, ADDRESS, { moved, confirm: () => "yes" });
  // @ts-expect-error there is no parameter from
  connect(depot, ADDRESS, { confirm, moved: ({ from }) => from });
  // @ts-expect-error reactions are an object, not a factory
  connect(depot, ADDRESS, () => ({ moved, confirm }));
});

test("reactions may be left out where none is declared", () => {
  connect(plain, ADDRESS);
  connect(plain, ADDRESS, {});
  connect(plain, ADDRESS, {}, { retries: 3 });
  // @ts-expect-error depot declares reactions
  connect(depot, ADDRESS);
  // @ts-expect-error none of depot's is there
  connect(depot, ADDRESS, {});
  // @ts-expect-error plain declares no reactions
  connect(plain, ADDRESS, { moved: () => undefined });
});
