/**
 * Fake timers of a test runner: deadlines of the library come while they are installed, and when they no longer are.
 */
import { connect, serve } from "hbi/node";
import { testLink } from "hbi/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Clock } from "../../../src/clock.ts";
import { runProgram } from "../../support/programs.ts";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

const ALL = [
  ...(["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"] as const),
  ...(["Date", "performance", "queueMicrotask"] as const),
];
const FAKES = {
  default: undefined,
  all: [...ALL],
  setImmediate: ["setImmediate"],
  performance: ["performance"],
} as const;
const install = (toFake: (typeof FAKES)[keyof typeof FAKES]) =>
  void vi.useFakeTimers(toFake === undefined ? {} : { toFake: [...toFake] });

afterEach(() => void vi.useRealTimers());

describe.each(Object.entries(FAKES))("fake timers: %s", (_name, toFake) => {
  it("installed after the library was loaded: calls and deadlines work, over sockets and in memory", async () => {
    const handlers = handlersOf(new Work());
    const server = await serve(kinds, "127.0.0.1:0", handlers, { log: () => undefined });
    const reactions = new Reactions().all;
    install(toFake);
    const link = await connect(kinds, server.address, reactions);
    const memory = await testLink(kinds, handlers, { reactions, host: { log: () => undefined } });
    const links = [link, memory.link];
    const deadlines = async () => {
      for (const { call } of links) {
        expect(await call.add({ a: 1, b: 2 })).toBe(3);
        await expect(call.hold({ name: "x" }, { timeoutMs: 30 })).rejects.toMatchObject({ code: "deadline_exceeded" });
      }
    };
    await deadlines();
    const across = links.map(({ call }) => call.hold({ name: "y" }, { timeoutMs: 100 }));
    vi.useRealTimers();
    for (const call of across) await expect(call).rejects.toMatchObject({ code: "deadline_exceeded" });
    await deadlines();
    await Promise.all([...links.map((each) => each.disconnect()), server.close()]);
  });

  it("installed before the library was loaded: its clock goes on, now and later", async () => {
    install(toFake);
    const path = `../../../src/clock.ts?loaded-under=${_name}`; // a module of its own
    const { systemClock: clock } = (await import(path)) as { readonly systemClock: Clock };
    const passes = async () => {
      const before = clock.now();
      await new Promise<void>((resolve) => void clock.after(30, resolve));
      await new Promise<void>((resolve) => clock.soon(resolve));
      await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      expect(clock.now() - before).toBeGreaterThanOrEqual(29);
    };
    await passes();
    const across = new Promise<void>((resolve) => void clock.after(60, resolve));
    vi.useRealTimers();
    await across;
    await passes();
  });
});

it.each(["before", "after"])("timers of node:test, mocked %s the library was loaded", async (when) => {
  const { code, output } = await runProgram("test/system/programs/fake-timers.ts", [when]);
  expect(output).toContain("deadlines came");
  expect(code).toBe(0);
});
