/**
 * operations: what two programs do with their conversations, in any order and often wrongly. Every promise settles, with a value
 * or an HbiError; nothing is called that is not declared; nothing is left.
 */
import fc from "fast-check";
import { z } from "zod";
import {
  Connection,
  type CoOptions,
  HbiError,
  HostingEnv,
  memoryTransportPair,
  method,
  type PoCo,
} from "../../src/index.ts";
import { Drawing } from "../engine/drawing.ts";
import { checkError } from "../engine/guards.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";

const n = z.int().min(0).max(100_000);
const MOST_OPERATIONS = 60;
const MOST_STEPS = 20_000;

export const operations: Target = {
  name: "operations",
  about: "operations of conversations of both sides, in any order: every promise settles and nothing is left",
  words: [],
  baseMs: 1_000,
  share: 4,
  inputs: fc.uint8Array({ minLength: 4, maxLength: 160 }),
  async run(input) {
    const world = new World(new Drawing(input));
    await world.run();
  },
};

type Operation = (world: World, drawing: Drawing) => void | Promise<void>;

/** @param chunk how many bytes travel at a time */
type Use = (co: PoCo, drawing: Drawing, chunk: number) => Promise<unknown>;

const SENDS: readonly [Use, ...Use[]] = [
  (co, drawing) => co.sendCode(drawing.pick(CODES)),
  (co, drawing) => co.sendCode(drawing.pick(CODES)),
  (co, drawing) => co.sendCode(drawing.pick(CODES)),
  (co, drawing) => co.sendObj(drawing.pick(["1", '"x"', "[", "f(1)", ""])),
  (co, drawing, chunk) =>
    co.sendData(new Uint8Array(Math.min(drawing.pick([0, 1, 3, 40, 3_000, 70_000]), 300 * chunk))),
  (co) => co.sendData([new Uint8Array(2), new Uint8Array(1)]),
  (co) => co.sendData(failing()),
  (co) => co.finishSend(),
  (co) => co.close(),
];

const RECEIVES: readonly [Use, ...Use[]] = [
  (co) => co.recvObj(n),
  (co) => co.recvObj(z.string()),
  (co, drawing) => co.recvObj(undefined, { timeoutMs: drawing.pick([1, 50]) }),
  (co) => co.getObj("f(2)", n),
  (co, drawing) => co.recvData(new Uint8Array(drawing.pick([0, 1, 40, 3_000]))),
  (co) => co.startRecv(),
  (co) => co.waitCompleted(),
  async (co) => co.discardData(),
];

const OPERATIONS: readonly [Operation, ...Operation[]] = [
  (world, drawing) => world.begin(drawing),
  (world, drawing) => world.begin(drawing),
  (world, drawing) => world.use(drawing, drawing.pick(SENDS), true),
  (world, drawing) => world.use(drawing, drawing.pick(SENDS), false), // who sends need not look back
  (world, drawing) => world.use(drawing, drawing.pick(RECEIVES), true),
  (world) => world.release(),
  (world, drawing) => world.abort(drawing.below(8)),
  (world, drawing) => world.end(drawing),
  (world, drawing) => world.pass(drawing.pick([0, 1, 5, 40])),
  (world, drawing) => world.pass(drawing.pick([0, 1, 5, 40])),
];

const CODES = [
  "f(1)",
  "f(-1)",
  "note(1)",
  "held(3)",
  "take(3)",
  "take(40)",
  "give(40)",
  "give(3000)",
  "back(2)",
  "fails(1)",
  "ask(1)",
  "manual(3)",
  "x(",
  "",
] as const;

/** Made once: their schemas cost more than a run. */
const METHODS = {
  f: method({ params: { n }, result: n }),
  note: method({ params: { n } }),
  held: method({ params: { n }, result: n }),
  take: method({ params: { n }, body: ({ n }) => n, result: n }),
  give: method({ params: { n } }),
  back: method({ params: { n } }),
  fails: method({ params: { n } }),
  ask: method({ params: { n }, result: n }),
  manual: method({ params: { n }, body: "manual" }),
};

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(2);
  throw new HbiError("aborted", "the source fails");
}

class World {
  readonly #time = new StillTime();
  readonly #drawing: Drawing;
  readonly #ends: readonly [Connection, Connection];
  readonly #chunk: number;
  readonly #cos: PoCo[] = [];
  readonly #aborts: AbortController[] = [];
  #gates: (() => void)[] = [];
  #started = 0;
  #settled = 0;
  #wrong: unknown;

  constructor(drawing: Drawing) {
    this.#drawing = drawing;
    const chunk = drawing.pick<number>([Number.POSITIVE_INFINITY, 1, 7, 1_000]);
    this.#chunk = chunk;
    const { clock } = this.#time;
    const [near, far] = memoryTransportPair({ clock, cut: (available) => Math.min(available, chunk) });
    const limits = {
      maxInFlight: drawing.pick([1, 2, 100]),
      maxPostedInFlight: drawing.pick([1, 2, 100]),
      maxBufferedBytes: drawing.pick([100, 5_000, 100_000]),
      sendHighWaterBytes: drawing.pick([100, 5_000, 1_000_000]),
    };
    const options = { clock, limits, log: () => undefined };
    this.#ends = [new Connection(near, () => this.#env(), options), new Connection(far, () => this.#env(), options)];
  }

  #env(): HostingEnv {
    const env = new HostingEnv();
    env.expose("f", METHODS.f, ({ n }) => n);
    env.expose("note", METHODS.note, () => undefined);
    env.expose(
      "held",
      METHODS.held,
      ({ n }, co) =>
        new Promise((resolve) => {
          this.#gates.push(() => resolve(n));
          co.signal.addEventListener("abort", () => resolve(n));
        }),
    );
    env.expose("take", METHODS.take, async ({ n }, co) => {
      await co.recvData(new Uint8Array(n));
      return n;
    });
    env.expose("give", METHODS.give, async ({ n }, co) => {
      await co.sendObj(String(n));
      await co.sendData(new Uint8Array(n));
    });
    env.expose("back", METHODS.back, async (_, co) => co.sendCode("note(1)"));
    env.expose("fails", METHODS.fails, () => {
      throw new HbiError("not_found", "on purpose");
    });
    env.expose("ask", METHODS.ask, () =>
      env.po.converse(async (co) => co.getObj("f(4)", n), { hasNoRawData: true, hasNoRawAnswer: true }),
    );
    env.expose("manual", METHODS.manual, async ({ n }, co) => co.recvData(new Uint8Array(n)));
    return env;
  }

  async run(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end.start()));
    for (let i = 0; i < MOST_OPERATIONS && this.#drawing.hasMore; i++) {
      await this.#drawing.pick(OPERATIONS)(this, this.#drawing);
      await this.#time.settle(1);
    }
    this.release();
    await this.#time.settle(300);
    for (const end of this.#ends) this.#hear(end.drain());
    for (let i = 0; i < 8; i++) {
      this.release();
      await this.#time.finish(MOST_STEPS);
    }
    if (this.#wrong !== undefined) checkError(this.#wrong);
    must(
      this.#settled === this.#started,
      `${this.#started - this.#settled} of ${this.#started} promises do not settle`,
    );
    for (const { posting, hosting, waits, turn } of this.#ends) {
      must(posting.liveCount + hosting.liveCount + waits.size === 0 && turn.isIdle, "something is left");
    }
    must(this.#time.timerCount === 0, "timers are left");
  }

  begin(drawing: Drawing): void {
    const { posting } = drawing.pick(this.#ends as [Connection, Connection]); // the same two
    const abort = new AbortController();
    const options = drawing.pick<CoOptions>([{}, { hasNoRawData: true }, { rawBytes: 3 }, { timeoutMs: 30 }]);
    const answers = drawing.pick<CoOptions>([
      {},
      { hasNoRawAnswer: true },
      { dropsObjects: true },
      { answerBytes: (object) => Number(object) || 0 },
    ]);
    this.#hear(
      posting.co({ ...options, ...answers, signal: abort.signal }).then((co) => {
        this.#cos.push(co);
        this.#aborts.push(abort);
      }),
    );
  }

  use(drawing: Drawing, operation: Use, isHeard: boolean): void {
    const co = this.#cos[this.#cos.length - 1 - drawing.below(3)];
    if (co === undefined) return;
    let promise: Promise<unknown>;
    try {
      promise = operation(co, drawing, this.#chunk);
    } catch (thrown) {
      if (!(thrown instanceof HbiError)) this.#wrong = thrown;
      return;
    }
    if (isHeard) this.#hear(promise);
  }

  release(): void {
    for (const open of this.#gates.splice(0)) open();
  }

  abort(at: number): void {
    this.#aborts[this.#aborts.length - 1 - at]?.abort();
  }

  /** Rarely: what comes after it has little to do. */
  end(drawing: Drawing): void {
    const end = drawing.pick(this.#ends as [Connection, Connection]); // the same two
    const how = drawing.below(24);
    if (how === 0) this.#hear(end.drain("fuzz"));
    if (how === 1) this.#hear(end.disconnect("fuzz"));
  }

  pass(tasks: number): Promise<void> {
    return this.#time.settle(tasks);
  }

  #hear(promise: Promise<unknown>): void {
    this.#started += 1;
    promise.then(
      () => {
        this.#settled += 1;
      },
      (thrown) => {
        this.#settled += 1;
        if (!(thrown instanceof HbiError)) this.#wrong = thrown;
      },
    );
  }
}
