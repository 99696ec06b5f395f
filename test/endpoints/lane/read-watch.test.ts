/**
 * ReadWatch: what is late while this side looks elsewhere is late only if nothing of it is there when it looks again.
 */
import { resolveLimits } from "hbi";
import { ManualClock } from "hbi/testing";
import { expect, it } from "vitest";
import { ReadWatch } from "../../../src/endpoints/lane/read-watch.ts";
import { PacketReader } from "../../../src/wire/packet-reader.ts";

const LIMITS = resolveLimits({ headerTimeoutMs: 1_000 });

function watching() {
  const clock = new ManualClock();
  const late: string[] = [];
  const host = { receivedBytes: 0, readLate: (reason: string) => void late.push(reason) };
  const watch = new ReadWatch(clock, LIMITS, host);
  const reader = new PacketReader(LIMITS);
  const say = (text: string) => {
    reader.push(Buffer.from(text), clock.now());
    watch.received(text.length);
    host.receivedBytes += text.length;
  };
  /** Takes what is there. */
  const take = () => {
    while (reader.next() !== undefined);
    watch.update(reader, false, false);
  };
  return { clock, late, watch, say, take };
}

it("a deadline that passes while it is held back counts when nothing more has come", async () => {
  const { clock, late, watch, say, take } = watching();
  say("[4#");
  take();
  watch.isHeldBack = true;
  await clock.advance(5_000);
  expect(late).toEqual([]);
  watch.isHeldBack = false;
  take();
  expect(late).toEqual(["read_timeout"]);
});

it("one that has come meanwhile is not late, nor is the next", async () => {
  const { clock, late, watch, say, take } = watching();
  say("[4#");
  take();
  watch.isHeldBack = true;
  await clock.advance(5_000);
  say("co_begin]101;[4#");
  watch.isHeldBack = false;
  take();
  for (let i = 0; i < 3; i++) take();
  await clock.advance(999);
  expect(late).toEqual([]);
  await clock.advance(1);
  expect(late).toEqual(["read_timeout"]);
});

it("what was late when it stopped is not late when it begins again", async () => {
  const { clock, late, watch, say, take } = watching();
  say("[4#");
  take();
  watch.isHeldBack = true;
  await clock.advance(5_000);
  watch.stop();
  watch.isHeldBack = false;
  take();
  take();
  await clock.advance(999);
  expect(late).toEqual([]);
  await clock.advance(1);
  expect(late).toEqual(["read_timeout"]);
  expect(clock.timerCount).toBe(0);
});
