/**
 * Lanes over one transport: each is an ordered stream with a window of its own; none delays another.
 */
import fc from "fast-check";
import { memoryTransportPair, type Transport } from "hbi";
import { quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import type { LaneTransport } from "../../../src/wire/lanes/lane-transport.ts";
import { type LaneHost, Multiplexer } from "../../../src/wire/lanes/multiplexer.ts";

const WINDOW = 1_000;

/** Receives what a lane brings, as fast as it is told to. */
class Ear {
  readonly lane: LaneTransport;
  got = Buffer.alloc(0);
  drains = 0;
  hasEnded = false;
  ends = 0;
  closed: Error | undefined | false = false;

  constructor(lane: LaneTransport) {
    this.lane = lane;
    lane.start({
      onData: (chunk) => {
        this.got = Buffer.concat([this.got, chunk]);
      },
      onDrain: () => {
        this.drains += 1;
      },
      onEnd: () => {
        this.hasEnded = true;
        this.ends += 1;
        lane.leave();
      },
      onClose: (error) => {
        this.closed = error;
      },
    });
  }

  get text(): string {
    return this.got.toString("latin1");
  }
}

class Side implements LaneHost {
  readonly lanes: Multiplexer;
  readonly main: Ear;
  readonly opened: Ear[] = [];
  readonly failures: string[] = [];
  held = 0;
  discarded = 0;
  isOpen = true;
  hasEnded = false;
  /** how often something has arrived */
  moved = 0;
  signsOfLife = 0;
  /** new lanes do not read */
  isDeaf = false;

  constructor(transport: Transport, isOdd: boolean, ownBytes = WINDOW, peerBytes = WINDOW) {
    this.lanes = new Multiplexer(transport, systemClock, this, isOdd, { ownBytes, peerBytes });
    this.main = new Ear(this.lanes.main);
    this.lanes.switchReceiving();
    transport.start({
      onData: (chunk) => {
        this.moved += 1;
        this.lanes.receive(chunk);
      },
      onDrain: () => this.lanes.onDrain(),
      onEnd: () => {
        this.hasEnded = true;
      },
      onClose: () => this.lanes.closeLanes(),
    });
  }

  discard(bytes: number): void {
    this.discarded += bytes;
  }
  laneOpened(lane: LaneTransport): void {
    this.opened.push(new Ear(lane));
    if (this.isDeaf) lane.pause();
  }
  laneBegins(): void {}
  framesNeeded(): void {
    this.lanes.switchSending();
  }
  heard(): void {
    this.signsOfLife += 1;
  }
  laneHeld(bytes: number): void {
    this.held += bytes;
  }
  cut(error: Error): void {
    this.failures.push(error.message);
  }
}

function pair(cut?: (available: number) => number) {
  const [left, right] = memoryTransportPair(cut === undefined ? {} : { cut });
  return { near: new Side(left, true), far: new Side(right, false) };
}

/** Runs turns of the event loop until nothing moves any more. */
async function settled(...sides: readonly Side[]): Promise<void> {
  const state = () => sides.map((side) => side.moved).join();
  for (let before = ""; before !== state(); await quiet(20)) before = state();
}

/** One side, and what it sends; `say` is what arrives. */
async function alone(peerBytes = WINDOW) {
  const [left, right] = memoryTransportPair();
  let heard = "";
  right.start({
    onData: (chunk) => {
      heard += Buffer.from(chunk).toString("latin1");
    },
    onDrain: () => undefined,
    onEnd: () => undefined,
    onClose: () => undefined,
  });
  const side = new Side(left, true, WINDOW, peerBytes);
  const say = async (text: string) => {
    right.write(text);
    await quiet();
  };
  return { side, say, heard: () => heard };
}

it("carries text and bytes on lanes of both sides, in order", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  near.main.lane.write("main");
  up.lane.write("é");
  up.lane.write(Uint8Array.of(1, 2, 3));
  await quiet();
  const down = new Ear(far.lanes.open());
  down.lane.write("down");
  await quiet();
  expect([up.lane.id, down.lane.id]).toEqual([1, 2]);
  expect(far.main.text).toBe("main");
  expect(far.opened[0]?.text).toBe("\u00c3\u00a9\u0001\u0002\u0003");
  expect(near.opened[0]?.text).toBe("down");
});

it("sends no more than the window, and the rest when the receiver has consumed", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  await quiet();
  far.opened[0]?.lane.pause();
  up.lane.write(new Uint8Array(WINDOW + 1));
  near.main.lane.write("passes");
  await quiet();
  expect(up.lane.queuedBytes).toBe(1);
  expect(far.main.text).toBe("passes");
  expect(far.opened[0]?.got.length).toBe(0);
  expect(far.held).toBeGreaterThanOrEqual(WINDOW);
  far.opened[0]?.lane.resume();
  await quiet();
  expect(far.opened[0]?.got.length).toBe(WINDOW + 1);
  expect(far.held).toBe(0);
  expect(up.lane.bufferedBytes).toBe(0);
  expect(up.drains).toBeGreaterThan(0);
});

it("small pieces that nobody reads share a buffer", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  await quiet();
  far.opened[0]?.lane.pause();
  for (let i = 0; i < WINDOW; i++) up.lane.write("x");
  await settled(near, far);
  expect(far.held).toBeLessThanOrEqual(16 * 1024);
  far.opened[0]?.lane.resume();
  await quiet();
  expect(far.opened[0]?.text).toBe("x".repeat(WINDOW));
});

it("ends a lane one direction at a time", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  up.lane.write("last");
  up.lane.end();
  up.lane.write("nothing behind it");
  await quiet();
  const [there] = far.opened;
  expect(there?.text).toBe("last");
  expect(there?.hasEnded).toBe(true);
  expect(up.closed).toBe(false);
  there?.lane.write("back");
  there?.lane.end();
  await quiet();
  expect(up.text).toBe("back");
  expect([up.closed, there?.closed]).toEqual([undefined, undefined]);
  expect(near.failures).toEqual([]);
});

it("a lane that both sides have ended stays until what has arrived on it is read", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  up.lane.write("question");
  up.lane.end();
  up.lane.pause();
  await quiet();
  far.opened[0]?.lane.write("answer");
  far.opened[0]?.lane.end();
  await quiet();
  expect([up.text, up.closed]).toEqual(["", false]);
  up.lane.resume();
  await quiet();
  expect([up.text, up.hasEnded, up.closed]).toEqual(["answer", true, undefined]);
});

it("a lane tells its end once, although its sink stops and reads on", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  up.lane.write("last");
  up.lane.end();
  await quiet();
  const [there] = far.opened;
  there?.lane.pause();
  there?.lane.resume();
  await quiet();
  expect([there?.text, there?.ends]).toEqual(["last", 1]);
});

it("a reset ends one lane, and what of it is on its way is ignored", async () => {
  const { near, far } = pair();
  const up = new Ear(near.lanes.open());
  const other = new Ear(near.lanes.open());
  up.lane.write("1");
  other.lane.write("2");
  await quiet();
  far.opened[0]?.lane.reset("body_failed");
  up.lane.write("too late");
  await quiet();
  expect(far.opened[0]?.text).toBe("1");
  expect(up.closed).toMatchObject({ reason: "lane_reset", message: "the peer has ended the lane: body_failed" });
  other.lane.write("3");
  await quiet();
  expect(far.opened[1]?.text).toBe("23");
  expect([...near.failures, ...far.failures]).toEqual([]);
});

it("lane 0 gets half of what is sent, the others share the rest", async () => {
  const { side, heard, say } = await alone();
  side.lanes.switchSending();
  const lanes = [new Ear(side.lanes.open()), new Ear(side.lanes.open())];
  await say("[11#credit]0 100000000[11#credit]1 100000000[11#credit]3 100000000");
  side.lanes.cork();
  for (const { lane } of [side.main, ...lanes]) lane.write(new Uint8Array(400_000));
  side.lanes.uncork();
  await quiet(50);
  const order = [...heard().matchAll(/\[\d+#(\d+)\]/g)].map(([, id]) => id).slice(0, 12);
  const count = (id: string) => order.filter((one) => one === id).length;
  expect(count("0")).toBeGreaterThan(count("1"));
  expect(Math.abs(count("1") - count("3"))).toBeLessThanOrEqual(1);
});

describe("a peer that violates the protocol is told so", () => {
  it.each([
    ["data of a lane that is not open", "[1#2]x", "not open"],
    ["data of a lane of this side that is not open", "[1#1]x", "not open"],
    ["a lane of this side's numbers", "[1#open]1", "number"],
    ["a lane with an earlier number", "[1#open]4[1#open]2", "number"],
    ["a lane that is open", "[1#open]2[1#open]2", "number"],
    ["lane 0", "[1#open]0", "number"],
    ["a lane without a number", "[1#open]x", "number"],
    ["a window and a byte", `[1#open]2[${WINDOW}#2]${"x".repeat(WINDOW)}[1#2]x`, "window"],
    [
      "the window of lane 0 and a byte",
      `[${WINDOW}#0]${"x".repeat(WINDOW)}[501#0]${"x".repeat(501)}[1000#0]${"x".repeat(1_000)}`,
      undefined,
    ],
    ["data behind the end", "[1#open]2[1#end]2[1#2]x", "behind its end"],
    ["an end twice", "[1#open]2[1#end]2[1#end]2", "twice"],
    ["credit beyond 2^31 - 1", `[12#credit]0 ${2 ** 31 - 1 - WINDOW}[3#credit]0 1`, "too much credit"],
    ["credit up to 2^31 - 1", `[12#credit]0 ${2 ** 31 - 1 - WINDOW}`, undefined],
    ["no credit", "[3#credit]0 0", "malformed"],
    ["negative credit", "[4#credit]0 -1", "malformed"],
    ["credit of nothing", "[1#credit]0", "malformed"],
    ["a reset of lane 0", "[1#reset]0", "lane 0"],
    ["a reset of a lane that is not open", "[1#reset]2", "not open"],
    ["a reset with a malformed reason", "[1#open]2[4#reset]2 A!", "malformed"],
    ["an end of nothing", "[1#end]x", "malformed"],
  ])("%s", async (_, bytes, expected) => {
    const { side, say } = await alone();
    side.isDeaf = true;
    await say(bytes);
    expect(side.failures.join()).toEqual(expected === undefined ? "" : expect.stringContaining(expected));
    await say("[3#open]200");
    expect(side.opened.some(({ lane }) => lane.id === 200)).toBe(expected === undefined); // nothing is read after it
  });
});

it("what arrives while the connection closes is discarded, and credit still counts", async () => {
  const { side, say, heard } = await alone();
  side.lanes.switchSending();
  side.main.lane.write(new Uint8Array(WINDOW + 5));
  await quiet();
  side.isOpen = false;
  side.lanes.end();
  await say("[1#open]2[3#2]abc[3#0]abc[3#credit]0 5");
  expect(side.discarded).toBe(6);
  expect(side.main.text).toBe("");
  expect(heard().endsWith("[5#0]\0\0\0\0\0")).toBe(true);
});

it("whatever arrives is a sign of life, also credit and a part of a frame", async () => {
  const { side, say } = await alone();
  for (const [before, text] of ["[6", "#credit]0 1000", "[5#1"].entries()) {
    expect(side.signsOfLife).toBe(before);
    await say(text);
  }
  expect(side.signsOfLife).toBe(3);
});

it("what all lanes have sent may still be on its way", async () => {
  const [left, right] = memoryTransportPair();
  right.start({ onData: () => {}, onDrain: () => {}, onEnd: () => {}, onClose: () => {} });
  const { lanes } = new Side(left, true, WINDOW, 16 * 1024);
  lanes.switchSending();
  expect(lanes.transitMs).toBe(0);
  for (let i = 0; i < 8; i++) lanes.open().write(new Uint8Array(16 * 1024));
  await quiet();
  expect(lanes.transitMs).toBeGreaterThan(4_000); // 8 s at the least rate, less what has passed
  expect(lanes.transitMs).toBeLessThanOrEqual(8_000);
});

it("credit confirms what was sent before it, on all lanes", async () => {
  const { side, say } = await alone(64_000);
  const { lanes } = side;
  lanes.switchSending();
  const [first, second] = [lanes.open(), lanes.open()];
  const seconds = () => lanes.transitMs / 1_000;
  const of = (bytes: number) => bytes / (16 * 1_024);
  const write = async (lane: LaneTransport, bytes: number) => {
    lane.write(new Uint8Array(bytes));
    await quiet();
  };
  await write(second, 32_000);
  await write(first, 1_000);
  await write(second, 32_000);
  await say("[5#credit]1 999");
  expect(seconds()).toBeGreaterThan(of(60_000)); // of 65,000, less what has passed: nothing is confirmed
  await say("[3#credit]1 1");
  expect(seconds()).toBeLessThanOrEqual(of(32_100)); // with the headers of frames
  expect(seconds()).toBeGreaterThan(of(27_000));
  await write(first, 1_000);
  await say("[6#credit]1 1000");
  expect(seconds()).toBe(0);
});

describe("random lanes", () => {
  const operation = fc.record({
    side: fc.boolean(),
    lane: fc.nat(4),
    what: fc.oneof(
      { weight: 6, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 3_000 }), isText: fc.boolean() }) },
      fc.constantFrom("open", "pause", "resume", "end", "reset", "turn" as const),
    ),
  });

  it("bring what was written, in order, and nothing of one lane to another", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), fc.integer({ min: 1, max: 5_000 }), async (ops, cut) => {
        const { near, far } = pair((available) => Math.min(available, cut));
        const written = new Map<string, string>();
        const broken = new Set<string>();
        const own = new Map<Side, Ear[]>([
          [near, []],
          [far, []],
        ]);
        let n = 0;
        for (const { side: isNear, lane: at, what } of ops) {
          const side = isNear ? near : far;
          const mine = [side.main, ...(own.get(side) ?? []), ...side.opened];
          const ear = mine[at % mine.length] as Ear;
          const key = `${isNear ? "near" : "far"} ${ear.lane.id}`;
          if (what === "turn") await quiet(1);
          else if (what === "open") own.get(side)?.push(new Ear(side.lanes.open()));
          else if (what === "pause") ear.lane.pause();
          else if (what === "resume") ear.lane.resume();
          else if (what === "end" && ear !== side.main) ear.lane.end();
          else if (what === "reset" && ear !== side.main) {
            ear.lane.reset("cancelled");
            broken.add(String(ear.lane.id));
          } else if (typeof what === "object" && !ear.lane.isEnding) {
            n += 1;
            const text = `${n},`.padEnd(what.write, String(n % 10));
            written.set(key, (written.get(key) ?? "") + text);
            ear.lane.write(what.isText ? text : Buffer.from(text));
          }
        }
        for (const side of [near, far]) {
          for (const ear of [side.main, ...(own.get(side) ?? []), ...side.opened]) ear.lane.resume();
        }
        await settled(near, far);
        for (const side of [near, far]) for (const ear of side.opened) ear.lane.resume(); // opened meanwhile
        await settled(near, far);
        expect([...near.failures, ...far.failures]).toEqual([]);
        for (const [side, name] of [
          [near, "far"],
          [far, "near"],
        ] as const) {
          for (const ear of [side.main, ...(own.get(side) ?? []), ...side.opened]) {
            const sent = written.get(`${name} ${ear.lane.id}`) ?? "";
            if (broken.has(String(ear.lane.id))) expect(sent.startsWith(ear.text)).toBe(true);
            else expect(ear.text).toBe(sent);
          }
          expect(side.held).toBe(0);
        }
      }),
      { numRuns: 150 },
    );
  });
});
