/**
 * Calls of one side begin at the other in the order in which they were made, whatever the size of their bodies and however these are given:
 * `put` then `commit` is what it says. On both sides at once, and across the loss of a connection, with calls made while there is none. (What
 * is on its way when a service says farewell lands there, beside what goes to the next connection: two connections have no order.)
 */
import fc from "fast-check";
import { type BodyGiven, defineService, method, type ServiceCall } from "hbi";
import { ManualClock, quiet, type TestLink, testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";

const id = z.int();
const size = z.int().min(0);
const METHODS = {
  put: method({ params: { id, size }, body: ({ size }) => size, result: size }),
  store: method({ params: { id, size }, body: ({ size }) => size }),
  commit: method({ params: { id }, result: id }),
  note: method({ params: { id, text: z.string() } }),
};
const ordered = defineService({ name: "ordered", version: "1.0.0", methods: METHODS, reactions: METHODS });
type Ordered = typeof ordered;

interface Data {
  readonly id: number;
  readonly size: number;
}
type Calling = ServiceCall<unknown, unknown>;

const handlersOf = (began: number[]) => ({
  put: async (data: Data, call: Calling) => {
    began.push(data.id);
    return (await call.bytes()).length;
  },
  store: async (data: Data, call: Calling) => {
    began.push(data.id);
    for await (const _ of call.body);
  },
  commit: (given: { id: number }) => {
    began.push(given.id);
    return given.id;
  },
  note: (given: { id: number }) => void began.push(given.id),
});

const GIVEN: Readonly<Record<string, (bytes: number) => BodyGiven>> = {
  "a buffer": (bytes) => new Uint8Array(bytes),
  "a blob": (bytes) => new Blob([new Uint8Array(bytes)]),
  chunks: (bytes) => () => chunks(bytes),
  "a stream": (bytes) => () => stream(bytes),
};

function* chunks(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= 100_000) yield new Uint8Array(Math.min(left, 100_000));
}

async function* stream(bytes: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes);
}

interface Op {
  readonly side: "link" | "peer";
  readonly how: "call" | "post";
  readonly what: "put" | "store" | "commit" | "note";
  readonly size: number;
  readonly given: keyof typeof GIVEN;
}

/** What makes it known that a call is done; posts are known by the calls behind them. */
function make(
  { link, peer }: TestLink<Ordered, undefined>,
  { side, how, what, size: bytes, given }: Op,
  number: number,
) {
  const calls = (side === "link" ? link : peer)[how];
  const body = bytes === 0 ? new Uint8Array(0) : (GIVEN[given]?.(bytes) ?? new Uint8Array(bytes));
  if (what === "put") return calls.put({ id: number, size: bytes }, { body });
  if (what === "store") return calls.store({ id: number, size: bytes }, { body });
  if (what === "commit") return calls.commit({ id: number });
  return calls.note({ id: number, text: "x".repeat(Math.min(bytes, 10_000)) });
}

async function connected(began: Record<Op["side"], number[]>, cutBytes: number) {
  const clock = new ManualClock();
  const quietly = { log: () => undefined, clock };
  return {
    clock,
    test: await testLink(ordered, () => handlersOf(began.link), {
      reactions: handlersOf(began.peer),
      host: quietly,
      link: { ...quietly, reconnect: { initialDelayMs: 100, maxDelayMs: 1_000, jitter: 0 } },
      memory: { cut: (available) => (cutBytes === 0 ? available : 1 + ((available * 7919) % cutBytes)) },
    }),
  };
}

async function settled(promises: readonly Promise<unknown>[], clock: ManualClock): Promise<boolean[]> {
  let isDone = false;
  const all = Promise.allSettled(promises).finally(() => {
    isDone = true;
  });
  for (let i = 0; i < 20_000 && !isDone; i++) await quiet(5);
  if (!isDone) await clock.advance(60_000);
  return (await all).map(({ status }) => status === "fulfilled");
}

it.each([1_000, 900_000, 1_200_000])("put %i bytes, then commit", async (bytes) => {
  for (const how of ["call", "post"] as const) {
    for (const given of Object.keys(GIVEN)) {
      for (const side of ["link", "peer"] as const) {
        const began = { link: [], peer: [] };
        const { test, clock } = await connected(began, 0);
        const put = make(test, { side, how, what: "put", size: bytes, given }, 1);
        const done = [put, make(test, { side, how: "call", what: "commit", size: 0, given }, 2)];
        expect(await settled(done, clock)).toEqual([true, true]);
        expect([how, given, side, began[side]]).toEqual([how, given, side, [1, 2]]);
        await test.link.disconnect();
      }
    }
  }
});

it.each([true, false])("a blob that cannot be read holds the others up for a second; lanes: %s", async (lanes) => {
  const began: number[] = [];
  const clock = new ManualClock();
  const quietly = { log: () => undefined, clock, lanes };
  const test = await testLink(ordered, () => handlersOf(began), {
    reactions: handlersOf([]),
    host: quietly,
    link: quietly,
  });
  const stuck = Object.assign(new Blob([new Uint8Array(100_000)]), { stream: () => new ReadableStream() });
  const abort = new AbortController();
  const put = test.link.call.put({ id: 1, size: stuck.size }, { body: stuck, signal: abort.signal });
  const commits = [test.link.call.commit({ id: 2 })];
  await quiet();
  await clock.advance(999);
  expect(began).toEqual([]);
  await clock.advance(1);
  expect(await Promise.all(commits)).toEqual([2]);
  abort.abort();
  await expect(put).rejects.toMatchObject({ code: "cancelled" });
  const again = new AbortController();
  const given = test.link.call.put({ id: 3, size: stuck.size }, { body: stuck, signal: again.signal });
  commits.push(test.link.call.commit({ id: 4 }));
  await quiet();
  again.abort(); // nothing waits any more
  await expect(given).rejects.toMatchObject({ code: "cancelled" });
  expect(await Promise.all(commits)).toEqual([2, 4]);
  await test.link.disconnect();
});

const op = fc.record<Op>({
  side: fc.constantFrom("link", "peer"),
  how: fc.constantFrom("call", "post"),
  what: fc.constantFrom("put", "store", "commit", "note"),
  size: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(70_000), fc.nat(300_000), fc.constantFrom(900_000, 1_200_000)),
  given: fc.constantFrom(...Object.keys(GIVEN)),
});
/** Found by this property. */
const FOUND: Op[] = [
  { side: "link", how: "call", what: "put", size: 900_000, given: "a buffer" },
  { side: "peer", how: "call", what: "put", size: 1, given: "chunks" },
  { side: "link", how: "call", what: "put", size: 0, given: "a buffer" },
  { side: "link", how: "call", what: "put", size: 0, given: "a buffer" },
];
const cutBytes = fc.constantFrom(0, 1_000, 100_000);
const runs = { numRuns: Number(process.env["HBI_RUNS"] ?? 25) };

it("calls and posts of both sides at once, in peace", { timeout: 120_000 }, async () => {
  const ops = fc.array(op, { minLength: 2, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(ops, cutBytes, async (made, bytes) => {
      const began: Record<Op["side"], number[]> = { link: [], peer: [] };
      const { test, clock } = await connected(began, bytes);
      const last = (["link", "peer"] as const).map(
        (side): Op => ({ side, how: "call", what: "commit", size: 0, given: "chunks" }),
      );
      const all = [...made, ...last];
      const done = all.map((each, number) => make(test, each, number));
      expect(await settled(done, clock)).toEqual(all.map(() => true));
      for (const side of ["link", "peer"] as const) {
        expect(began[side]).toEqual(all.flatMap((each, number) => (each.side === side ? [number] : [])));
      }
      await test.link.disconnect();
    }),
    { ...runs, examples: [[FOUND, 0]] },
  );
});

type Event = Op | "cut" | "wait";

/** A page reads blobs in real time, which its clock does not wait for. */
const isPage = "document" in globalThis;

it.skipIf(isPage)("across losses, and while there is no connection", { timeout: 120_000 }, async () => {
  const event = fc.oneof(
    { weight: 8, arbitrary: op.map((each): Event => ({ ...each, side: "link" })) },
    { weight: 1, arbitrary: fc.constantFrom<Event>("cut", "wait", "wait") },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), cutBytes, async (events, bytes) => {
      const began: Record<Op["side"], number[]> = { link: [], peer: [] };
      const { test, clock } = await connected(began, bytes);
      const done: Promise<unknown>[] = [];
      for (const each of events) {
        if (each === "cut") test.cut();
        else if (each === "wait") await clock.advance(200);
        else {
          const made = make(test, each, done.length);
          made.catch(() => undefined);
          done.push(made);
        }
      }
      await clock.advance(2_000);
      done.push(test.link.call.commit({ id: done.length })); // behind all of them
      const succeeded = await settled(done, clock);
      expect(succeeded.at(-1)).toBe(true);
      expect(began.link).toEqual([...new Set(began.link)].sort((a, b) => a - b)); // each at most once, in order
      for (const [number, each] of events.filter((made) => typeof made === "object").entries()) {
        if (each.how === "call" && succeeded[number] === true) expect(began.link).toContain(number);
      }
      await test.link.disconnect();
    }),
    runs,
  );
});
