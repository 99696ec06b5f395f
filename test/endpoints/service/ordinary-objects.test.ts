/**
 * `link.call`, `link.post`, `link.try`, the same of a peer, of `callsOver` and of a script are ordinary objects: what people do with
 * objects in tests and in wiring works.
 */
import { inspect } from "node:util";
import { callsOver } from "hbi";
import { testLink } from "hbi/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

const test = await testLink(kinds, handlersOf(new Work()), { reactions: new Reactions().all });
const over = callsOver(kinds, { carry: () => new Promise<never>(() => undefined) });
let ofScript: Functions = {};
await test.link.script((s) => {
  ofScript = s;
  return s.add({ a: 1, b: 2 });
});
const methods = Object.keys(kinds.methods);
const inScripts = Object.keys(ofScript);
const reactions = Object.keys(kinds.reactions);

afterEach(() => void vi.restoreAllMocks());

describe.each<[string, Functions, readonly string[]]>([
  ["link.call", test.link.call, methods],
  ["link.post", test.link.post, methods],
  ["link.try", test.link.try, methods],
  ["peer.call", test.peer.call, reactions],
  ["peer.post", test.peer.post, reactions],
  ["peer.try", test.peer.try, reactions],
  ["call of callsOver", over.call, methods],
  ["try of callsOver", over.try, methods],
  ["post of callsOver", over.post, methods],
  ["the object of a script", ofScript, inScripts],
])("%s", (_name, calls, names) => {
  it("lists its methods, before any was used", () => {
    expect(Object.keys(calls)).toEqual(names);
    expect(Object.keys({ ...calls })).toEqual(names);
    expect(names.every((name) => name in calls && Object.hasOwn(calls, name))).toBe(true);
    expect("nonsense" in calls || "then" in calls).toBe(false);
    const listed: string[] = [];
    for (const name in calls) listed.push(name);
    expect(listed).toEqual(names);
  });

  it("has one function for each method, always the same", () => {
    for (const name of names) expect(calls[name]).toBe(calls[name]);
    expect({ ...calls }).toEqual(calls);
    expect(Object.fromEntries(Object.entries(calls))).toStrictEqual(calls);
  });

  it("can be awaited, printed and written", async () => {
    expect(await calls).toBe(calls);
    expect(inspect(calls)).toContain(`${names[0]}: [Function`);
    expect(String(calls)).toBe("[object Object]");
    expect(JSON.stringify(calls)).toBe("{}");
  });

  it("can be spied on, and wrapped", () => {
    const name = names[0] as string; // each has one
    const spied: Record<string, (...args: never[]) => unknown> = calls;
    const original = spied[name];
    const spy = vi.spyOn(spied, name).mockReturnValue("mocked");
    expect(calls[name]?.()).toBe("mocked");
    expect(spy).toHaveBeenCalledTimes(1);
    spy.mockRestore();
    expect(calls[name]).toBe(original);
    expect(Object.keys(new Proxy(calls, {}))).toEqual(names);
    expect(new Proxy(calls, {})[name]).toBe(original);
  });
});

it("a method called through a copy, a proxy, a variable or a spy is the method", async () => {
  const { add } = test.link.call;
  const spy = vi.spyOn(test.link.call, "add");
  const calls = [add, { ...test.link.call }.add, new Proxy(test.link.call, {}).add, test.link.call.add];
  expect(await Promise.all(calls.map((each) => each({ a: 1, b: 2 })))).toEqual([3, 3, 3, 3]);
  expect(spy).toHaveBeenCalled();
  const { told } = test.peer.post;
  await (await told({ text: "pushed" })).waitCompleted();
});

it("a link and a peer can be printed", () => {
  for (const each of [test.link, test.peer]) expect(() => [inspect(each), JSON.stringify(each)]).not.toThrow();
});
