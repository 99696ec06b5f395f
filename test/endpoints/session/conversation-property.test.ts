/**
 * Random conversations of both sides over one connection: in any cut, in any order of answers, with raw data, failures,
 * cancellations and a loss in between, every promise settles, every answer belongs to its question, and nothing is left.
 */
import fc from "fast-check";
import { Connection, HbiError, HostingEnv, memoryTransportPair, method, script } from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";
import { ProcessLoad } from "../../../src/endpoints/guard/process-load.ts";

type Side = 0 | 1;
type Kind = "echo" | "held" | "upload" | "download" | "back" | "fail" | "refused" | "ignore" | "askBack";
const KINDS: readonly Kind[] = ["echo", "held", "upload", "download", "back", "fail", "refused", "ignore", "askBack"];

const n = z.int().min(0).max(1e7);
const FILL = 7;

/** What is expected of one conversation: a value, or the code of an error. */
interface Asked {
  readonly promise: Promise<unknown>;
  readonly expected: unknown;
  readonly code: string | undefined;
  readonly abort: AbortController;
  wasAborted: boolean;
  isSettled: boolean;
}

class World {
  readonly clock = new ManualClock();
  readonly ends: readonly [Connection, Connection];
  readonly asked: Asked[] = [];
  readonly gates: (() => void)[] = [];
  readonly landed = new Map<number, number>();
  readonly process = new ProcessLoad();
  isLost = false;

  constructor(cut: (available: number) => number) {
    const [left, right] = memoryTransportPair({ cut });
    const options = { clock: this.clock, log: () => undefined, load: this.process };
    this.ends = [new Connection(left, () => this.#env(), options), new Connection(right, () => this.#env(), options)];
  }

  #env(): HostingEnv {
    const env = new HostingEnv();
    const result = z.number();
    env.expose("echo", method({ params: { n }, result }), ({ n }) => n);
    env.expose(
      "held",
      method({ params: { n }, result }),
      ({ n }) => new Promise((resolve) => this.gates.push(() => resolve(n))),
    );
    env.expose("upload", method({ params: { n }, body: ({ n }) => n, result }), async ({ n }, co) => {
      let sum = 0;
      for await (const chunk of co.recvChunks()) sum += chunk.reduce((a, b) => a + b, 0);
      return sum / FILL + n;
    });
    env.expose("download", method({ params: { n } }), async ({ n }, co) => {
      await co.sendObj(String(n));
      await co.sendData(new Uint8Array(n).fill(FILL));
    });
    env.expose("back", method({ params: { n } }), async ({ n }, co) => co.sendCode(script`note(${n})`));
    env.expose("note", method({ params: { n } }), ({ n }) => void this.landed.set(n, (this.landed.get(n) ?? 0) + 1));
    env.expose("fail", method({ params: { n }, body: ({ n }) => n }), async ({ n }, co) => {
      await co.recvData(new Uint8Array(Math.floor(n / 2)));
      throw new HbiError("aborted", "on purpose");
    });
    env.expose("ignore", method({ params: { n }, body: ({ n }) => n }), () => undefined);
    env.expose("askBack", method({ params: { n }, result }), ({ n }) =>
      env.po.converse(async (co) => {
        await co.sendCode(script`echo(${n})`);
        return co.recvObj(z.number());
      }),
    );
    return env;
  }

  ask(side: Side, kind: Kind, size: number): void {
    const abort = new AbortController();
    const id = this.asked.length;
    const { posting } = this.ends[side];
    const options = { signal: abort.signal, hasNoRawAnswer: kind !== "download" };
    const talk = async (code: string, bytes: number | undefined, receives: boolean) =>
      posting.converse(
        async (co) => {
          await co.sendCode(code);
          if (bytes !== undefined) await co.sendData(new Uint8Array(bytes).fill(FILL));
          if (receives) return co.recvObj(z.number());
          await co.waitCompleted();
          return "completed";
        },
        { ...options, ...(bytes === undefined ? { hasNoRawData: true } : { rawBytes: bytes }) },
      );
    const started: Record<Kind, () => [Promise<unknown>, unknown, string?]> = {
      echo: () => [talk(`echo(${id})`, undefined, true), id],
      held: () => [talk(`held(${id})`, undefined, true), id],
      upload: () => [talk(`upload(${size})`, size, true), size * 2],
      download: () => [this.#download(side, size, options), size],
      back: () => [talk(`back(${id})`, undefined, false), "completed"],
      fail: () => [talk(`fail(${size})`, size, false), undefined, "aborted"],
      refused: () => [talk(`upload('${size}')`, size, true), undefined, "invalid_argument"],
      ignore: () => [talk(`ignore(${size})`, size, false), "completed"],
      askBack: () => [talk(`askBack(${id})`, undefined, true), id],
    };
    const [promise, expected, code] = started[kind]();
    const asked: Asked = { promise, expected, code, abort, wasAborted: false, isSettled: false };
    const settle = () => {
      asked.isSettled = true;
    };
    promise.then(settle, settle);
    this.asked.push(asked);
  }

  #download(side: Side, size: number, options: object): Promise<unknown> {
    return this.ends[side].posting.converse(async (co) => {
      await co.sendCode(`download(${size})`);
      const bytes = new Uint8Array(await co.recvObj(z.number()));
      await co.recvData(bytes);
      return bytes.every((byte) => byte === FILL) ? bytes.length : "other bytes";
    }, options);
  }

  release(index: number): void {
    const [gate] = this.gates.splice(index % Math.max(this.gates.length, 1), 1);
    gate?.();
  }

  cancel(index: number): void {
    const asked = this.asked[index % Math.max(this.asked.length, 1)];
    if (asked === undefined) return;
    asked.wasAborted = true;
    asked.abort.abort();
  }

  async finish(): Promise<void> {
    for (let round = 0; round < 20_000 && this.asked.length > 0; round++) {
      while (this.gates.length > 0) this.release(0);
      if (this.asked.every(({ isSettled }) => isSettled)) break;
      await quiet(5);
    }
    expect(
      this.asked.filter(({ isSettled }) => !isSettled),
      "every promise settles",
    ).toEqual([]);
    for (const { promise, expected, code, wasAborted } of this.asked) {
      const [outcome] = await Promise.allSettled([promise]);
      if (outcome.status === "fulfilled") {
        expect(code).toBeUndefined();
        expect(outcome.value).toBe(expected);
        continue;
      }
      const allowed = [code, ...(wasAborted ? ["cancelled"] : []), ...(this.isLost ? LOST : [])];
      expect(allowed).toContain((outcome.reason as HbiError).code);
    }
    for (const times of this.landed.values()) expect(times).toBe(1);
    await this.#endHandlers();
    await this.#restsAreSkipped();
    if (!this.isLost) this.#checkNothingHeld(); // nor while it continues
    const closed = Promise.all(this.ends.map((end) => end.disconnect()));
    await quiet();
    await this.clock.advance(30_000); // one side may not read any more what the other has still to send
    await closed;
    await this.#endHandlers();
    this.#checkNothingHeld();
    for (const end of this.ends) {
      expect([end.posting.liveCount, end.hosting.liveCount, end.waits.size]).toEqual([0, 0, 0]);
      expect(end.turn.holder).toBeUndefined();
    }
    expect(this.clock.timerCount).toBe(0);
  }

  /** What is refused is refused before all of its raw data has arrived, and its last packet may be on its way. */
  async #restsAreSkipped(): Promise<void> {
    const isLive = () =>
      this.ends.some(({ posting, hosting, held }) => posting.liveCount + hosting.liveCount + held.unsent > 0);
    for (let round = 0; round < 20_000 && !this.isLost && isLive(); round++) await quiet(5);
  }

  /** Those of calls that were given up, which may have begun since. */
  async #endHandlers(): Promise<void> {
    await quiet();
    while (this.gates.length > 0) this.release(0);
    await quiet();
  }

  #checkNothingHeld(): void {
    for (const { held, account } of this.ends) expect([held, account.bytes]).toEqual([NOTHING, 0]);
    expect([this.process.places, this.process.bytes, this.process.unsent.bytes]).toEqual([0, 0, 0]);
  }
}

const NOTHING = {
  received: 0,
  unread: 0,
  scripts: 0,
  waiting: 0,
  answers: 0,
  unsent: 0,
  posts: 0,
  hosted: 0,
  places: 0,
  posted: 0,
  sendTurns: 0,
  readTurns: 0,
};

/** A cancelled download cuts the connection, as raw data of unknown length may follow: then others are lost with it. */
const LOST = ["unavailable", "data_loss", "aborted", "failed_precondition", "cancelled"];

type Command = fc.AsyncCommand<object, World>;
const command = (name: string, run: (world: World) => void | Promise<void>): Command => ({
  check: () => true,
  run: async (_, world) => run(world),
  toString: () => name,
});

const side = fc.constantFrom<Side>(0, 1);
const size = fc.oneof(fc.nat(40), fc.nat(5_000), fc.nat(400_000));
const ask = fc
  .tuple(side, fc.constantFrom(...KINDS), size)
  .map(([at, kind, bytes]) => command(`ask ${at} ${kind} ${bytes}`, (world) => world.ask(at, kind, bytes)));
const release = fc.nat(20).map((index) => command(`release ${index}`, (world) => world.release(index)));
const wait = fc.nat(40).map((turns) => command(`wait ${turns}`, () => quiet(turns)));
const cancel = fc.nat(40).map((index) =>
  command(`cancel ${index}`, (world) => {
    world.isLost = true; // it may have been a download
    world.cancel(index);
  }),
);
const lose = side.map((at) =>
  command(`disconnect ${at}`, async (world) => {
    world.isLost = true;
    await Promise.race([world.ends[at].disconnect("on purpose"), quiet(5)]);
  }),
);

async function runWorld(commands: Iterable<Command>, chunkBytes: number): Promise<void> {
  const world = new World(
    chunkBytes === 0 ? (available) => available : (available) => 1 + ((available * 7919) % chunkBytes),
  );
  await Promise.all(world.ends.map((end) => end.start()));
  await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
  await world.finish();
}

const numRuns = Number(process.env["HBI_RUNS"] ?? 70); // many more in the long suite
const chunkBytes = fc.constantFrom(0, 300, 5_000, 100_000);

it("in peace: every answer belongs to its question", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands([ask, ask, ask, release, wait], { maxCommands: 40 }), chunkBytes, runWorld),
    { numRuns },
  );
});

it("with cancellations and losses: everything settles and nothing is left", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([ask, ask, ask, ask, release, wait, cancel, lose], { maxCommands: 40 }),
      chunkBytes,
      runWorld,
    ),
    { numRuns },
  );
});
