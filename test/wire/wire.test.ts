/**
 * The send side: one write for what is written in one turn of the event loop, and honest backpressure.
 */
import { memoryTransportPair, resolveLimits, type Transport } from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { expect, it } from "vitest";
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

it("gives a large buffer back at once where the transport has taken all of it", () => {
  const written: unknown[] = [];
  const transport = { bufferedBytes: 0, write: (chunk: unknown) => void written.push(chunk) };
  const wire = new Wire(transport as never, resolveLimits(), new ManualClock(), {
    wireStuck: () => undefined,
    wireMoved: () => undefined,
    isTight: false,
  });
  const chunk = new Uint8Array(200_000);
  expect(wire.bytes(chunk)).toBeUndefined();
  expect(written).toEqual([chunk]);
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

it("sendStallTimeoutMs: is stuck when nothing moved for so long, and not while something does", async () => {
  const { wire, stuck, clock, reader } = wired({ sendStallTimeoutMs: 1_000 });
  reader.transport.pause();
  wire.text("x".repeat(300_000));
  await clock.advance(999);
  reader.transport.resume();
  while (reader.bytes === 0) await new Promise(setImmediate);
  reader.transport.pause();
  await clock.advance(1);
  expect(stuck).toEqual([]);
  await clock.advance(999);
  expect(stuck).toEqual([]);
  await clock.advance(2);
  expect(stuck).toEqual(["slow_reader"]);
});
