/**
 * A service with one method of each kind, and handlers that a test can hold back.
 */
import { defineService, HbiError, method, type Peer, value } from "hbi";
import { z } from "zod";

export class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

export const point = value({
  params: { x: z.number(), y: z.number() },
  make: ({ x, y }) => new Point(x, y),
  is: (candidate) => candidate instanceof Point,
});

const size = z.int().min(0).max(10_000_000);

/** No two of them add up to more than a number is. */
const term = z.number().min(-1e300).max(1e300);

export const kinds = defineService({
  name: "kinds",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: term, b: term }, result: z.number(), idempotent: true }),
    echo: method({ params: { value: z.unknown() }, result: z.unknown() }),
    options: method({
      params: { first: z.string(), second: z.string().optional(), third: z.int().default(3) },
      result: z.array(z.unknown()),
    }),
    nothing: method({ params: {} }),
    note: method({ params: { text: z.string() } }),
    hold: method({ params: { name: z.string() }, result: z.string() }),
    hold_and_note: method({ params: { name: z.string() } }),
    upload: method({
      params: { size },
      body: ({ size }) => size,
      result: z.strictObject({ sum: z.int(), chunks: z.int() }),
    }),
    store: method({ params: { size }, body: ({ size }) => size }),
    download: method({
      params: { size, fill: z.int() },
      result: z.strictObject({ size, fill: z.int() }),
      resultBody: ({ size }) => size,
    }),
    both_ways: method({
      params: { size },
      body: ({ size }) => size,
      result: z.strictObject({ size }),
      resultBody: ({ size }) => size,
    }),
    several: method({ params: { count: z.int() }, body: "manual", result: z.array(z.int()) }),
    mirror: method({ params: { at: point.schema }, result: point.schema }),
    fail: method({ params: { how: z.string() }, result: z.string() }),
    "svc.ping": method({ params: { n: z.int() }, result: z.int() }),
    ask_back: method({ params: { question: z.string() }, result: z.string() }),
  },
  reactions: {
    told: method({ params: { text: z.string() } }),
    asked: method({ params: { question: z.string() }, result: z.string() }),
    given: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
  },
  values: { Point: point },
});

export type Kinds = typeof kinds;

/** Handlers that count what they are asked, and keep `hold` waiting until it is let go. */
export class Work {
  readonly noted: string[] = [];
  readonly aborted: string[] = [];
  readonly started: string[] = [];
  readonly #held = new Map<string, () => void>();
  #waiting: (() => void)[] = [];

  release(name: string): void {
    this.#held.get(name)?.();
    this.#held.delete(name);
  }

  releaseAll(): void {
    for (const name of [...this.#held.keys()]) this.release(name);
  }

  /** Resolves when this many held calls have begun. */
  async holding(count: number): Promise<void> {
    while (this.started.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  hold(name: string, signal: AbortSignal): Promise<void> {
    this.started.push(name);
    for (const wake of this.#waiting.splice(0)) wake();
    return new Promise((resolve) => {
      this.#held.set(name, resolve);
      signal.addEventListener("abort", () => {
        this.aborted.push(name);
        this.#held.delete(name);
        resolve();
      });
    });
  }
}

export const handlersOf = (work: Work) => (peer: Peer<Kinds, undefined>) => ({
  add: ({ a, b }: { a: number; b: number }) => a + b,
  echo: ({ value: given }: { value?: unknown }) => given ?? null,
  options: ({ first, second, third }: { first: string; second?: string | undefined; third: number }) => [
    first,
    second ?? null,
    third,
  ],
  nothing: () => undefined,
  note: ({ text }: { text: string }) => void work.noted.push(text),
  async hold({ name }: { name: string }, call: Call) {
    await work.hold(name, call.signal);
    return name;
  },
  async hold_and_note({ name }: { name: string }, call: Call) {
    await work.hold(name, call.signal);
    work.noted.push(name);
  },
  async upload(_: unknown, call: Call) {
    let sum = 0;
    let chunks = 0;
    for await (const chunk of call.body) {
      chunks += 1;
      for (const byte of chunk) sum += byte;
    }
    return { sum, chunks };
  },
  async store(_: unknown, call: Call) {
    work.noted.push(`stored ${(await call.bytes()).length}`);
  },
  download: ({ size: bytes, fill }: { size: number; fill: number }) => ({
    result: { size: bytes, fill },
    body: chunksOf(bytes, fill),
  }),
  async both_ways({ size: bytes }: { size: number }, call: Call) {
    return { result: { size: bytes }, body: await call.bytes() };
  },
  async several({ count }: { count: number }, call: Call) {
    const sums: number[] = [];
    for (let i = 0; i < count; i++) {
      const length = (await (call.co as import("hbi").HoCo).recvObj(z.int().max(100_000))) as number;
      const data = new Uint8Array(length);
      await call.co.recvData(data);
      sums.push(data.reduce((sum, byte) => sum + byte, 0));
    }
    return sums;
  },
  mirror: ({ at }: { at: Point }) => new Point(at.y, at.x),
  fail({ how }: { how: string }): string {
    if (how === "hbi") throw new HbiError("not_found", "no such thing", { how });
    if (how === "result") return 7 as never;
    throw new Error(`secret of ${how}`);
  },
  "svc.ping": ({ n }: { n: number }) => n,
  async ask_back({ question }: { question: string }) {
    await peer.post.told({ text: question });
    return `${await peer.call.asked({ question })}!`;
  },
});

type Call = import("hbi").ServiceCall<unknown, unknown>;

export function* chunksOf(bytes: number, fill: number, chunkBytes = 10_000): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= chunkBytes) yield new Uint8Array(Math.min(left, chunkBytes)).fill(fill);
}

export class Reactions {
  readonly heard: string[] = [];
  readonly told = ({ text }: { text: string }): void => void this.heard.push(text);
  readonly asked = ({ question }: { question: string }): string => `${question}?`;
  readonly given = async (_: unknown, call: Call): Promise<number> => (await call.bytes()).length;
  /** as plain functions of its own */
  get all() {
    const { told, asked, given } = this;
    return { told, asked, given };
  }
}
