/**
 * Load: the calls of one client process, by chance of a seed, each written down before it is made and when it is settled. A handful of
 * workers for each link make as many as they are granted, so something of every kind is in flight when a peer is killed.
 */
import { HbiError, type Link } from "hbi";
import { Random } from "../simulation/random.ts";
import { checksum, chunksOf, Damage, readExactly } from "./content.ts";
import type { Journal } from "./journal.ts";
import { answered, type Chaos, PATIENCE_MS, part, told } from "./service.ts";

const WORKERS = 4;
const PAD = "x".repeat(3_000);
const options = { timeoutMs: PATIENCE_MS };

const KINDS = {
  record: 6,
  put: 4,
  note: 3,
  notice: 3,
  script: 4,
  upload: 3,
  store: 2,
  download: 3,
  exchange: 3,
  push: 4,
  ask: 3,
  cancelled: 2,
  late: 1,
};
export type Kind = keyof typeof KINDS | "hold";

export class Load {
  readonly #links: readonly Link<Chaos>[];
  readonly #journal: Journal;
  readonly #name: string;
  readonly #seed: number;
  readonly #maxBytes: number;
  readonly #heard = new Map<string, number>();
  readonly #underWay = new Set<Promise<unknown>>();
  #count = 0;
  #sizes: Random;

  constructor(links: readonly Link<Chaos>[], journal: Journal, name: string, seed: number, maxBytes: number) {
    this.#links = links;
    this.#journal = journal;
    this.#name = name;
    this.#seed = seed;
    this.#maxBytes = maxBytes;
    this.#sizes = new Random(seed, 0);
  }

  /** So many more calls for each worker. */
  grant(calls: number): void {
    for (const link of this.#links) {
      for (let i = 0; i < WORKERS; i++) this.#run(this.#work(link, calls, new Random(this.#seed, ++this.#count)));
    }
  }

  /** One call, in the middle of which something is going to happen. */
  trap(kind: Kind, id: string, link: number, size: number): void {
    const chosen = this.#links[link % this.#links.length];
    if (chosen !== undefined) this.#run(this.#call(chosen, kind, id, `${id}${PAD}`, size, new Random(size)));
  }

  /** Calls on each link until one is answered. */
  async probe(): Promise<void> {
    const isAnswered = (link: Link<Chaos>) => this.#call(link, "record", this.#nextId(), "", 0, this.#sizes);
    const until = async (link: Link<Chaos>): Promise<void> => {
      while (!(await isAnswered(link))) if (link.state === "closed") throw new Error("the link is closed");
    };
    await Promise.all(this.#links.map(until));
  }

  /** Calls with a deadline that passes while nobody answers. */
  async poke(): Promise<void> {
    const poke = (link: Link<Chaos>) =>
      this.#attempt(this.#nextId(), "record", (id) => link.call.record({ id, pad: "" }, { timeoutMs: 200 }));
    await Promise.all(this.#links.map(poke));
  }

  /** Resolves when everything is settled. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  readonly reactions = {
    told: ({ id, n }: { readonly id: string; readonly n: number }): void => {
      this.#journal.write("begin", told(id, n));
      const expected = this.#heard.get(id);
      if (expected !== n) this.#journal.write("bad", told(id, n), `push ${expected} was expected`);
      this.#heard.set(id, n + 1);
      this.#journal.write("land", told(id, n));
    },
    asked: async (
      { id, size }: { readonly id: string; readonly size: number },
      call: { readonly body: AsyncIterable<Uint8Array> },
    ): Promise<string> => {
      this.#journal.write("begin", id);
      try {
        const sum = await readExactly(id, size, call.body);
        this.#journal.write("land", id);
        return sum;
      } catch (thrown) {
        if (!(thrown instanceof HbiError)) this.#journal.write("bad", id, String(thrown));
        throw thrown;
      }
    },
    poked: (): void => undefined,
  };

  #run(work: Promise<unknown>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  async #work(link: Link<Chaos>, calls: number, random: Random): Promise<void> {
    for (let i = 0; i < calls; i++) {
      const size = random.chance(20) ? random.below(20) : random.below(this.#maxBytes);
      const pad = PAD.slice(0, random.below(300));
      await this.#call(link, random.weighted(KINDS), this.#nextId(), pad, size, random);
    }
  }

  #nextId(): string {
    return `${this.#name}:${++this.#count};`;
  }

  #call(link: Link<Chaos>, kind: Kind, id: string, pad: string, size: number, random: Random): Promise<boolean> {
    const body = () => chunksOf(id, size, random);
    switch (kind) {
      case "record":
      case "put":
        return this.#attempt(id, kind, async () => this.#same(id, await link.call[kind]({ id, pad }, options), pad));
      case "note":
        return this.#attempt(id, kind, async () => (await link.post.note({ id, pad }, options)).waitCompleted());
      case "notice":
        return this.#attempt(id, kind, () => link.post.note({ id, pad }, options), "sent");
      case "script":
        return this.#script(link, id, pad);
      case "upload":
        return this.#attempt(id, kind, async () =>
          this.#same(id, await link.call.upload({ id, size }, { body, ...options }), checksum(id, size)),
        );
      case "store": {
        const written = () => {
          this.#journal.write("call", id, kind);
          return body();
        };
        return this.#settle([id], () => link.call.store({ id, size }, { body: written, ...options }), "ack");
      }
      case "download":
        return this.#attempt(id, kind, async () => {
          const { body } = await link.call.download({ id, size }, options);
          await readExactly(answered(id), size, body);
        });
      case "exchange":
        return this.#attempt(id, kind, async () => {
          const answer = await link.call.exchange({ id, size }, { body, ...options });
          await readExactly(answered(id), size, answer.body);
        });
      case "push":
        return this.#push(link, id, pad, 1 + (size % 5));
      case "ask":
        return this.#attempt(id, kind, () => link.call.ask({ id, size }, options));
      case "hold":
        return this.#attempt(id, kind, async () => this.#same(id, await link.call.hold({ id }, options), id));
      case "cancelled":
        return this.#cancelled(link, id);
      case "late":
        return this.#attempt(id, kind, () => link.call.hold({ id }, { timeoutMs: 30 }));
    }
  }

  #same(id: string, got: string, expected: string): void {
    if (got !== expected) this.#journal.write("bad", id, "an answer to somebody else");
  }

  /** Three calls, the second of which needs the first. */
  #script(link: Link<Chaos>, id: string, pad: string): Promise<boolean> {
    const ids = [0, 1, 2].map((n) => part(id, n));
    const [first = "", second = "", third = ""] = ids;
    for (const each of ids) this.#journal.write("call", each, "script");
    const script = () =>
      link.script(
        (s) => [s.record({ id: second, pad: s.record({ id: first, pad }) }), s.note({ id: third, pad: "" })],
        options,
      );
    return this.#settle(ids, async () => this.#same(id, (await script())[0], pad), "ack");
  }

  #push(link: Link<Chaos>, id: string, pad: string, count: number): Promise<boolean> {
    this.#heard.set(id, 0);
    return this.#attempt(id, "push", async () => {
      await link.call.push({ id, pad, count }, options);
      if (this.#heard.get(id) !== count) this.#journal.write("bad", id, "not all pushes came before the answer");
      this.#heard.delete(id);
    });
  }

  /** Given up when another call is settled; at the service after a second at the most, which may be deaf by then. */
  async #cancelled(link: Link<Chaos>, id: string): Promise<boolean> {
    const abort = new AbortController();
    const held = this.#attempt(id, "cancelled", () =>
      link.call.hold({ id }, { timeoutMs: 1_000, signal: abort.signal }),
    );
    await this.#call(link, "record", this.#nextId(), "", 0, this.#sizes);
    abort.abort();
    return held;
  }

  #attempt(id: string, kind: Kind, work: (id: string) => Promise<unknown>, end: "ack" | "sent" = "ack") {
    this.#journal.write("call", id, kind);
    return this.#settle([id], () => work(id), end);
  }

  async #settle(ids: readonly string[], work: () => Promise<unknown>, end: "ack" | "sent"): Promise<boolean> {
    try {
      await work();
      for (const id of ids) this.#journal.write(end, id);
      return true;
    } catch (thrown) {
      const words = thrown instanceof HbiError ? [thrown.code, String(thrown.mayHaveLanded), thrown.message] : [];
      for (const id of ids) this.#journal.write("fail", id, ...words);
      if (thrown instanceof Damage || words.length === 0) this.#journal.write("bad", ids[0] ?? "", String(thrown));
      return false;
    }
  }
}
