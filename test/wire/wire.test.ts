/**
 * The send side: one write for what is written in one turn of the event loop, and honest backpressure.
 */
import { memoryTransportPair, resolveLimits, type Transport } from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { Transit } from "../../src/wire/transit.ts";
import { Wire } from "../../src/wire/wire.ts";

class Reader {
  readonly chunks: string[] = [];
  bytes = 0;
  readonly transport: Transport;
  constructor(transport: Transport) {
    this.transport = transport;
    transport.start({
      onData: (chunk) => {
        this.chunks.push(Buffer.from(chunk).toString("latin1"));
        this.bytes += chunk.length;
      },
      onDrain: () => undefined,
      onEnd: () => undefined,
      onClose: () => undefined,
    });
  }
}

function wired(options: Parameters<typeof resolveLimits>[0] = {}) {
  const [left, right] = memoryTransportPair({ cut: (available) => Math.min(available, 65_536) });
  const clock = new ManualClock();
  const stuck: (string | undefined)[] = [];
  const host = {
    wireStuck: ({ reason }: { reason: string | undefined }) => void stuck.push(reason),
    wireMoved: () => undefined,
    isTight: false,
  };
  const wire = new Wire(left, resolveLimits(options), clock, host);
  left.start({
    onData: () => undefined,
    onDrain: () => wire.onDrain(),
    onEnd: () => undefined,
    onClose: () => undefined,
  });
  return { wire, clock, stuck, reader: new Reader(right) };
}

it("writes once a turn, in order, text and raw data", async () => {
  const { wire, reader } = wired();
  for (let i = 0; i < 100; i++) wire.text(`${i},`);
  wire.bytes(Uint8Array.of(0x78, 0x79));
  wire.text("é");
  expect(reader.chunks).toEqual([]);
  await quiet();
  expect(reader.chunks).toEqual([`${Array.from({ length: 100 }, (_, i) => `${i},`).join("")}`, "xy", "\u00c3\u00a9"]);
});

it("gives a buffer back when it may be changed: what was sent stays what it was", async () => {
  const { wire, reader } = wired();
  for (const size of [10, 16_384, 16_385, 200_000]) {
    const buffer = new Uint8Array(size).fill(0x61);
    await wire.bytes(buffer);
    buffer.fill(0x62);
  }
  await quiet();
  expect(reader.bytes).toBe(10 + 16_384 + 16_385 + 200_000);
  expect(reader.chunks.join("")).not.toContain("b");
});

/** A platform that takes as much as it is told to, when it is told to. */
class Platform {
  bufferedBytes = 0;
  takenBytes: number | undefined;
  lowWaterBytes: number | undefined;
  readonly taken: number[] = [];
  onDrain: () => void = () => undefined;
  #kept: (Uint8Array | string)[] = [];
  mostBytes = 0;
  hasEnded = false;

  write(chunk: Uint8Array | string): void {
    this.#kept.push(chunk);
    this.bufferedBytes += chunk.length;
    this.mostBytes = Math.max(this.mostBytes, this.bufferedBytes);
  }

  end(): void {
    this.hasEnded = true;
  }

  destroy(): void {}

  /** Takes at most so much, in order. What is not looked at need not be kept. */
  take(bytes: number, isKept = true): void {
    for (let left = bytes; left > 0; ) {
      const [chunk] = this.#kept;
      if (chunk === undefined) break;
      const part = chunk.slice(0, left);
      for (let i = 0; isKept && i < part.length; i++)
        this.taken.push(typeof part === "string" ? part.charCodeAt(i) : (part[i] as number));
      left -= part.length;
      this.bufferedBytes -= part.length;
      if (part.length === chunk.length) this.#kept.shift();
      else this.#kept[0] = chunk.slice(part.length);
    }
    this.onDrain();
  }
}

function onPlatform(options: Parameters<typeof resolveLimits>[0] = {}) {
  const platform = new Platform();
  const clock = new ManualClock();
  const stuck: number[] = [];
  const host = { wireStuck: () => void stuck.push(clock.now()), wireMoved: () => undefined, isTight: false };
  const wire = new Wire(platform as never, resolveLimits(options), clock, host); // no more of a transport is used
  platform.onDrain = () => wire.onDrain();
  return { wire, platform, clock, stuck };
}

it.each([
  ["text", (wire: Wire) => wire.text("x".repeat(3_000_000))],
  ["text beyond ASCII, cut between characters", (wire: Wire) => wire.text("😀".repeat(400_000))],
  ["raw data", (wire: Wire) => wire.bytes(new Uint8Array(3_000_000))],
  ["raw data that nobody changes", (wire: Wire) => wire.own(new Uint8Array(3_000_000))],
  [
    "all of them",
    (wire: Wire) => {
      for (const text of ["a".repeat(900_000), "b"]) {
        wire.text(text);
        wire.own(new Uint8Array(700_000));
      }
    },
  ],
])("gives the platform a bounded amount at a time: %s", (_, write) => {
  const { wire, platform } = onPlatform();
  write(wire);
  wire.end();
  for (let rounds = 0; !platform.hasEnded; rounds++) {
    expect(rounds).toBeLessThan(1_000);
    platform.take(100_000);
  }
  expect(platform.mostBytes).toBeGreaterThanOrEqual(256 * 1024);
  expect(platform.mostBytes).toBeLessThan(256 * 1024 + 65_536);
  expect([wire.handedBytes, wire.bufferedBytes]).toEqual([wire.writtenBytes, platform.bufferedBytes]);
});

it.each([1, 10, 16_384, 16_385, 65_536, 65_537, 300_000, 2_000_000])(
  "has a buffer of %i bytes back to its caller when it may be changed, not before, whatever is before and behind it",
  async (size) => {
    const { wire, platform } = onPlatform();
    const expected: number[] = [];
    for (let round = 0; round < 3; round++) {
      const buffer = new Uint8Array(size).fill(round + 1);
      for (const byte of buffer) expected.push(byte);
      const free = wire.bytes(buffer);
      let isFree = free === undefined;
      void free?.then(() => {
        isFree = true;
        buffer.fill(99);
      });
      if (isFree) buffer.fill(99);
      for (let turns = 0; !isFree; turns++) {
        expect(turns).toBeLessThan(1_000);
        platform.take(50_000);
        await new Promise(setImmediate);
      }
      wire.text("t");
      expected.push("t".charCodeAt(0));
    }
    wire.end();
    while (!platform.hasEnded || platform.bufferedBytes > 0) platform.take(1_000_000);
    expect(Buffer.from(platform.taken).equals(Buffer.from(expected))).toBe(true);
  },
);

it("keeps what callers have lent, so that they may change it while it waits", () => {
  const { wire, platform } = onPlatform();
  const buffer = new Uint8Array(1_000_000).fill(1);
  wire.bytes(buffer);
  wire.keepBorrowed();
  buffer.fill(2);
  while (platform.bufferedBytes > 0) platform.take(100_000);
  expect(platform.taken.length).toBe(1_000_000);
  expect(platform.taken.every((byte) => byte === 1)).toBe(true);
});

it("counts what is queued by more than its bytes, and raw data in drips by little more", () => {
  const { wire, platform } = onPlatform();
  wire.text("x".repeat(65_536 * 5)); // as much as the platform may have, and more
  const before = wire.bufferedBytes;
  for (let i = 0; i < 1_000; i++) wire.bytes(Uint8Array.of(i));
  expect(wire.bufferedBytes - before).toBeLessThan(1_000 + 5 * 64);
  const dripped = wire.bufferedBytes;
  for (let i = 0; i < 1_000; i++) {
    wire.text("t");
    wire.bytes(Uint8Array.of(i));
  }
  expect(wire.bufferedBytes - dripped).toBeGreaterThan(1_000 * 128);
  while (platform.bufferedBytes > 0) platform.take(100_000);
  expect(wire.bufferedBytes).toBe(0);
});

it("is writable below the high-water mark and not above, until the peer has read", async () => {
  const { wire, reader } = wired({ sendHighWaterBytes: 1_000 });
  reader.transport.pause();
  wire.text("x".repeat(1_000));
  expect(wire.whenWritable()).toBeUndefined();
  wire.text("x");
  let isWritable = false;
  const writable = wire.whenWritable()?.then(() => {
    isWritable = true;
  });
  await quiet();
  expect(isWritable).toBe(false);
  reader.transport.resume();
  await writable;
  expect(wire.bufferedBytes).toBe(0);
});

it("rejects who waits when it ends", async () => {
  const { wire, reader } = wired({ sendHighWaterBytes: 10 });
  reader.transport.pause();
  wire.text("x".repeat(100));
  const writable = wire.whenWritable();
  wire.end();
  await expect(writable).rejects.toMatchObject({ code: "unavailable" });
  await expect(wire.bytes(new Uint8Array(5))).rejects.toMatchObject({ code: "unavailable" });
});

it("lets who waits wait on where the next bytes are too many again, and no longer than these", async () => {
  const { wire, reader } = wired({ sendHighWaterBytes: 10 });
  const order: string[] = [];
  wire.text("x".repeat(100));
  wire.whenWritable()?.then(() => order.push("writable"));
  wire.flush();
  wire.text("y".repeat(11)); // before the transport has said that it has nothing left
  wire.onDrain();
  await Promise.resolve();
  expect(order).toEqual([]);
  await quiet();
  expect(order).toEqual(["writable"]);
  expect(reader.bytes).toBe(111);
});

it("writes nothing behind its end, whatever is handed in, and ends once", async () => {
  const { wire, reader } = wired();
  wire.text("all");
  wire.end();
  wire.text("more");
  wire.own(Uint8Array.of(0x78));
  await expect(wire.bytes(new Uint8Array(20_000))).rejects.toMatchObject({ code: "unavailable" });
  wire.end();
  await quiet();
  expect(reader.chunks).toEqual(["all"]);
  expect([wire.bufferedBytes, wire.writtenBytes]).toEqual([0, 3]);
});

it("maxSendBufferBytes: holds N bytes and is stuck at N + 1", async () => {
  const { wire, stuck, reader } = wired({ maxSendBufferBytes: 100_000 });
  reader.transport.pause();
  wire.text("x".repeat(100_000));
  await quiet();
  expect(stuck).toEqual([]);
  wire.text("x");
  expect(stuck).toEqual(["slow_reader"]);
});

it("sendStallTimeoutMs: is stuck when nothing was taken for so long, and not a moment before", async () => {
  for (const [ms, isStuck] of [
    [999, false],
    [1_000, true],
  ] as const) {
    const { wire, platform, clock, stuck } = onPlatform({ sendStallTimeoutMs: 1_000 });
    wire.text("x");
    wire.flush();
    platform.take(1);
    await clock.advance(5_000); // nothing waits: that is no stall
    wire.text("y");
    wire.flush();
    await clock.advance(ms);
    expect(stuck.length > 0).toBe(isStuck);
  }
});

/** Longer than any patience. */
const LONG_MS = 600_000;

function takeAll(wire: Wire, platform: Platform, bytes: number): void {
  for (let left = bytes; left > 0; left -= 100_000) {
    while (wire.bufferedBytes < 400_000) wire.own(new Uint8Array(100_000));
    platform.take(Math.min(left, 100_000), false);
  }
}

it.each([
  ["16 KiB a second", 0, 16 * 1024, 1_000],
  ["512 bytes every 29 seconds", 0, 512, 29_000],
  ["1.4 MB every 70 seconds, as Linux does where a peer reads 20 kB a second", 4_000_000, 1_400_000, 70_000],
  ["1.4 MB every 7 seconds, as Linux does where a peer reads 200 kB a second", 4_000_000, 1_400_000, 7_000],
])("is not stuck while the platform takes %s, for ten minutes", async (_, first, bytes, everyMs) => {
  const { wire, platform, clock, stuck } = onPlatform();
  takeAll(wire, platform, first);
  for (let passedMs = 0; passedMs < LONG_MS && stuck.length === 0; passedMs += everyMs) {
    await clock.advance(everyMs);
    takeAll(wire, platform, bytes);
  }
  expect(stuck).toEqual([]);
});

it.each([
  ["little", 1_000, 38_000],
  ["megabytes", 8_000_000, 116_000],
])("is stuck soon after the platform has taken %s and takes no more", async (_, bytes, mostMs) => {
  const { wire, platform, clock, stuck } = onPlatform();
  takeAll(wire, platform, bytes);
  await clock.advance(200_000);
  expect(stuck[0]).toBeGreaterThanOrEqual(30_000);
  expect(stuck[0]).toBeLessThanOrEqual(mostMs);
});

describe("a transport that counts what the platform takes", () => {
  function counting() {
    const made = onPlatform({ sendStallTimeoutMs: 1_000 });
    made.platform.takenBytes = 0;
    made.wire.own(new Uint8Array(60_000));
    made.wire.flush();
    return made;
  }

  it("may keep quiet while it goes on", async () => {
    const { platform, clock, stuck } = counting();
    for (let i = 1; i < 60; i++) {
      await clock.advance(999);
      platform.takenBytes = i * 1_000;
      platform.bufferedBytes = 60_000 - i * 1_000;
    }
    expect(stuck).toEqual([]);
    await clock.advance(10_000); // what has been taken may still be on its way
    expect(stuck.length).toBe(1);
  });

  it("is stuck while its count stands still, whatever it reports", async () => {
    const { wire, clock, stuck } = counting();
    for (let i = 0; i < 60 && stuck.length === 0; i++) {
      await clock.advance(100);
      wire.onDrain();
    }
    expect(stuck.length).toBe(1);
    expect(stuck[0]).toBeLessThanOrEqual(3_000);
  });

  it("has made progress when it reports it, even if nothing has polled", async () => {
    const { wire, platform, clock } = counting();
    await clock.advance(500);
    platform.takenBytes = 1;
    expect(wire.progressMs).toBe(clock.now());
    await clock.advance(100);
    expect(wire.progressMs).toBe(clock.now() - 100);
  });
});

it.each([
  ["as a rule", {}, 65_536],
  ["below sendHighWaterBytes", { sendHighWaterBytes: 1_000 }, 1_000],
  ["below half of maxSendBufferBytes", { maxSendBufferBytes: 10_000 }, 5_000],
])("asks for the low-water mark that a sender may wait for: %s", (_, limits, bytes) => {
  const [transport] = memoryTransportPair();
  const host = { wireStuck: () => undefined, wireMoved: () => undefined, isTight: false };
  const telling: Transport = Object.assign(transport, { lowWaterBytes: 1e9 });
  const wire = new Wire(telling, resolveLimits(limits), new ManualClock(), host);
  expect([telling.lowWaterBytes, wire.bufferedBytes]).toEqual([bytes, 0]);
});

it("does not blame the peer for time in which this side was blocked", async () => {
  const { wire, platform, clock, stuck } = onPlatform();
  wire.text("x");
  wire.flush();
  clock.holdUp(29_000);
  await clock.advance(58_999);
  expect(stuck).toEqual([]);
  await clock.advance(100);
  expect(stuck.length).toBe(1);
  expect(platform.taken).toEqual([]);
});

it("is congested when more than half of maxSendBufferBytes waits", () => {
  for (const [bytes, isCongested] of [
    [50, false],
    [51, true],
  ] as const) {
    const { wire } = onPlatform({ maxSendBufferBytes: 100 });
    wire.text("x".repeat(bytes));
    expect(wire.isCongested).toBe(isCongested);
  }
});

it.each([
  [64 * 1024, true, false],
  [64 * 1024 + 1, true, true],
  [64 * 1024 + 1, false, false],
])(
  "where %i bytes wait, and all connections together keep too much: %j, it is above its mark: %j",
  (bytes, tight, above) => {
    const platform = new Platform();
    const host = { wireStuck: () => undefined, wireMoved: () => undefined, isTight: tight };
    const wire = new Wire(platform as never, resolveLimits(), new ManualClock(), host);
    wire.text("x".repeat(bytes));
    expect(wire.isAboveHighWater).toBe(above);
    expect(wire.whenWritable() === undefined).toBe(!above);
  },
);

it.each([
  [65_535, 0],
  [65_536, 65_536],
])(
  "gives the platform %i bytes of text at once: %i, and what is left at the end of the turn",
  async (bytes, atOnce) => {
    const { wire, platform } = onPlatform();
    wire.text("x".repeat(bytes));
    expect([platform.bufferedBytes, wire.handedBytes]).toEqual([atOnce, atOnce]);
    await quiet();
    expect([platform.bufferedBytes, wire.handedBytes]).toEqual([bytes, bytes]);
  },
);

it("a buffer that goes out at once is its caller's at once, one without content too, and one that waits is not", () => {
  const { wire } = onPlatform();
  expect(wire.bytes(new Uint8Array(20_000))).toBeUndefined();
  expect(wire.bytes(new Uint8Array(0))).toBeUndefined();
  expect(wire.handedBytes).toBe(20_000);
  expect(wire.bytes(new Uint8Array(300_000))).toBeInstanceOf(Promise);
});

it("what waits when nothing more is written will be handed over, and when it is destroyed will not", () => {
  const { wire, platform } = onPlatform();
  const free = wire.bytes(new Uint8Array(300_000));
  expect(free).toBeInstanceOf(Promise);
  const handed = wire.handedBytes;
  expect(handed).toBeLessThan(300_000);
  wire.end();
  expect([wire.handedBytes, platform.hasEnded]).toEqual([300_000, false]);
  wire.destroy();
  platform.take(1_000_000);
  expect([wire.handedBytes, wire.bufferedBytes, platform.taken.length]).toEqual([handed, 0, handed]);
});

it("leaves no timer when it is destroyed, and rejects who waits", async () => {
  const { wire, clock, stuck } = onPlatform({ sendHighWaterBytes: 10 });
  wire.text("x".repeat(100));
  const writable = wire.whenWritable();
  wire.flush();
  expect(clock.timerCount).toBe(1);
  wire.destroy();
  await expect(writable).rejects.toMatchObject({ code: "unavailable" });
  expect(clock.timerCount).toBe(0);
  await clock.advance(1_000_000);
  expect(stuck).toEqual([]);
});

describe("what may still be on its way", () => {
  it.each<[string, readonly (readonly [bytes: number, atMs: number])[], number, number]>([
    ["nothing, at first", [], 5_000, 0],
    ["all of it, at once", [[16_384, 1_000]], 1_000, 1_000],
    ["half of it, in half of its time", [[16_384, 1_000]], 1_500, 500],
    ["nothing, when its time is over", [[16_384, 1_000]], 2_000, 0],
    ["nothing, long after", [[16_384, 1_000]], 9_000, 0],
    [
      "what is left and what was added",
      [
        [16_384, 1_000],
        [16_384, 1_500],
      ],
      1_500,
      1_500,
    ],
    [
      "what was added when nothing was left",
      [
        [16_384, 1_000],
        [1_024, 9_000],
      ],
      9_000,
      62.5,
    ],
    [
      "no more than a platform holds",
      [
        [4 * 1_024 * 1_024, 0],
        [1, 0],
      ],
      0,
      256_000,
    ],
  ])("is %s", (_, added, nowMs, ms) => {
    const transit = new Transit();
    for (const [bytes, atMs] of added) transit.add(bytes, atMs);
    expect(transit.ms(nowMs)).toBe(ms);
  });

  it("is no more than what the peer has not confirmed", () => {
    const transit = new Transit();
    transit.add(64 * 1_024, 0);
    transit.confirmed(128 * 1_024, 1_000);
    expect(transit.ms(1_000)).toBe(3_000);
    transit.confirmed(16 * 1_024, 1_000);
    expect(transit.ms(1_000)).toBe(1_000);
    transit.add(16 * 1_024, 1_500);
    expect(transit.ms(1_500)).toBe(1_500);
    transit.confirmed(0, 1_500);
    expect(transit.ms(1_500)).toBe(0);
  });
});
