/**
 * What a landed script may name and where: calls in calls, in values and in assignments; raw data behind a call whose length another
 * call decides; objects made of values. Seen by both ends of a connection.
 */
import { HbiError, HostingEnv, method, Script, value } from "hbi";
import { answer, conversation, packet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { barePeer, pair } from "../../support/pair.ts";

const point = value({
  params: { x: z.number(), y: z.number().default(0) },
  make: ({ x, y }) => ({ point: [x, y] }),
});
const any = z.unknown();

/** `echo` gives what it got; `size` and `later` a number; `plain` declares no result; `take` and `upload` take raw data. */
function exposed(): { readonly env: HostingEnv; readonly calls: string[] } {
  const calls: string[] = [];
  const env: HostingEnv = new HostingEnv()
    .construct("Point", point)
    .slot("seen", z.array(z.number()), [])
    .expose("size", method({ params: { n: z.number() }, result: z.number() }), ({ n }) => {
      calls.push(`size ${n}`);
      return n;
    })
    .expose("later", method({ params: { n: z.number() }, result: z.number() }), async ({ n }) => {
      calls.push(`later ${n}`);
      return n;
    })
    .expose("wrong", method({ params: {}, result: z.number() }), () => "secret" as never)
    .expose("wrong_later", method({ params: {}, result: z.number() }), async () => "secret" as never)
    .expose("more", method({ params: {}, result: z.object({ a: z.number() }) }), () => ({ a: 1, b: "secret" }))
    .expose("more_later", method({ params: {}, result: z.object({ a: z.number() }) }), async () => ({ a: 1, b: 2 }))
    .expose("plain", method({ params: {} }), () => "plain")
    .expose("echo", method({ params: { a: any, b: any.optional() }, result: z.string() }), ({ a, b }) =>
      JSON.stringify([a, b]),
    )
    .expose("slot", method({ params: {}, result: z.string() }), () => JSON.stringify(env.get("seen")))
    .expose(
      "take",
      method({ params: { n: z.number() }, body: ({ n }) => n, result: z.string() }),
      async ({ n }, co) => {
        const bytes = new Uint8Array(n);
        await co.recvData(bytes);
        return new TextDecoder().decode(bytes);
      },
    )
    .expose("upload", method({ params: { a: any }, body: "manual" }), () => undefined)
    .expose(
      "download",
      method({ params: {}, result: z.number(), resultBody: (size) => size }),
      () => undefined as never,
    );
  return { env, calls };
}

/** What the last statement of the script is answered. */
async function landed(code: string, data?: Uint8Array): Promise<{ answer: unknown; calls: string[] }> {
  const { env, calls } = exposed();
  const { po } = await pair(env);
  const answer = await po.converse(async (co) => {
    await co.sendCode(new Script(code));
    if (data !== undefined) await co.sendData(data);
    return co.recvObj();
  });
  return { answer, calls };
}

describe("a call in a script may stand", () => {
  it.each<[string, string, unknown, readonly string[]]>([
    ["in an argument", "echo(size(1))", "[1,null]", ["size 1"]],
    ["in a named one", "echo(size(1), b=later(2))", "[1,2]", ["size 1", "later 2"]],
    ["in an array", "echo([later(1), 5, size(2)])", "[[1,5,2],null]", ["later 1", "size 2"]],
    ["in an object", 'echo({"a": later(1), "b": [size(2)]})', '[{"a":1,"b":[2]},null]', ["later 1", "size 2"]],
    ["in a value", "echo(Point(y=size(1), x=later(2)))", '[{"point":[2,1]},null]', ["size 1", "later 2"]],
    ["in a value, behind one", "echo(Point(later(1), y=size(2)))", '[{"point":[1,2]},null]', ["later 1", "size 2"]],
    ["without a declared result", "echo(plain())", '["plain",null]', []],
    ["in an assignment", "seen = [size(1), later(2)]; slot()", "[1,2]", ["size 1", "later 2"]],
    ["in a value that nobody asked for", "[size(1), Point(later(2))]; echo(0)", "[0,null]", ["size 1", "later 2"]],
    ["as such a value itself", "Point(1); echo(0)", "[0,null]", []],
  ])("%s: %s", async (_, code, answer, calls) => expect(await landed(code)).toEqual({ answer, calls }));

  it.each([
    ["echo(more())", '[{"a":1},null]'],
    ["echo([1, more_later()])", '[[1,{"a":1}],null]'],
    ["echo(size(size(size(3))))", "[3,null]"],
  ])("and returns only what its result declares: %s", async (code, answer) => {
    expect((await landed(code)).answer).toBe(answer);
  });

  it.each(["echo(wrong())", "echo([1, wrong_later()])", "seen = [wrong()]; slot()", "Point(wrong_later()); slot()"])(
    "and fails if its result does not match the declaration: %s",
    async (code) => {
      const failed = await landed(code).catch((thrown) => thrown);
      expect(failed.code).toBe("internal");
      expect(JSON.stringify([failed.message, failed.details])).not.toContain("secret");
    },
  );

  it("in the argument that determines how much raw data follows", async () => {
    const { answer, calls } = await landed("take(later(3))", new TextEncoder().encode("abc"));
    expect([answer, calls]).toEqual(["abc", ["later 3"]]);
  });
});

describe("a script is refused whole, before any of it runs, for", () => {
  it.each([
    ["a call that nobody knows, in a value", "size(1)\n[nobody(2)]", "no such name"],
    ["one in an assignment", "size(1)\nseen = [nobody(2)]", "no such name"],
    ["an assignment to a method", "size(1)\nsize = 5", "no such name"],
    ["a slot that is called", "size(1)\nseen(2)", "no such name"],
    ["a slot that is called in a call", "size(1)\necho(seen(2))", "no such name"],
    ["an argument given by place and by name", "size(1)\nsize(2, n=3)", "argument refused"],
    ["an argument of no parameter", "size(1)\nsize(m=3)", "argument refused"],
    ["one argument too many", "size(1)\nsize(2, 3)", "argument refused"],
    ["a value of a bad argument", 'size(1)\nPoint("x")', "argument refused"],
    ["a value for a slot that it does not take", 'size(1)\nseen = ["x"]', "argument refused"],
    ["raw data behind a call in a call", "size(1)\necho(take(2))", "argument refused"],
    ["raw data behind a result in a call", "size(1)\necho(download())", "argument refused"],
    ["a length of raw data that is none", "size(1)\ntake(0.5)", "argument refused"],
    ["a length below 0", "size(1)\ntake(-1)", "argument refused"],
  ])("%s", async (_, code, message) => {
    const { env, calls } = exposed();
    const { po } = await pair(env);
    const asked = po.converse(async (co) => {
      await co.sendCode(code);
      return co.recvObj();
    });
    await expect(asked).rejects.toThrow(message);
    expect(calls).toEqual([]);
  });

  it.each([
    [
      "a value for a slot that it does not take, once it is there",
      "seen = [later(1), echo(2)]\nslot()",
      "bad_argument",
    ],
    ["an argument that is refused, once it is there", "size(echo(1))", "bad_argument"],
  ])("but not what shows while it runs: %s", async (_, code, reason) => {
    await expect(landed(code)).rejects.toMatchObject({ reason });
  });
});

describe("a refused script leaves the connection whole only where the bytes behind it are certain", () => {
  /** Whether they are by the script alone. By the token they are, whatever the script is. */
  it.each<[string, string, boolean]>([
    ["a known call in a refused value", '[size(1), Point("x")]', true],
    ["one that nobody knows", "[size(1), nobody(2)]", false],
    ["one that takes raw data", '[take(1), Point("x")]', false],
    ["an assignment of what nobody knows", "seen = nobody(2)", false],
    ["an assignment of what is refused", 'seen = Point("x")', true],
    ["a length that hangs on a call that is refused", 'take(size("x"))', false],
  ])("%s", async (_, code, isWholeUnpromised) => {
    for (const [id, isWhole] of [
      ["101;x", isWholeUnpromised],
      ["101;x;n", true],
    ] as const) {
      const { env } = exposed();
      const peer = await barePeer(env);
      expect(await peer.say(conversation(id, code))).toContain(isWhole ? "HbiError(" : "#err]");
      expect(await peer.say(conversation("102;x;n", "size(7)"))).toBe(
        isWhole ? answer("102", packet("co_recv", "7")) : "",
      );
      peer.destroy();
    }
  });
});

describe("an object that is received", () => {
  const clientEnv = () => new HostingEnv().construct("Point", point).expose("f", method({ params: {} }), () => 1);

  /** What `co.recvObj` gives of an object of this text. */
  async function received(text: string): Promise<unknown> {
    const env = new HostingEnv().expose("send", method({ params: {}, body: "manual" }), (_, co) =>
      co.sendObj(new Script(text)),
    );
    const { po } = await pair(env, { clientEnv: clientEnv() });
    return po.converse(async (co) => {
      await co.sendCode("send()");
      return co.recvObj();
    });
  }

  it.each<[string, unknown]>([
    ["Point(1, 2)", { point: [1, 2] }],
    ["Point(y=1, x=2)", { point: [2, 1] }],
    ["[Point(1), 5, [Point(2)]]", [{ point: [1, 0] }, 5, [{ point: [2, 0] }]]],
    ['{"a": Point(1), "b": 5}', { a: { point: [1, 0] }, b: 5 }],
  ])("is made of values, wherever they stand: %s", async (text, expected) => {
    expect(await received(text)).toEqual(expected);
  });

  it.each([
    ["nobody(1)", "unknown_name"],
    ["[f()]", "not_a_value"],
    ["Point(f())", "not_a_value"],
    ['Point("x")', "bad_argument"],
    ["Point(1, x=2)", "bad_argument"],
  ])("is refused otherwise, and runs no method: %s", async (text, reason) => {
    await expect(received(text)).rejects.toMatchObject({ reason });
  });

  it("may be an error, of a code that this side does not know", async () => {
    const error = await received('[HbiError("teapot", "no\\nmore", None, "no_reason")]');
    expect(error).toEqual([expect.any(HbiError)]);
    expect(error).toMatchObject([{ code: "unknown", message: "no\\nmore", details: undefined, reason: undefined }]);
  });
});
