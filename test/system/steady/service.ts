/**
 * The service of the slow lines: both sides offer the same methods, so that whatever is called up can be called down. All content
 * follows from its id, and is compared byte by byte where it arrives.
 */
import { Readable } from "node:stream";
import { defineService, type Link, method, type ServiceCall } from "hbi";
import { z } from "zod";
import { Content, chunksOf, readExactly } from "../chaos/content.ts";
import { Random } from "../simulation/random.ts";

const id = z.string().max(60);
const size = z.int().min(0).max(64_000_000);
const text = z.string().max(250_000);
const data = { id, size };
const body = ({ size }: { size: number }): number => size;
/** How raw data is given. */
const source = z.enum(["buffer", "chunks", "stream"]);
export type Source = z.output<typeof source>;
/** The application reads at this pace; 0: as fast as it comes. */
const pace = z.int().min(0);

const methods = {
  twice: method({ params: { n: z.int() }, result: z.int() }),
  /** Text with the call. */
  take: method({ params: { id, text }, result: z.int() }),
  /** Text as the answer. */
  give: method({ params: data, result: z.string() }),
  /** Text that nobody answers. */
  tell: method({ params: { id, text } }),
  put: method({ params: { ...data, pace }, body, result: z.string() }),
  /** Raw data that nobody answers. */
  store: method({ params: data, body }),
  get: method({ params: { ...data, source }, result: z.strictObject(data), resultBody: body }),
};

export const steady = defineService({ name: "steady", version: "1.0.0", methods, reactions: methods });
export type Steady = typeof steady;

/** Either side, as far as it calls the other. */
export type Caller = Pick<Link<Steady>, "call" | "post" | "script">;

export const textOf = (id: string, size: number): string =>
  new Content(id)
    .next(Math.ceil(size * 0.75))
    .toString("base64")
    .slice(0, size);

export function bodyOf(id: string, size: number, source: Source) {
  if (source === "buffer") return new Content(id).next(size);
  const chunks = chunksOf(id, size, new Random(size));
  return source === "chunks" ? chunks : Readable.from(chunks);
}

/** Where calls land: one of each side. */
export class Station {
  /** calls whose content was whole, by method */
  readonly whole = new Map<string, number>();
  readonly damaged: string[] = [];
  /** answers that their handlers have given */
  answered = 0;
  /** handlers that give text wait until so many of them are at work */
  together = 0;
  #givers = 0;
  #waiting: (() => void)[] = [];

  countOf(name: string): number {
    return this.whole.get(name) ?? 0;
  }

  /** Resolves when so many calls of the method have landed whole. */
  async received(name: string, count: number): Promise<void> {
    while (this.countOf(name) < count) await this.changed();
  }

  async hasAnswered(count: number): Promise<void> {
    while (this.answered < count) await this.changed();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  readonly handlers = {
    twice: ({ n }: { n: number }) => this.#answer("twice", n * 2),
    take: (given: { id: string; text: string }) => this.#take("take", given),
    give: async ({ id, size }: { id: string; size: number }) => {
      this.#givers += 1;
      this.#wake();
      while (this.#givers < this.together) await this.changed();
      return this.#answer("give", textOf(id, size));
    },
    tell: (given: { id: string; text: string }) => void this.#take("tell", given),
    put: async ({ id, size, pace }: { id: string; size: number; pace: number }, call: ServiceCall<unknown, unknown>) =>
      this.#answer("put", await readExactly(id, size, paced(call.body, pace))),
    store: async ({ id, size }: { id: string; size: number }, call: ServiceCall<unknown, unknown>) => {
      await readExactly(id, size, call.body);
      this.#landed("store");
    },
    get: ({ id, size, source }: { id: string; size: number; source: Source }) =>
      this.#answer("get", { result: { id, size }, body: bodyOf(id, size, source) }),
  };

  #take(name: string, { id, text }: { id: string; text: string }): number {
    if (text === textOf(id, text.length)) this.#landed(name);
    else this.damaged.push(`${name} ${id}`);
    return text.length;
  }

  #answer<T>(name: string, result: T): T {
    this.answered += 1;
    this.#landed(name);
    return result;
  }

  #landed(name: string): void {
    this.whole.set(name, this.countOf(name) + 1);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** An application that takes no more than so many bytes a second. */
export async function* paced(body: AsyncIterable<Uint8Array>, bytesPerSecond: number): AsyncGenerator<Uint8Array> {
  const startMs = performance.now();
  let bytes = 0;
  for await (const chunk of body) {
    yield chunk;
    bytes += chunk.length;
    if (bytesPerSecond === 0) continue;
    const aheadMs = (bytes * 1_000) / bytesPerSecond - (performance.now() - startMs);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs)); // its pace
  }
}
