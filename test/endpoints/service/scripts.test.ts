/**
 * Scripts of typed calls: composition in one round trip.
 */
import { defineService, HbiError, Link, memoryTransportPair, method } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, kinds, Point, Reactions, Work } from "./fixture.ts";

const User = z.strictObject({ id: z.int(), name: z.string() });
const users = defineService({
  name: "users",
  version: "1.0.0",
  methods: {
    user_by_email: method({ params: { email: z.string().max(50) }, result: User }),
    notify: method({ params: { user: User }, result: z.string() }),
    tell: method({ params: { user: User, text: z.string().optional() }, result: z.string() }),
    names: method({ params: { list: z.array(z.string()) }, result: z.int() }),
    inc: method({ params: { n: z.int().max(1_000) }, result: z.int() }),
    log: method({ params: { text: z.string() } }),
    fail: method({ params: {}, result: z.int() }),
    secret: method({ params: { key: z.string() }, result: z.string() }),
    upload: method({ params: { n: z.int() }, body: ({ n }) => n, result: z.int() }),
  },
});

interface Told {
  readonly user: { readonly name: string };
  readonly text?: string | undefined;
}

async function start(limits: object = {}) {
  const ran: string[] = [];
  const traced =
    <A, R>(name: string, run: (params: A) => R) =>
    (params: A): R => {
      ran.push(name);
      return run(params);
    };
  const sent: string[] = [];
  const test = await testLink(
    users,
    () => ({
      user_by_email: traced("user_by_email", async ({ email }: { email: string }) => ({ id: 7, name: email })),
      notify: traced("notify", ({ user }: { user: { name: string } }) => `${user.name}: -`),
      tell: traced("tell", ({ user, text }: Told) => `${user.name}: ${text}`),
      names: traced("names", ({ list }: { list: string[] }) => list.length),
      inc: traced("inc", ({ n }: { n: number }) => n + 1),
      log: traced("log", () => undefined),
      fail: traced("fail", (): number => {
        throw new HbiError("not_found", "nobody");
      }),
      secret: traced("secret", () => "5ecret"),
      upload: traced("upload", () => 0),
    }),
    {
      host: { log: () => undefined, limits },
      link: {
        limits,
        interceptors: [
          (call, next) => {
            sent.push(String(call.params));
            return next();
          },
        ],
      },
    },
  );
  return { link: test.link, ran, sent, close: () => test.link.disconnect() };
}

describe("a script", () => {
  it("nests calls, and gives the result of the outer one", async () => {
    const { link, ran, sent, close } = await start();
    expect(await link.script((s) => s.notify(s.user_by_email("a@b.c")))).toBe("a@b.c: -");
    expect(ran).toEqual(["user_by_email", "notify"]);
    expect(sent).toEqual(['notify(user_by_email("a@b.c"))']);
    await close();
  });

  it.each<[string, Parameters<Link<typeof users>["script"]>[0], unknown]>([
    ["by position", (s) => s.inc(1), 2],
    ["by name", (s) => s.inc({ n: 1 }), 2],
    ["nested by name", (s) => s.tell({ user: s.user_by_email({ email: "x" }), text: "hi" }), "x: hi"],
    ["deeply", (s) => s.inc(s.inc(s.inc(1))), 4],
    ["an array by position", (s) => s.names(["a", "b"]), 2],
    ["several", (s) => [s.inc(1), s.log("x"), s.notify(s.user_by_email("y"))], [2, undefined, "y: -"]],
    ["one in a list", (s) => [s.inc(1)], [2]],
    ["one without a result", (s) => s.log("x"), undefined],
  ])("takes its parameters %s", async (_, build, expected) => {
    const { link, close } = await start();
    expect(await link.script(build)).toEqual(expected);
    await close();
  });

  it("is validated here, call by call, before anything is sent", async () => {
    const { link, ran, close } = await start();
    for (const build of [
      (s) => s.inc("1" as never),
      (s) => s.inc({ n: 1, m: 2 } as never),
      (s) => s.notify({ user: { id: 1 } } as never),
      (s) => s.user_by_email("x".repeat(51)),
      (s) => s.tell(s.user_by_email("x") as never),
      (s) => s.tell("x" as never),
    ] satisfies Parameters<Link<typeof users>["script"]>[0][]) {
      await expect(link.script(build as never)).rejects.toMatchObject({ reason: "bad_argument" });
    }
    expect(ran).toEqual([]);
    await close();
  });

  it("is validated there, with what the inner calls gave", async () => {
    const { link, ran, close } = await start();
    await expect(link.script((s) => s.inc(s.inc(1_000)))).rejects.toMatchObject({ reason: "bad_argument" });
    await expect(link.script((s) => s.notify(s.secret("k") as never))).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.not.stringContaining("5ecret"),
    });
    expect(ran).toEqual(["inc", "secret"]);
    expect(await link.call.inc({ n: 1 })).toBe(2);
    await close();
  });

  it("fails as a whole when one of its calls does; those before it have run", async () => {
    const { link, ran, close } = await start();
    await expect(link.script((s) => [s.inc(1), s.fail(), s.log("never")])).rejects.toMatchObject({ code: "not_found" });
    expect(ran).toEqual(["inc", "fail"]);
    await close();
  });

  it.each<[string, Parameters<Link<typeof users>["script"]>[0], string]>([
    ["a call in two places", (s) => ((one) => [s.inc(one), s.inc(one)])(s.inc(1)), "used twice"],
    ["a call in none", (s) => ((_lost) => s.inc(2))(s.inc(1)), "neither an argument nor a statement"],
    ["nothing", () => [], "an empty script"],
  ])("of %s is a mistake", async (_, build, message) => {
    const { link, ran, close } = await start();
    await expect(link.script(build)).rejects.toThrow(message);
    expect(ran).toEqual([]);
    await close();
  });

  it("has no calls with raw data", async () => {
    const { link, close } = await start();
    await expect(link.script((s) => (s as unknown as { upload: () => never }).upload())).rejects.toThrow();
    await close();
  });

  it.each([
    [4, true],
    [5, false],
  ])("of %i calls, with maxCallsPerScript 4, goes through: %s", async (count, goes) => {
    const { link, close } = await start({ maxCallsPerScript: 4 });
    const result = link.script((s) => {
      let inner = s.inc(0);
      for (let i = 1; i < count; i++) inner = s.inc(inner);
      return inner;
    });
    if (goes) expect(await result).toBe(4);
    else await expect(result).rejects.toMatchObject({ reason: "too_many_calls" });
    await close();
  });

  it.each([
    [3, true],
    [4, false],
  ])("of %i statements, with maxStatements 3, goes through: %s", async (count, goes) => {
    const { link, close } = await start({ maxStatements: 3 });
    const result = link.script((s) => Array.from({ length: count }, (_, i) => s.inc(i)));
    if (goes) expect(await result).toEqual([1, 2, 3]);
    else await expect(result).rejects.toMatchObject({ reason: "too_many_statements" });
    await close();
  });

  it("takes a signal and a deadline, and a text of a user never becomes code", async () => {
    const { link, close } = await start();
    const text = '"); secret("';
    expect(await link.script((s) => s.names([text, text]))).toBe(2);
    await expect(link.script((s) => s.inc(1), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "cancelled",
    });
    await close();
  });

  it("runs on the consumer as well", async () => {
    const both = defineService({
      name: "both",
      version: "1.0.0",
      methods: { start: method({ params: {}, result: z.int() }) },
      reactions: { inc: users.methods.inc },
    });
    const test = await testLink(both, (peer) => ({ start: () => peer.script((s) => s.inc(s.inc(1))) }), {
      reactions: { inc: ({ n }) => n + 1 },
    });
    expect(await test.link.call.start()).toBe(3);
    await test.close();
  });

  it("writes values of the definition, also as the first thing that a link does", async () => {
    const test = await testLink(kinds, handlersOf(new Work()), { reactions: new Reactions().all });
    expect(await test.link.script((s) => s.mirror({ at: new Point(1, 2) }))).toEqual(new Point(2, 1));
    await test.close();
  });

  it("needs an open link", async () => {
    const [near] = memoryTransportPair();
    const link = new Link(users, async () => near, {}, {});
    await link.open();
    void link.disconnect();
    await expect(link.script((s) => s.inc(1))).rejects.toMatchObject({ code: "unavailable", mayHaveLanded: false });
  });
});
