/**
 * What every error of a call has: the method, which side raised it, and a stack that leads to the line that made or awaited the call.
 */
import { defineService, HbiError, type Link, method, type Peer } from "hbi";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "places",
  version: "1.0.0",
  methods: {
    "places.add": method({ params: { name: z.string() }, result: z.string(), idempotent: true }),
    refuse: method({ params: {}, result: z.string() }),
    fail: method({ params: {}, result: z.string() }),
    lie: method({ params: {}, result: z.string() }),
    hang: method({ params: {}, result: z.string() }),
    note: method({ params: { name: z.string() } }),
    store: method({ params: { size: z.int() }, body: ({ size }) => size }),
    load: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
  },
  reactions: {
    told: method({ params: { text: z.string() } }),
    asked: method({ params: {}, result: z.string() }),
  },
});
type Places = typeof service;

const never = new Promise<never>(() => undefined);
const handlers = () => ({
  "places.add": ({ name }: { name: string }) => name,
  refuse: (): string => {
    throw new HbiError("not_found", "no such place");
  },
  fail: (): string => {
    throw new Error("secret");
  },
  lie: () => 5 as never,
  hang: () => never,
  note: (): void => {
    throw new HbiError("aborted", "no notes today");
  },
  store: async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => void (await call.bytes()),
  load: ({ size }: { size: number }) => ({ result: size, body: new Uint8Array(size) }),
});
const reactions = {
  told: () => undefined,
  asked: (): string => {
    throw new HbiError("unavailable", "asleep");
  },
};

interface Expected {
  readonly message: string | RegExp;
  readonly origin: "local" | "peer";
  readonly method?: string;
}
interface Tested {
  readonly link: Link<Places>;
  readonly peer: Peer<Places, undefined>;
  readonly clock: ManualClock;
}
type Do = (test: Tested) => Promise<unknown>;

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1);
  throw new Error("the disk is broken");
}

/** Late: the error comes when the caller has left the line long ago. */
const ERRORS: readonly [name: string, run: Do, expected: Expected][] = [
  [
    "an argument that is refused here",
    ({ link }) => link.call["places.add"]({ name: 5 as never }),
    { message: "places.add: argument refused: name: expected string, got number", origin: "local" },
  ],
  [
    "an option",
    ({ link }) => link.call["places.add"]({ name: "a" }, { timeoutMs: -1 }),
    { message: /^places\.add: bad option: .*timeoutMs/, origin: "local" },
  ],
  [
    "a deadline",
    ({ link, clock }) => Promise.all([link.call.hang({}, { timeoutMs: 30_000 }), clock.advance(30_000)]),
    { message: "hang: the deadline has passed after 30,000 ms", origin: "local" },
  ],
  [
    "a signal that has aborted",
    ({ link }) => link.call.hang({}, { signal: AbortSignal.abort() }),
    { message: "hang: cancelled", origin: "local" },
  ],
  [
    "a signal that aborts",
    ({ link }) => {
      const abort = new AbortController();
      void quiet().then(() => abort.abort());
      return link.call.hang({}, { signal: abort.signal });
    },
    { message: "hang: cancelled", origin: "local" },
  ],
  [
    "a handler's own error, as it was written",
    ({ link }) => link.call.refuse(),
    { message: "no such place", origin: "peer", method: "refuse" },
  ],
  [
    "an unexpected error",
    ({ link }) => link.call.fail(),
    { message: /^fail: internal error: reference \w{8}$/, origin: "peer" },
  ],
  [
    "a result that its host refuses",
    ({ link }) => link.call.lie(),
    { message: "lie: internal error: expected string, got number", origin: "peer" },
  ],
  [
    "a body that is missing",
    ({ link }) => link.call.store({ size: 5 }, {} as never),
    { message: "store: bad option: a body is required: pass { body } as an option", origin: "local" },
  ],
  [
    "a body of another length",
    ({ link }) => link.call.store({ size: 5 }, { body: new Uint8Array(4) }),
    { message: "store: the raw data does not have the declared length: 4 bytes given, 5 declared", origin: "local" },
  ],
  [
    "a body whose source fails",
    ({ link }) => link.call.store({ size: 5 }, { body: failing() }),
    { message: "store: the body could not be read to its end", origin: "local" },
  ],
  [
    "a body that was read already",
    async ({ link }) => {
      const { body } = await link.call.load({ size: 10 });
      await body.bytes();
      return body.bytes();
    },
    { message: "load: not possible in this stage: the body has been read or discarded", origin: "local" },
  ],
  [
    "a body whose connection is lost",
    async ({ link }) => {
      const { body } = await link.call.load({ size: 1_000_000 });
      for await (const _ of body) void link.disconnect();
    },
    { message: /^load: the connection is closed/, origin: "local" },
  ],
  [
    "a post that is refused here",
    ({ link }) => link.post.note({ name: 5 as never }),
    { message: "note: argument refused: name: expected string, got number", origin: "local" },
  ],
  [
    "a post that is refused there",
    async ({ link }) => {
      const posted = await link.post.note({ name: "a" });
      return posted.waitCompleted();
    },
    { message: "no notes today", origin: "peer", method: "note" },
  ],
  [
    "a script that is refused here",
    ({ link }) => link.script((s) => [s.refuse(), s["places.add"]({ name: 5 as never })]),
    {
      message: "places.add: argument refused: name: expected string, got number",
      origin: "local",
      method: undefined as never,
    },
  ],
  [
    "a script that fails there",
    ({ link }) => link.script((s) => [s["places.add"]({ name: "a" }), s.fail()]),
    { message: /fail: internal error: reference \w{8}$/, origin: "peer", method: "places.add, fail" },
  ],
  ["a push", ({ peer }) => peer.call.asked(), { message: "asleep", origin: "peer", method: "asked" }],
  [
    "a push that is refused here",
    ({ peer }) => peer.post.told({ text: 5 as never }),
    { message: "told: argument refused: text: expected string, got number", origin: "local" },
  ],
  [
    "a push to a peer that has left",
    async ({ link, peer }) => {
      await link.disconnect();
      return peer.call.asked();
    },
    { message: /^asked: the connection is closed/, origin: "local" },
  ],
  [
    "a lost connection",
    ({ link }) => {
      void quiet().then(() => link.disconnect());
      return link.call.hang();
    },
    { message: /^hang: the connection is closed/, origin: "local" },
  ],
  [
    "a closed link",
    async ({ link }) => {
      await link.disconnect();
      return link.call.hang();
    },
    { message: "hang: the connection is closed: the link is closed", origin: "local" },
  ],
];

describe.each([
  ["a plain link", {}],
  [
    "interceptors and retries",
    { retries: 1, interceptors: [async (_: unknown, next: () => Promise<unknown>) => next()] },
  ],
])("%s", (_, link) => {
  it.each(ERRORS)("%s", async (_name, run, { message, origin, method: named }) => {
    const clock = new ManualClock();
    const quietly = { log: () => undefined };
    const test = await testLink(service, handlers, {
      reactions,
      host: quietly,
      link: { ...quietly, ...link, clock } as never,
    });
    async function theCallerOfIt(): Promise<unknown> {
      return await run({ link: test.link, peer: test.peer, clock });
    }
    const error = await theCallerOfIt().then(
      () => expect.fail("it has not failed"),
      (thrown: HbiError) => thrown,
    );
    expect(error).toBeInstanceOf(HbiError);
    if (typeof message === "string") expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
    expect(error.origin).toBe(origin);
    expect(error.method ?? error.message.split(": ")[0]).toBe(named ?? error.message.split(": ")[0]);
    expect(error.stack).toContain(error.message);
    expect(error.stack).toContain("call-errors.test.ts");
    expect(error.stack).toMatch(/theCallerOfIt|at async run|at run|\[as run\]/);
    test.cut(); // a handler may still run
  });
});
