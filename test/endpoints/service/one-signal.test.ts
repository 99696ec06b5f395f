/**
 * One AbortSignal for many calls: one listener while any of them waits, none afterwards, and no warning of the platform.
 */
import { getEventListeners } from "node:events";
import { type HbiError, HostingEnv, script } from "hbi";
import { quiet, testLink } from "hbi/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pair } from "../../support/pair.ts";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

const warnings: Error[] = [];
const warned = (warning: Error) => void warnings.push(warning);
beforeAll(() => void process.on("warning", warned));
afterAll(() => {
  process.off("warning", warned);
  expect(warnings.map(({ message }) => message)).toEqual([]);
});

const MANY = 1_000;
const start = () =>
  testLink(kinds, handlersOf(new Work()), { reactions: new Reactions().all, host: { log: () => undefined } });
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;
const codeOf = (error: HbiError) => error.code;

it.each<[string, (signal: AbortSignal) => AbortSignal]>([
  ["a controller's", (signal) => signal],
  ["AbortSignal.any", (signal) => AbortSignal.any([signal, AbortSignal.timeout(60_000)])],
])("a thousand calls with %s signal", async (_name, derive) => {
  const { link, close } = await start();
  const controller = new AbortController();
  const signal = derive(controller.signal);
  const calls = Array.from({ length: MANY }, (_, a) => link.call.add({ a, b: 1 }, { signal }));
  expect(listeners(signal)).toBe(1);
  expect((await Promise.all(calls)).at(-1)).toBe(MANY);
  expect(listeners(signal)).toBe(0);

  const held = Array.from({ length: 200 }, () => link.call.hold({ name: "x" }, { signal }).catch(codeOf));
  const streams = Array.from({ length: 20 }, () =>
    link.call.upload({ size: 70_000 }, { signal, body: [new Uint8Array(70_000)] }).catch(codeOf),
  );
  expect(listeners(signal)).toBe(1);
  controller.abort();
  expect(new Set(await Promise.all([...held, ...streams]))).toEqual(new Set(["cancelled"]));
  expect(listeners(signal)).toBe(0);
  await quiet();
  await close();
});

it("waits and conversations with one signal", async () => {
  const { po, client } = await pair(new HostingEnv());
  const controller = new AbortController();
  const { signal } = controller;
  const talks = Array.from({ length: 20 }, async () => {
    const co = await po.co({ signal, hasNoRawAnswer: true });
    void co.sendCode(script`nothing()`, { signal }).catch(codeOf);
    return Promise.all([co.recvObj(undefined, { signal }).catch(codeOf), co.waitCompleted({ signal }).catch(codeOf)]);
  });
  await Promise.resolve();
  expect(listeners(signal)).toBe(1);
  controller.abort();
  expect(new Set((await Promise.all(talks)).flat())).toEqual(new Set(["cancelled"]));
  expect(listeners(signal)).toBe(0);
  await client.disconnect();
});
