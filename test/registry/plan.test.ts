/**
 * What the statements of a script do, and whether the position behind them stays certain when one of them is refused.
 */
import { HostingEnv, method, parseScript, resolveLimits } from "hbi";
import { answer, conversation, packet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { planScript } from "../../src/registry/plan.ts";
import { barePeer } from "../support/pair.ts";

const n = z.int().min(0);

function world() {
  const ran: string[] = [];
  const env = new HostingEnv()
    .expose("note", method({ params: { x: z.unknown() } }), ({ x }) => void ran.push(JSON.stringify(x)))
    .expose("sum", method({ params: { a: z.int(), b: z.int().default(100) }, result: z.int() }), ({ a, b }) => {
      ran.push(`sum ${a} ${b}`);
      return a + b;
    })
    .expose("later", method({ params: { x: z.int() }, result: z.int() }), async ({ x }) => x)
    .expose("take", method({ params: { n, x: z.string().optional() }, body: ({ n }) => n }), () => undefined)
    .expose("maybe", method({ params: { n: n.default(0) }, body: ({ n }) => n }), () => undefined)
    .slot("kept", z.array(z.int()));
  return { env, ran };
}

describe("a script", () => {
  it.each<[string, string, readonly string[]]>([
    ["of a value alone does nothing", "[1, 'a']", []],
    ["of a value runs the calls in it", "[sum(1, 2), {'a': sum(3, 4)}]", ["sum 1 2", "sum 3 4"]],
    ["of a value before a call", "1\nnote(2)", ["2"]],
    ["of a value behind a call", "note(2)\n1", ["2"]],
    [
      "nests calls by position and by name",
      "note(sum(sum(1, 2), b=sum(3, b=4)))",
      ["sum 1 2", "sum 3 4", "sum 3 7", "10"],
    ],
    ["nests calls that take long", "note([later(1), later(x=later(2))])", ["[1,2]"]],
    ["leaves out what has a default", "note(sum(later(1)))", ["sum 1 100", "101"]],
  ])("%s", async (_, code, expected) => {
    const { env, ran } = world();
    const peer = await barePeer(env);
    await peer.say(conversation("101;x;n", code));
    await peer.say(conversation("102;x;n", "note('over')"));
    expect(ran).toEqual([...expected, '"over"']);
    expect(peer.heard()).not.toContain("HbiError");
    peer.destroy();
  });

  it.each<[string, string]>([
    ["an unknown name", "nobody()"],
    ["an unknown name before a call", "nobody()\nnote(1)"],
    ["an unknown name behind a call", "note(1)\nnobody()"],
    ["an argument that is none of a method with raw data", "maybe(m=1)"],
  ])("loses the position behind %s, and the connection with it", async (_, code) => {
    const { env, ran } = world();
    const peer = await barePeer(env);
    const heard = await peer.say(conversation("101;x", code));
    await peer.say(conversation("102;x;n", "note('smuggled')"));
    expect(heard).toContain("#err]");
    expect(ran).toEqual([]);
    peer.destroy();
  });

  it.each<[string, string, string]>([
    ["another argument is refused", "take(3, 5)", "x: expected string"],
    ["another argument is refused, by name", "take(n=3, x=5)", "x: expected string"],
    ["an object with a key of no text is refused", "take(3, {True: 'a'})", '"bad_key"'],
    ["a call inside is refused", "take(3, sum('a'))", "sum: argument refused: a: expected number, got string"],
  ])("keeps the position where %s: the length is known", async (_, code, message) => {
    const { env, ran } = world();
    const peer = await barePeer(env);
    const heard = await peer.say(
      packet("co_begin", "101;x") + packet("", code),
      "abc",
      packet("co_end", "101"),
      conversation("102;x;n", "note('over')"),
    );
    expect(heard).toContain(message);
    expect(heard).toContain(answer("102"));
    expect(ran).toEqual(['"over"']);
    peer.destroy();
  });
});

it.each<[string, number | undefined]>([
  ["note(1)", 0],
  ["take(3)", 3],
  ["take(3)\nnote(1)\ntake(4)", 7],
  ["take(3)\nnote('a', 'b')", 3],
  ["nobody()", undefined],
  ["nobody()\ntake(3)", undefined],
  ["take(3)\nnobody()", undefined],
  ["take('a')\ntake(3)", undefined],
])("behind the script %j are so many raw bytes: %s", (code, rawBytes) => {
  const limits = resolveLimits();
  expect(planScript(parseScript(code, limits), world().env, limits).rawBytes).toBe(rawBytes);
});
