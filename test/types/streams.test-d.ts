/**
 * Streams of values: handlers that yield, and calls that are async iterables.
 */
import { defineService, type HandlersOf, type Link, method, type ValueStream } from "hbi";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";

const watch = defineService({
  name: "watch",
  version: "1.0.0",
  methods: {
    job: method({ params: { id: z.string() }, yields: z.strictObject({ step: z.int() }), result: z.string() }),
    bare: method({ params: {}, yields: z.string() }),
    plain: method({ params: {}, result: z.int() }),
  },
});
declare const link: Link<typeof watch>;

test("a call is a stream of what is yielded, with the result", () => {
  expectTypeOf(link.call.job({ id: "a" })).toEqualTypeOf<ValueStream<{ step: number }, string>>();
  expectTypeOf(link.call.bare().result).toEqualTypeOf<Promise<undefined>>();
  expectTypeOf(link.call.plain()).toEqualTypeOf<Promise<number>>();
  expectTypeOf(link.post.job).toEqualTypeOf<never>();
  expectTypeOf(link.try.job).toEqualTypeOf<never>();
});

test("a handler yields items and returns the result", () => {
  const plain = () => 1;
  const bare = async function* () {
    yield "a";
  };
  const handlers: HandlersOf<typeof watch, undefined> = {
    async *job({ id }) {
      yield { step: id.length };
      return "done";
    },
    bare,
    plain,
  };
  expectTypeOf(handlers.plain).returns.toExtend<number | PromiseLike<number>>();
  const wrong: HandlersOf<typeof watch, undefined> = {
    bare,
    plain,
    // @ts-expect-error a wrong item
    async *job() {
      yield { step: "a" };
      return "done";
    },
  };
  expectTypeOf(wrong).toExtend<object>();
});
