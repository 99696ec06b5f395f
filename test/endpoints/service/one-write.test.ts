/**
 * The fast way: a call without a body is one write and one read, and what happens in one turn of the event loop is one write.
 */
import { defineService, Link, memoryTransportPair, method, ServiceHost, type Transport, type TransportSink } from "hbi";
import { ManualClock } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

/** Counts what is written. */
function counting(transport: Transport, writes: string[]): Transport {
  return {
    get localAddress() {
      return transport.localAddress;
    },
    get remoteAddress() {
      return transport.remoteAddress;
    },
    get bufferedBytes() {
      return transport.bufferedBytes;
    },
    start: (sink: TransportSink) => transport.start(sink),
    write(chunk) {
      writes.push(typeof chunk === "string" ? chunk : `${chunk.length} bytes`);
      transport.write(chunk);
    },
    pause: () => transport.pause(),
    resume: () => transport.resume(),
    end: () => transport.end(),
    destroy: () => transport.destroy(),
  };
}

async function start() {
  const clock = new ManualClock(); // a turn ends by its packets, not because this machine is slow
  const [near, far] = memoryTransportPair();
  const asked: string[] = [];
  const answered: string[] = [];
  const host = new ServiceHost(kinds, handlersOf(new Work()), { clock });
  void host.accept(counting(far, answered));
  const link = await new Link<Kinds>(kinds, async () => counting(near, asked), new Reactions().all, { clock }).open();
  await link.call.nothing();
  asked.length = 0;
  answered.length = 0;
  return { link, asked, answered };
}

it("one call is one write each way", async () => {
  const { link, asked, answered } = await start();
  expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  expect(asked).toEqual(["[15#co_begin]102;x;n;d=30000[8#]add(1,2)[3#co_end]102"]);
  expect(answered).toEqual(["[3#co_ack_begin]102[1#co_recv]3[3#co_ack_end]102"]);
  await link.disconnect();
});

it("calls of one turn are one write each way", async () => {
  const { link, asked, answered } = await start();
  const sums = await Promise.all(Array.from({ length: 64 }, (_, i) => link.call.add({ a: i, b: 1 })));
  expect(sums).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  expect(asked.length).toBe(1);
  expect(answered.length).toBeLessThanOrEqual(3); // a host takes 64 packets in a turn, three a call
  await link.disconnect();
});

it("a small body goes with its call", async () => {
  const { link, asked } = await start();
  await link.call.upload({ size: 5 }, { body: new Uint8Array(5) });
  expect(asked).toEqual(["[17#co_begin]102;x;b=5;d=30000[9#]upload(5)", "5 bytes", "[3#co_end]102"]);
  await link.disconnect();
});

it("much at once waits for a peer that keeps up, rather than for the send buffer to overflow", async () => {
  const { link, asked } = await start();
  const text = "x".repeat(200_000);
  const answers = await Promise.all(Array.from({ length: 100 }, () => link.call.echo({ value: text })));
  expect(answers.every((answer) => answer === text)).toBe(true); // 20 MB, where 16 MiB may be waiting
  expect(asked.length).toBeGreaterThanOrEqual(100);
  await link.disconnect();
});

it("calls whose handlers end later have no longer turn than others: the other connections come in between", async () => {
  const clock = new ManualClock();
  const [near, far] = memoryTransportPair();
  let turn = 0;
  let isOver = false;
  const began: number[] = [];
  const host = new ServiceHost(
    defineService({ name: "later", version: "1.0.0", methods: { work: method({ params: {}, result: z.int() }) } }),
    () => ({
      async work() {
        began[turn] = (began[turn] ?? 0) + 1;
        return turn;
      },
    }),
    { clock, limits: { maxInFlight: 1 } },
  );
  void host.accept(far);
  const count = () => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  const calls = Array.from({ length: 500 }, (_, i) => call(101 + i)).join("");
  const answered = new Promise<void>((resolve) => {
    let heard = "";
    near.start({
      onData: (chunk) => {
        heard += new TextDecoder().decode(chunk);
        if (heard.includes("[3#co_ack_end]600")) resolve();
      },
      onDrain: () => undefined,
      onEnd: () => undefined,
      onClose: () => undefined,
    });
  });
  count();
  near.write(calls);
  await answered;
  isOver = true;
  near.destroy();
  expect(Math.max(...began.filter((starts) => starts > 0))).toBeLessThanOrEqual(64); // packets of a turn
});

function call(seq: number): string {
  return `[7#co_begin]${seq};x;n[6#]work()[3#co_end]${seq}`;
}
