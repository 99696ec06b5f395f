/**
 * Scripts of typed calls: what fits into what, and what comes back.
 */
import type { Link, Peer } from "hbi";
import { expectTypeOf, test } from "vitest";
import { type depot, Spot } from "./depot.ts";

declare const link: Link<typeof depot>;
declare const peer: Peer<typeof depot>;

test("the result of one call is the argument of another", () => {
  expectTypeOf(link.script((s) => s.weigh(s.find("big")))).resolves.toEqualTypeOf<number>();
  link.script((s) => s.weigh({ id: s.find({ label: "big" }) }));
  link.script((s) => s.move({ id: s.find("big"), to: s.count() }));
  link.script((s) => s.label(s.move({ id: s.find("big"), to: 3, speed: "fast" })));
  link.script((s) => s.label({ parcel: s.move({ id: "a", to: 3 }) }));
  link.script((s) => s.list({ limit: s.count(), after: s.find("big") }));
});

test("a result that does not fit", () => {
  // @ts-expect-error a count is no id
  link.script((s) => s.weigh(s.count()));
  // @ts-expect-error nor by name
  link.script((s) => s.weigh({ id: s.count() }));
  // @ts-expect-error an id is no number
  link.script((s) => s.move({ id: "a", to: s.find("big") }));
  // @ts-expect-error a list of ids is no id
  link.script((s) => s.weigh(s.list()));
  // @ts-expect-error an id is no parcel
  link.script((s) => s.label(s.find("big")));
  // @ts-expect-error a method without a result gives nothing that fits
  link.script((s) => s.weigh(s.note("a")));
  // @ts-expect-error an optional parameter takes no list
  link.script((s) => s.list({ limit: s.list() }));
});

test("parameters by name, or one by itself", () => {
  link.script((s) => s.find("big"));
  link.script((s) => s.find({ label: "big" }));
  link.script((s) => s.count());
  link.script((s) => s.list());
  link.script((s) => s.place({ id: "a", at: new Spot(1, 2) }));
  // @ts-expect-error two are not given by position
  link.script((s) => s.move("a", 3));
  // @ts-expect-error nor one of two
  link.script((s) => s.move("a"));
  // @ts-expect-error nor one of two that are optional
  link.script((s) => s.list(3));
  // @ts-expect-error a record would be taken for one of parameters
  link.script((s) => s.label({ id: "a", grams: 1 }));
  // @ts-expect-error count has no parameters
  link.script((s) => s.count(3));
  // @ts-expect-error a wrong type by itself
  link.script((s) => s.find(3));
  // @ts-expect-error a wrong type by name
  link.script((s) => s.find({ label: 3 }));
  // @ts-expect-error a wrong name
  link.script((s) => s.find({ title: "big" }));
  // @ts-expect-error a surplus name
  link.script((s) => s.find({ label: "big", title: "big" }));
  // @ts-expect-error to is missing
  link.script((s) => s.move({ id: "a" }));
  // @ts-expect-error label is missing
  link.script((s) => s.find());
});

test("results of several statements, in order", () => {
  expectTypeOf(link.script((s) => s.count())).resolves.toEqualTypeOf<number>();
  expectTypeOf(link.script((s) => s.note("a"))).resolves.toEqualTypeOf<undefined>();
  expectTypeOf(link.script((s) => [s.find("big"), s.count(), s.note("a")])).resolves.toEqualTypeOf<
    [string, number, undefined]
  >();
  expectTypeOf(link.script((s) => [s.move({ id: "a", to: 1 })])).resolves.toEqualTypeOf<
    [{ id: string; grams: number }]
  >();
  expectTypeOf(link.script((s) => ["a", "b"].map((label) => s.find(label)))).resolves.toEqualTypeOf<string[]>();
  expectTypeOf(link.script((s) => s.place({ id: "a", at: new Spot(1, 2) }))).resolves.toEqualTypeOf<Spot>();
});

test("what is no script", () => {
  // @ts-expect-error a value is no call
  link.script(() => 5);
  // @ts-expect-error nor in a list
  link.script((s) => [s.count(), 5]);
  // @ts-expect-error nothing at all
  link.script(() => undefined);
  // @ts-expect-error a promise
  link.script(async (s) => s.count());
});

test("methods with raw data stand alone", () => {
  // @ts-expect-error a body behind the call
  link.script((s) => s.store({ id: "a", size: 3 }));
  // @ts-expect-error a body of unknown length
  link.script((s) => s.feed({ id: "a" }));
  // @ts-expect-error a body behind the result
  link.script((s) => s.fetch({ id: "a" }));
  // @ts-expect-error no such method
  link.script((s) => s.remove("a"));
});

test("a peer's script has its reactions", () => {
  expectTypeOf(peer.script((s) => [s.confirm("?"), s.moved({ id: "a", to: 1 })])).resolves.toEqualTypeOf<
    [boolean, undefined]
  >();
  // @ts-expect-error a method of the service
  peer.script((s) => s.count());
  // @ts-expect-error a wrong type
  peer.script((s) => s.confirm(3));
});
