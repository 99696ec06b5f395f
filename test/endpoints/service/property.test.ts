/**
 * Properties of a link: whatever is called, given up, cut, drained and cut into pieces on the way, every call settles, gives its
 * own result or an error that says what happened, and a link that is open works.
 */
import fc from "fast-check";
import { type Body, HbiError, type PoCo } from "hbi";
import { ManualClock, quiet, type TestLink, testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { chunksOf, handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

type Operation =
  | { readonly kind: "add" | "hold" | "note" | "script" | "ask"; readonly n: number; readonly abortAfter?: number }
  | {
      readonly kind: "upload" | "store" | "download" | "both" | "several";
      readonly n: number;
      readonly bytes: number;
      readonly abortAfter?: number;
    }
  | { readonly kind: "release" | "wait" | "cut" | "drain" | "push" | "late"; readonly n: number };

const bytes = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 60_000, max: 200_000 }));
const n = fc.nat(1_000);
const abortAfter = fc.option(fc.nat(6), { nil: undefined, freq: 3 });
const operation = (world: "peace" | "trouble"): fc.Arbitrary<Operation> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constantFrom("add", "hold", "note", "script", "ask"), n, abortAfter }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("upload", "store", "download", "both", "several"),
        n,
        bytes,
        abortAfter,
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("release", "wait", "push"), n }) },
    ...(world === "peace"
      ? []
      : [{ weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("cut", "drain", "late"), n }) }]),
  ) as fc.Arbitrary<Operation>;

const CALM: ReadonlySet<string> = new Set(["cancelled"]);
const TROUBLED: ReadonlySet<string> = new Set(["cancelled", "unavailable", "aborted", "deadline_exceeded"]);

class World {
  readonly clock = new ManualClock();
  readonly work = new Work();
  readonly reactions = new Reactions();
  readonly settled: Promise<void>[] = [];
  readonly test: TestLink<Kinds, undefined>;
  readonly codes: ReadonlySet<string>;
  #holds = 0;

  constructor(test: TestLink<Kinds, undefined>, work: Work, codes: ReadonlySet<string>) {
    this.test = test;
    this.work = work;
    this.codes = codes;
  }

  async run(operation: Operation): Promise<void> {
    const { test, work } = this;
    switch (operation.kind) {
      case "release":
        work.releaseAll();
        return;
      case "wait":
        return quiet(operation.n % 7);
      case "cut":
        test.cut();
        return;
      case "drain":
        void test.peer.drain("property");
        return;
      case "push":
        this.#expect(test.peer.call.asked({ question: `${operation.n}` }), `${operation.n}?`);
        return;
      case "late":
        this.#expect(test.link.call.hold({ name: `late ${operation.n}` }, { timeoutMs: 1 }), `late ${operation.n}`);
        return;
      default:
        return this.#call(operation, operation.abortAfter);
    }
  }

  async #call(operation: Operation, abortAfter: number | undefined): Promise<void> {
    const abort = new AbortController();
    this.#expect(...this.#start(operation, abort.signal));
    if (abortAfter === undefined) return;
    await quiet(abortAfter);
    abort.abort();
  }

  /** The call, and what it must give. */
  #start(operation: Operation, signal: AbortSignal): readonly [call: Promise<unknown>, value: unknown] {
    const { link } = this.test;
    const { call } = link;
    const { n } = operation;
    const size = "bytes" in operation ? operation.bytes : 0;
    const fill = n % 256;
    const body = () => chunksOf(size, fill);
    switch (operation.kind) {
      case "add":
        return [call.add({ a: n, b: 1 }, { signal }), n + 1];
      case "hold":
        this.#holds += 1; // each is released by its own name
        return [call.hold({ name: `${this.#holds}` }, { signal }), `${this.#holds}`];
      case "note":
        return [call.note({ text: `${n}` }, { signal }), undefined];
      case "script":
        return [link.script((s) => s.add({ a: s.add({ a: n, b: 1 }), b: 1 }), { signal }), n + 2];
      case "ask":
        return [call.ask_back({ question: `${n}` }, { signal }), `${n}?!`];
      case "upload":
        return [call.upload({ size }, { body, signal }).then(({ sum }) => sum), size * fill];
      case "store":
        return [call.store({ size }, { body, signal }), undefined];
      case "several":
        return [call.several({ count: 1 }, { send: (co) => sendOne(co, fill), signal }), [3 * fill]];
      case "download":
        return [read(call.download({ size, fill }, { signal }), fill), size];
      case "both":
        return [read(call.both_ways({ size }, { body, signal }), fill), size];
      default:
        throw new Error(`${operation.kind} is no call`);
    }
  }

  #expect(call: Promise<unknown>, value: unknown): void {
    this.settled.push(
      call.then(
        (got) => expect(got).toEqual(value),
        (error: unknown) => {
          if (!(error instanceof HbiError) || !this.codes.has(error.code)) throw error;
        },
      ),
    );
  }
}

async function sendOne(co: PoCo, fill: number): Promise<void> {
  await co.sendObj("3");
  await co.sendData(new Uint8Array(3).fill(fill));
}

/** Reads the answer's raw data, or drops it, and gives how much there was. */
async function read(
  call: Promise<{ readonly result: { readonly size: number }; readonly body: Body }>,
  fill: number,
): Promise<number> {
  const { result, body } = await call;
  if (fill % 3 === 0) body.discard();
  else for (const byte of await body.bytes()) if (byte !== fill) throw new Error("bytes of somebody else");
  return result.size;
}

async function hold(world: "peace" | "trouble", operations: readonly Operation[], chunk: number): Promise<void> {
  const work = new Work();
  const clock = new ManualClock();
  const test = await testLink(kinds, handlersOf(work), {
    reactions: new Reactions().all,
    memory: { cut: (available) => Math.min(available, chunk) },
    host: { log: () => undefined, clock },
    link: { log: () => undefined, clock, reconnect: { initialDelayMs: 10, maxDelayMs: 20 } },
  });
  const run = new World(test, work, world === "peace" ? CALM : TROUBLED);
  for (const operation of operations) await run.run(operation);
  for (let turn = 0; turn < 20; turn++) {
    work.releaseAll();
    await clock.advance(20); // for a link that dials again
  }
  let isOver = false;
  const all = Promise.all(run.settled).then(() => {
    isOver = true;
  });
  for (let turn = 0; turn < 400 && !isOver; turn++) {
    work.releaseAll();
    await clock.advance(100);
  }
  await all;
  expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
  if (world === "peace") expect(test.connectionCount).toBe(1);
  await test.link.close();
  await quiet();
  expect(clock.timerCount).toBe(0);
}

const chunk = fc.constantFrom(7, 1_000, 70_000, Number.POSITIVE_INFINITY);

it.each(["peace", "trouble"] as const)(
  "in %s",
  async (world) => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation(world), { maxLength: 25 }), chunk, (operations, size) =>
        hold(
          world,
          operations,
          size < 1_000 && operations.some((it) => "bytes" in it && it.bytes > 1_000) ? 1_000 : size,
        ),
      ),
      { numRuns: Number(process.env["HBI_RUNS"] ?? 50) },
    );
  },
  600_000,
);
