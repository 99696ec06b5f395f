/**
 * Load: mixed calls on several links, as many as they answer, each answer verified. Everything that a budget of the service bounds is done
 * a little less often than that.
 */
import { HbiError, type Link, script } from "hbi";
import { connect } from "hbi/node";
import { Random } from "../simulation/random.ts";
import { Pace } from "./pace.ts";
import { countFilled, filled, LIMITS, type Soaked, soaked } from "./service.ts";

/** calls in flight on each link */
const WIDTH = 48;

const KINDS = {
  add: 900,
  post: 40,
  script: 25,
  push: 15,
  upload: 8,
  download: 8,
  exchange: 4,
  refused: 2,
  cancelled: 4,
};
type Kind = keyof typeof KINDS;

/** A link and what it was used for; a new connection is a new line. */
interface Line {
  readonly link: Link<Soaked>;
  posted: number;
  /** the service drops it now and then, and it dials again */
  readonly isDropped: boolean;
}

export class Load {
  readonly counts = new Map<string, number>();
  readonly #address: string;
  readonly #random = new Random(1);
  readonly #pushes = new Set<number>();
  readonly #refusals = new Pace(3);
  readonly #cancels = new Pace(20);
  readonly #changes = new Pace(2);
  #lines: Line[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #isRunning = false;
  #serial = 0;

  constructor(address: string) {
    this.#address = address;
  }

  async open(links: number): Promise<void> {
    for (let i = 0; i < links; i++) this.#lines.push(await this.#line(i === 0));
  }

  get conversations(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  get connections(): number {
    return this.#lines.length;
  }

  start(onWrong: (thrown: unknown) => void): void {
    this.#isRunning = true;
    this.#running = Promise.all(this.#lines.map((_, i) => this.#lineWork(i))).catch(onWrong);
  }

  /** Resolves when nothing is in flight. */
  async pause(): Promise<void> {
    this.#isRunning = false;
    await this.#running;
    await Promise.all(this.#lines.map(({ link }) => link.call.add({ a: 0, b: 0 }))); // dialed again, if it was dropped
  }

  async close(): Promise<void> {
    await this.pause();
    for (const line of this.#lines) await this.#leave(line);
  }

  async #line(isDropped: boolean): Promise<Line> {
    const reactions = {
      told: ({ n }: { readonly n: number }): void => {
        if (!this.#pushes.delete(n)) throw new Error("a push that nobody asked for");
        this.#count("told");
      },
      asked: ({ n }: { readonly n: number }): number => {
        this.#count("asked");
        return n + 1;
      },
    };
    const reconnect = isDropped ? { reconnect: { initialDelayMs: 5, maxDelayMs: 50 } } : {};
    const link = await connect(soaked, this.#address, reactions, {
      limits: LIMITS,
      log: () => undefined,
      ...reconnect,
    });
    return { link, posted: 0, isDropped };
  }

  async #leave({ link, posted, isDropped }: Line): Promise<void> {
    const landed = await link.call.noted();
    if (!isDropped && landed !== posted) throw new Error(`${posted} notes were posted, ${landed} have landed`);
    await link.close();
  }

  /** Workers on one line, until it is given up for a new one. */
  async #lineWork(i: number): Promise<void> {
    while (this.#isRunning) {
      const line = this.#lines[i];
      if (line === undefined) return;
      let isLeft = false;
      const work = async (): Promise<void> => {
        while (this.#isRunning && !isLeft) {
          await this.#one(line);
          if (!this.#changes.take()) continue;
          this.#count("connections");
          if (line.isDropped) await line.link.call.drop().catch(lost);
          else isLeft = true;
        }
      };
      await Promise.all(Array.from({ length: WIDTH }, work));
      if (!isLeft) continue;
      await this.#leave(line);
      this.#lines[i] = await this.#line(false);
    }
  }

  async #one(line: Line): Promise<void> {
    const kind = this.#random.weighted(KINDS);
    if (!line.isDropped) return this.#call(line, kind);
    try {
      await this.#call(line, kind === "refused" || kind === "post" ? "add" : kind);
    } catch (thrown) {
      lost(thrown);
      this.#count("lost");
    }
  }

  async #call(line: Line, kind: Kind): Promise<void> {
    const { call, post } = line.link;
    const random = this.#random;
    const a = ++this.#serial;
    const b = random.below(1_000_000);
    const size = random.chance(5) ? random.below(200_000) : random.below(8_000);
    switch (kind) {
      case "add":
        same(await call.add({ a, b }), a + b);
        break;
      case "post": {
        line.posted += 1;
        const posted = await post.note({ n: a });
        if (random.chance(30)) await posted.waitCompleted();
        break;
      }
      case "script": {
        const sums = await line.link.script((s) => [s.add({ a: s.add({ a, b }), b: 1 }), s.add({ a, b: 2 })]);
        same(sums[0], a + b + 1);
        same(sums[1], a + 2);
        break;
      }
      case "push":
        this.#pushes.add(a);
        same(await call.push({ n: a }).finally(() => line.isDropped && this.#pushes.delete(a)), a + 1);
        if (this.#pushes.has(a)) throw new Error("a push that did not come before the answer");
        break;
      case "upload":
        same(await call.upload({ size, fill: a }, { body: filled(size, a) }), size);
        break;
      case "download":
        same(await countFilled((await call.download({ size, fill: a })).body, a), size);
        break;
      case "exchange": {
        const { body } = await call.exchange({ size, fill: a }, { body: filled(size, a) });
        same(await countFilled(body, a + 1), size);
        break;
      }
      case "refused":
        if (!this.#refusals.take()) return;
        await failsBy("bad_argument", refused(line.link, a));
        break;
      case "cancelled":
        if (!this.#cancels.take()) return;
        await failsBy("cancelled", cancelled(line.link));
        break;
    }
    this.#count(kind);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function same(got: unknown, expected: unknown): void {
  if (got !== expected) throw new Error(`${got}, where ${expected} is right`);
}

/** @throws what is no loss of a connection */
function lost(thrown: unknown): void {
  const isLost = thrown instanceof HbiError && (thrown.code === "unavailable" || thrown.code === "aborted");
  if (!isLost) throw thrown;
}

/** @throws whatever else it fails by; Error when it does not */
async function failsBy(reason: string, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof HbiError && thrown.reason === reason) return;
    throw thrown;
  }
  throw new Error(`answered, where ${reason} is right`);
}

/** A script that the typed link would not send. */
function refused({ po }: Link<Soaked>, a: number): Promise<unknown> {
  return po.converse(
    async (co) => {
      await co.sendCode(script`add(${a}, "much")`);
      return co.recvObj();
    },
    { hasNoRawData: true, hasNoRawAnswer: true },
  );
}

async function cancelled({ call }: Link<Soaked>): Promise<unknown> {
  const abort = new AbortController();
  const held = call.hold({}, { signal: abort.signal });
  held.catch(() => undefined); // whoever waits for it is told
  await call.add({ a: 1, b: 1 });
  abort.abort();
  return held;
}
