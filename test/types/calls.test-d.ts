/**
 * What a caller may write, and what it is given.
 */
import {
  type Body,
  type CallOptions,
  type Calls,
  type HbiError,
  type Link,
  method,
  type OpenBody,
  type Peer,
  type PoCo,
  type Posted,
} from "hbi";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { type depot, Spot } from "./depot.ts";

declare const link: Link<typeof depot>;
declare const peer: Peer<typeof depot>;
declare const bytes: Uint8Array;
const pour = method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" });
declare const pond: Calls<{ pour: typeof pour }>;

test("parameters by name, optional and defaulted ones left out or given", () => {
  link.call.move({ id: "a", to: 1 });
  link.call.move({ id: "a", to: 1, note: "fragile", speed: "fast" });
  link.call.move({ id: "a", to: 1 }, { timeoutMs: 5, signal: new AbortController().signal });
  link.post.move({ id: "a", to: 1 }, { timeoutMs: 5 });
});

test("mistakes in parameters", () => {
  // @ts-expect-error a wrong name
  link.call.move({ identity: "a", to: 1 });
  // @ts-expect-error a surplus name
  link.call.move({ id: "a", to: 1, from: 2 });
  // @ts-expect-error a wrong type
  link.call.move({ id: "a", to: "1" });
  // @ts-expect-error none of the enumeration
  link.call.move({ id: "a", to: 1, speed: "faster" });
  // @ts-expect-error to is missing
  link.call.move({ id: "a" });
  // @ts-expect-error all are missing
  link.call.move();
  // @ts-expect-error undefined for what is required
  link.call.move({ id: undefined, to: 1 });
  // @ts-expect-error no such method
  link.call.remove({ id: "a" });
  // @ts-expect-error a reaction is not called on the service
  link.call.moved({ id: "a", to: 1 });
  // @ts-expect-error no such option
  link.call.move({ id: "a", to: 1 }, { timeout: 5 });
  // @ts-expect-error a wrong type, of a post
  link.post.move({ id: "a", to: "1" });
  // @ts-expect-error to is missing, of a post
  link.post.move({ id: "a" });
});

test("parameters may be left out where none is required", () => {
  link.call.count();
  link.call.count({});
  link.call.count({}, { timeoutMs: 5 });
  link.call.count(undefined, { timeoutMs: 5 });
  link.call.list();
  link.call.list({});
  link.call.list({ limit: 3 });
  link.post.list();
  // @ts-expect-error there is no parameter limit
  link.call.count({ limit: 3 });
  // @ts-expect-error a wrong type
  link.call.list({ limit: "3" });
  // @ts-expect-error there is no parameter before
  link.call.list({ before: "a" });
});

test("bodies of unknown length", () => {
  pond.pour({}, { body: bytes });
  pond.pour({}, { body: new Blob([]) });
  pond.pour({}, { body: () => [bytes] });
  // @ts-expect-error a body is required
  pond.pour({});
  // @ts-expect-error it does not support send
  pond.pour({}, { send: async () => undefined });
  expectTypeOf(pond.pour({}, { body: bytes })).resolves.toEqualTypeOf<{
    readonly result: number;
    readonly body: OpenBody;
  }>();
  expectTypeOf<OpenBody>().not.toHaveProperty("length");
  expectTypeOf<OpenBody>().not.toHaveProperty("unreadBytes");
  expectTypeOf<Body>().toExtend<OpenBody>();
});

test("results", () => {
  expectTypeOf(link.call.move({ id: "a", to: 1 })).resolves.toEqualTypeOf<{ id: string; grams: number }>();
  expectTypeOf(link.call.count()).resolves.toEqualTypeOf<number>();
  expectTypeOf(link.call.list()).resolves.toEqualTypeOf<string[]>();
  expectTypeOf(link.call.note({ line: "a" })).resolves.toEqualTypeOf<undefined>();
  expectTypeOf(link.post.move({ id: "a", to: 1 })).resolves.toEqualTypeOf<Posted>();
  expectTypeOf(link.call.place({ id: "a", at: new Spot(1, 2) })).resolves.toEqualTypeOf<Spot>();
});

test("a body is given where one is declared, and nowhere else", () => {
  link.call.store({ id: "a", size: 3 }, { body: bytes });
  link.call.store({ id: "a", size: 3 }, { body: [bytes, bytes], timeoutMs: 5 });
  link.call.store({ id: "a", size: 3 }, { body: new Blob([]) });
  link.call.store({ id: "a", size: 3 }, { body: new Blob([]).stream() });
  link.post.store({ id: "a", size: 3 }, { body: bytes });
  expectTypeOf(link.call.store({ id: "a", size: 3 }, { body: bytes })).resolves.toEqualTypeOf<{
    id: string;
    grams: number;
  }>();
  // @ts-expect-error no options
  link.call.store({ id: "a", size: 3 });
  // @ts-expect-error options without a body
  link.call.store({ id: "a", size: 3 }, { timeoutMs: 5 });
  // @ts-expect-error text is no body
  link.call.store({ id: "a", size: 3 }, { body: "abc" });
  // @ts-expect-error undefined is no body
  link.call.store({ id: "a", size: 3 }, { body: undefined });
  // @ts-expect-error no body, of a post
  link.post.store({ id: "a", size: 3 });
  // @ts-expect-error send is for manual bodies
  link.call.store({ id: "a", size: 3 }, { send: async () => undefined });
  // @ts-expect-error move takes no body
  link.call.move({ id: "a", to: 1 }, { body: bytes });
  // @ts-expect-error count takes no body
  link.call.count({}, { body: bytes });
  // @ts-expect-error nor does a post of it
  link.post.move({ id: "a", to: 1 }, { body: bytes });
});

test("a body whose length only the handler knows is sent by hand", () => {
  link.call.feed(
    { id: "a" },
    {
      async send(co) {
        expectTypeOf(co).toEqualTypeOf<PoCo>();
        await co.sendData(bytes);
      },
    },
  );
  link.post.feed({ id: "a" }, { send: (co) => co.sendData(bytes), timeoutMs: 5 });
  // @ts-expect-error no options
  link.call.feed({ id: "a" });
  // @ts-expect-error options without send
  link.call.feed({ id: "a" }, { timeoutMs: 5 });
  // @ts-expect-error a body has a declared length
  link.call.feed({ id: "a" }, { body: bytes });
  // @ts-expect-error no send, of a post
  link.post.feed({ id: "a" });
});

test("raw data behind a result comes beside it", async () => {
  const { result, body } = await link.call.fetch({ id: "a" });
  expectTypeOf(result).toEqualTypeOf<{ size: number }>();
  expectTypeOf(body).toEqualTypeOf<Body>();
  expectTypeOf(body.bytes()).resolves.toEqualTypeOf<Uint8Array<ArrayBuffer>>();
  const answer = await link.call.fetch({ id: "a" });
  // @ts-expect-error the result is not the answer itself
  answer.size;
  // @ts-expect-error move has no raw data behind its result
  (await link.call.move({ id: "a", to: 1 })).body;
});

test("values of the service's own kind are parameters", () => {
  link.call.place({ id: "a", at: new Spot(1, 2) });
  // @ts-expect-error a Spot is no text
  link.call.place({ id: "a", at: "1/2" });
  // @ts-expect-error a Spot has a shelf
  link.call.place({ id: "a", at: { row: 1 } });
});

test("reactions, as the service calls them", () => {
  peer.call.moved({ id: "a", to: 1 });
  peer.post.moved({ id: "a", to: 1 });
  expectTypeOf(peer.call.moved({ id: "a", to: 1 })).resolves.toEqualTypeOf<undefined>();
  expectTypeOf(peer.call.confirm({ question: "?" })).resolves.toEqualTypeOf<boolean>();
  expectTypeOf(peer.post.confirm({ question: "?" })).resolves.toEqualTypeOf<Posted>();
  // @ts-expect-error a wrong type
  peer.call.moved({ id: "a", to: "1" });
  // @ts-expect-error to is missing
  peer.post.moved({ id: "a" });
  // @ts-expect-error there is no parameter from
  peer.post.moved({ id: "a", to: 1, from: 2 });
  // @ts-expect-error no such reaction
  peer.post.lost({ id: "a" });
  // @ts-expect-error a method is not called on a consumer
  peer.call.count();
});

test("what a caller gets beside", () => {
  expectTypeOf(link.closed).resolves.toEqualTypeOf<HbiError | undefined>();
  expectTypeOf(link.call.count).parameter(1).toEqualTypeOf<CallOptions | undefined>();
});
