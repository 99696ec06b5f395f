/**
 * What connections share is handed in: servers of one process may share it or have their own.
 */
import { defineService, method, ProcessLoad } from "hbi";
import { quiet, testLink } from "hbi/testing";
import { expect, it } from "vitest";

const hold = method({ params: {} });
const holding = defineService({ name: "holding", version: "1.0.0", methods: { hold }, reactions: { hold } });

/** A service and its consumer, whose handlers wait until they are let go. */
async function starts(load: ProcessLoad, linkLoad = new ProcessLoad()) {
  let running = 0;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handlers = {
    hold: () => {
      running += 1;
      return held;
    },
  };
  const limits = { maxProcessInFlight: 2 };
  const test = await testLink(holding, () => handlers, {
    reactions: handlers,
    host: { load, limits },
    link: { load: linkLoad, limits },
  });
  const close = async () => {
    release();
    await test.close();
  };
  return { ...test, close, running: () => running };
}

it.each([
  ["share one", true, 1],
  ["have their own", false, 2],
])("places of two servers that %s", async (_, isShared, running) => {
  const load = new ProcessLoad();
  const first = await starts(load);
  const second = await starts(isShared ? load : new ProcessLoad());
  void first.link.call.hold();
  await quiet();
  for (let i = 0; i < 2; i++) void second.link.call.hold();
  await quiet();
  expect([first.running(), second.running()]).toEqual([1, running]);
  expect(load.places).toBe(isShared ? 2 : 1);
  await first.close();
  await second.close();
  expect([load.places, load.bytes, load.unsent.bytes]).toEqual([0, 0, 0]);
});

it("a link has one as well, for what its service calls", async () => {
  const [load, linkLoad] = [new ProcessLoad(), new ProcessLoad()];
  const test = await starts(load, linkLoad);
  void test.peer.call.hold();
  await quiet();
  expect([load.places, linkLoad.places]).toEqual([0, 1]);
  await test.close();
  expect(linkLoad.places).toBe(0);
});

it("connections with the same load and the same clock take turns with each other, and with no others", () => {
  const load = new ProcessLoad();
  const clock = { now: () => 0, after: () => ({ cancel() {} }), soon: () => undefined, endOfTurn: () => undefined };
  expect(load.schedulerOf(clock)).toBe(load.schedulerOf(clock));
  expect(load.schedulerOf(clock)).not.toBe(new ProcessLoad().schedulerOf(clock));
  expect(load.schedulerOf(clock)).not.toBe(load.schedulerOf({ ...clock }));
});
