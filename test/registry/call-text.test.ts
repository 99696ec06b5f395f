/**
 * A typed call before it is sent: what its definition cannot vouch for is refused here, and nothing crosses.
 */
import { defineService, method } from "hbi";
import { testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "s",
  version: "1.0.0",
  methods: {
    take: method({ params: { n: z.number() }, body: ({ n }) => n }),
    add: method({ params: { a: z.int(), b: z.int().optional() }, result: z.int() }),
  },
});

it.each([0.5, -1])("a call whose raw data would be %d bytes long is refused, and not sent", async (n) => {
  let isCalled = false;
  await using test = await testLink(service, () => ({
    take: () => {
      isCalled = true;
    },
    add: ({ a, b = 0 }) => a + b,
  }));
  await expect(test.link.call.take({ n }, { body: new Uint8Array(1) })).rejects.toMatchObject({
    reason: "bad_argument",
    message: "argument refused: take: the length of its raw data is unknown",
  });
  expect(await test.link.call.add({ a: 1 })).toBe(1);
  expect(isCalled).toBe(false);
});

it("a call of a script lacks no parameter that is required, though others of its arguments are still to come", async () => {
  let calls = 0;
  await using test = await testLink(service, () => ({
    take: () => undefined,
    add: ({ a, b = 0 }) => {
      calls += 1;
      return a + b;
    },
  }));
  expect(await test.link.script((s) => s.add({ a: s.add({ a: 1, b: 2 }) }))).toBe(3);
  await expect(test.link.script((s) => s.add({ b: s.add({ a: 1 }) } as never))).rejects.toMatchObject({
    reason: "bad_argument",
    message: "add: argument refused: a: missing, expected number",
  });
  expect(calls).toBe(2); // the first script's: of the second nothing was sent
});
