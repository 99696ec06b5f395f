/**
 * Consumer: what honest programs do with a link, one thing after the other, and what they expect of each.
 */
import type { Clock, Link } from "hbi";
import type { Random } from "../random.ts";
import { sleep, sourceOf } from "../source.ts";
import { NEWER_COUNT, type Newer, OLDER_TEXT, type Version } from "./definitions.ts";
import type { Record } from "./record.ts";

export interface ConsumerOptions {
  readonly name: string;
  readonly version: Version;
  /** of its service */
  readonly serviceVersion: Version;
  readonly clock: Clock;
  readonly random: Random;
  readonly record: Record;
  /** so much shorter are all pauses */
  readonly haste: number;
}

const WEIGHTS = {
  search: 20,
  "search box": 6,
  pings: 5,
  "much that is refused": 8,
  upload: 10,
  "upload given up": 15,
  idle: 4,
} as const;

export class Consumer {
  readonly #link: Link<Newer>;
  readonly #options: ConsumerOptions;

  /** @param link what an older one has is a part of what a newer one has */
  constructor(link: Link<Newer>, options: ConsumerOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** Goes on until then. Never rejects. */
  async run(untilMs: number): Promise<void> {
    const { clock, random } = this.#options;
    while (clock.now() < untilMs) {
      await this.#do(random.weighted(WEIGHTS));
      await this.#pause(random.between(0, 400));
    }
  }

  async #do(what: keyof typeof WEIGHTS): Promise<void> {
    const { random } = this.#options;
    switch (what) {
      case "search":
        return this.#search("search", random.between(1, OLDER_TEXT));
      case "search box":
        return this.#type(random.pick([20, 100, 1_000]));
      case "pings":
        for (let i = random.between(32, 70); i > 0; i--) await this.#attempt("ping", ["ok"], true, () => this.#ping());
        return;
      case "much that is refused":
        return this.#beRefused(random.between(50, 80));
      case "upload":
        return this.#upload("upload", random.pick([10, 5_000, 300_000]), undefined);
      case "upload given up":
        return this.#upload("upload given up", random.pick([20_000, 300_000, 1_500_000]), random.between(0, 300));
      case "idle":
        this.#options.record.count("idle");
        return this.#pause(random.between(10_000, 200_000));
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#options.clock, ms / this.#options.haste, undefined);
  }

  #attempt<T>(what: string, expected: readonly string[], value: T, run: () => Promise<T>): Promise<void> {
    const { name, record } = this.#options;
    return record.attempt(name, what, expected, value, run);
  }

  async #ping(): Promise<boolean> {
    return (await this.#link.ping()) >= 0;
  }

  #search(what: string, length: number, signal?: AbortSignal): Promise<void> {
    const given = signal === undefined ? {} : { signal };
    const expected = signal === undefined ? ["ok"] : ["ok", "cancelled"];
    return this.#attempt(what, expected, length, () => this.#link.call.search({ text: "x".repeat(length) }, given));
  }

  /** Each letter gives up the search for what was there before. */
  async #type(letters: number): Promise<void> {
    const { random } = this.#options;
    const all: Promise<void>[] = [];
    let before: AbortController | undefined;
    for (let i = 0; i < letters; i++) {
      before?.abort();
      before = new AbortController();
      all.push(this.#search("letter", 1 + (i % OLDER_TEXT), before.signal));
      if (random.chance(80)) await this.#pause(random.between(1, 60));
    }
    await Promise.all([...all, this.#search("search", OLDER_TEXT)]);
  }

  /** What the other version does not know, or not any more: call after call, or at once, also without waiting for the answer. */
  async #beRefused(count: number): Promise<void> {
    const { random } = this.#options;
    const one = this.#refused();
    const atOnce = random.chance(50);
    const all: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const attempt = one();
      if (atOnce) all.push(attempt);
      else await attempt;
    }
    await Promise.all(all);
  }

  #refused(): () => Promise<void> {
    const { version, serviceVersion, random } = this.#options;
    const { call, post } = this.#link;
    if (version === "older") {
      const count = NEWER_COUNT + 1;
      const outcome = [serviceVersion === "newer" ? "invalid_argument" : "ok"];
      if (random.chance(30)) {
        const posted = async () => void (await (await post.order({ count })).waitCompleted());
        return () => this.#attempt("post of an order", outcome, undefined, posted);
      }
      return () => this.#attempt("order", outcome, count, () => call.order({ count }));
    }
    const text = "x".repeat(OLDER_TEXT + 1);
    const isOlder = serviceVersion === "older";
    return random.chance(50)
      ? () =>
          this.#attempt("long search", [isOlder ? "invalid_argument" : "ok"], text.length, () => call.search({ text }))
      : () => this.#attempt("suggest", [isOlder ? "unimplemented" : "ok"], text.length, () => call.suggest({ text }));
  }

  #upload(what: string, size: number, givenUpAfterMs: number | undefined): Promise<void> {
    const { clock, haste, random } = this.#options;
    const abort = new AbortController();
    const source = random.pick(["buffer", "chunks", "slow"]);
    const body = () => sourceOf(source, new Uint8Array(size), clock);
    const options = givenUpAfterMs === undefined ? { body } : { body, signal: abort.signal };
    const timer = clock.after((givenUpAfterMs ?? Number.POSITIVE_INFINITY) / haste, () => abort.abort());
    const expected = givenUpAfterMs === undefined ? ["ok"] : ["ok", "cancelled"];
    const over = this.#attempt(what, expected, size, () => this.#link.call.upload({ size }, options));
    return over.finally(() => timer.cancel());
  }
}
