/**
 * What was validated is what is sent, and it arrives: parameters, results, reactions, scripts, values and details.
 */
import { createContext, runInContext } from "node:vm";
import {
  Connection,
  callsOver,
  defineService,
  HbiError,
  HostingEnv,
  Link,
  memoryTransportPair,
  method,
  type Service,
  ServiceHost,
  script,
  value,
} from "hbi";
import { testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { BarePeer, pair } from "../../support/pair.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A service that is given parameters and gives results of one schema, and what its handler was given. */
async function over(params: z.ZodType, result: z.ZodType = params, given?: unknown) {
  const service = defineService({
    name: "values",
    version: "1.0.0",
    methods: {
      take: method({ params: { a: params } }),
      give: method({ params: {}, result }),
      use: method({ params: { a: result }, result: z.boolean() }),
    },
    reactions: { told: method({ params: { a: params } }) },
  });
  const taken: unknown[] = [];
  const told: unknown[] = [];
  const test = await testLink(
    service as Service,
    () => ({
      take: (got: unknown) => void taken.push(got),
      give: () => given,
      use: (got: unknown) => taken.push(got) > 0,
    }),
    { reactions: { told: (got: unknown) => void told.push(got) }, host: { log: () => undefined } },
  );
  closing.push(() => test.close());
  const { call } = test.link as unknown as { call: Record<string, (params?: unknown) => Promise<unknown>> }; // typed by no definition
  const { call: back } = test.peer as unknown as { call: Record<string, (params?: unknown) => Promise<unknown>> };
  return { call, back, taken, told, link: test.link };
}

describe("undefined arrives as a result where the schema allows it", () => {
  it.each([
    ["optional", z.string().optional()],
    ["void", z.void()],
    ["undefined", z.undefined()],
    ["any", z.any()],
    ["unknown", z.unknown()],
    ["a union", z.union([z.string(), z.undefined()])],
    ["a literal", z.literal(["a", undefined])],
    ["nullish", z.string().nullish()],
  ])("%s", async (_, schema) => {
    const { call, link } = await over(schema, schema, undefined);
    expect(await call["give"]?.()).toBe(undefined);
    expect(await link.script((s) => (s as never as { give(): never }).give())).toBe(undefined);
  });

  it("inside arrays, tuples and members, and as a parameter", async () => {
    const schema = z.tuple([z.unknown(), z.array(z.string().optional()), z.object({ a: z.unknown(), b: z.void() })]);
    const given = [undefined, ["a", undefined], { a: undefined, b: undefined }];
    const { call, back, taken, told } = await over(schema, schema, given);
    expect(await call["give"]?.()).toStrictEqual(given);
    await call["take"]?.({ a: given });
    await back["told"]?.({ a: given });
    expect([taken, told]).toStrictEqual([[{ a: given }], [{ a: given }]]);
  });

  it.each([[{}], [{ a: undefined }]])("and so does a parameter that is %j, for z.unknown()", async (params) => {
    const { call, taken } = await over(z.unknown());
    await call["take"]?.(params);
    expect(taken).toStrictEqual([{ a: undefined }]);
  });

  it("null stays null, and is refused where only undefined is allowed", async () => {
    const { call } = await over(z.unknown(), z.string().nullish(), null);
    expect(await call["give"]?.()).toBe(null);
    const strict = await over(z.unknown(), z.string().optional(), null);
    await expect(strict.call["give"]?.()).rejects.toMatchObject({ code: "internal" });
  });

  it("a method without a result stays a notification", async () => {
    const { call } = await over(z.string());
    expect(await call["take"]?.({ a: "x" })).toBe(undefined);
  });

  it("in a conversation", async () => {
    const env = new HostingEnv().expose("f", method({ params: {}, result: z.string().optional() }), () => undefined);
    const { po, client } = await pair(env);
    closing.push(async () => void client.disconnect());
    const got = await po.converse(async (co) => {
      await co.sendCode(script`f()`);
      return [await co.recvObj(z.string().optional())];
    });
    expect(got).toStrictEqual([undefined]);
  });
});

class User {
  readonly #name: string;
  readonly passwordHash = "s3cret";
  reads = 0;
  constructor(name: string) {
    this.#name = name;
  }
  get name(): string {
    this.reads += 1;
    return this.#name;
  }
}

describe("what a schema strips does not leave this side", () => {
  const PublicUser = z.object({ name: z.string() });
  const WithDefault = z.object({ name: z.string(), role: z.string().default("guest") });
  const WithTransform = z.object({ name: z.string().transform((name) => name.length) }).optional();

  it.each([
    ["a parameter", PublicUser, { name: "Ada" }],
    ["a parameter with a default inside", WithDefault, { name: "Ada", role: "guest" }],
    ["a parameter with a transform inside", WithTransform, { name: 3 }],
    ["items of an array", z.array(PublicUser).transform(([user]) => user), { name: "Ada" }],
    ["an alternative", z.union([z.string(), z.object({ id: z.int() }), WithDefault]), { name: "Ada", role: "guest" }],
    ["an intersection", z.intersection(PublicUser, z.object({ age: z.int().default(1) })), { name: "Ada", age: 1 }],
    [
      "a record",
      z.record(z.string(), WithDefault).transform((all) => all["name"] ?? all["u"]),
      { name: "Ada", role: "guest" },
    ],
    ["a lazy one", z.lazy(() => WithDefault), { name: "Ada", role: "guest" }],
  ])("%s", async (what, schema, expected) => {
    for (const user of [{ name: "Ada", passwordHash: "s3cret" }, new User("Ada")]) {
      const { call, back, taken, told, link } = await over(schema, z.unknown());
      const given = what.startsWith("items") ? [user] : what.startsWith("a record") ? { u: user } : user;
      await call["take"]?.({ a: given });
      await back["told"]?.({ a: given });
      await link.script((s) => (s as never as { take(params: unknown): never }).take({ a: given }));
      expect([taken, told]).toStrictEqual([[{ a: expected }, { a: expected }], [{ a: expected }]]);
      expect(await codeOf(schema, given)).not.toContain("s3cret");
    }
  });

  it("a result, also of a class", async () => {
    for (const user of [{ name: "Ada", passwordHash: "s3cret" }, new User("Ada")]) {
      const { call } = await over(z.unknown(), z.array(z.object({ name: z.string() })), [user]);
      expect(await call["give"]?.()).toStrictEqual([{ name: "Ada" }]);
    }
  });

  it("a getter is read once", async () => {
    for (const schema of [PublicUser, WithDefault, WithTransform]) {
      const { call } = await over(schema, z.unknown());
      const user = new User("Ada");
      await call["take"]?.({ a: user });
      expect(user.reads).toBe(1);
    }
  });

  it("parameters that are themselves an object with getters are read once, and strict ones refuse what they do not know", async () => {
    const { call, taken } = await over(z.int().default(1));
    let reads = 0;
    const params = {
      get a() {
        reads += 1;
        return reads;
      },
    };
    await call["take"]?.(params);
    expect([reads, taken]).toStrictEqual([1, [{ a: 1 }]]);
    await expect(call["take"]?.({ a: 1, b: 2 })).rejects.toMatchObject({ reason: "bad_argument" });
    const strict = await over(z.strictObject({ a: z.int().default(1) }));
    await expect(strict.call["take"]?.({ a: { a: 1, b: 2 } })).rejects.toMatchObject({ reason: "bad_argument" });
  });
});

/** The text of a call with the parameter. */
async function codeOf(schema: z.ZodType, a: unknown): Promise<string> {
  const service = defineService({ name: "s", version: "1.0.0", methods: { take: method({ params: { a: schema } }) } });
  let code = "";
  const { call } = callsOver(service, {
    carry: async (carried) => {
      code = carried.code;
      return [];
    },
  });
  await call.take({ a });
  return code;
}

describe("what another realm or a class has made is sent", () => {
  const realm = createContext({});
  const foreign = (code: string): unknown => runInContext(code, realm);

  it.each([
    ["an object", '({ a: [1, { b: "x" }] })', { a: [1, { b: "x" }] }],
    ["an array", "[1, [2]]", [1, [2]]],
    ["bytes", "new Uint8Array([1, 255])", new Uint8Array([1, 255])],
    ["bytes inside", "({ a: new Uint8Array(2) })", { a: new Uint8Array(2) }],
  ])("%s", async (_, code, expected) => {
    const { call, taken } = await over(z.unknown(), z.unknown(), foreign(code));
    await call["take"]?.({ a: foreign(code) });
    await call["take"]?.(foreign(`({ a: ${code} })`));
    expect(taken).toStrictEqual([{ a: expected }, { a: expected }]);
    expect(await call["give"]?.()).toStrictEqual(expected);
  });

  it("the details of an error", async () => {
    const service = defineService({ name: "s", version: "1.0.0", methods: { fail: method({ params: {} }) } });
    const details = foreign("({ id: 1, tags: [undefined, 'a'] })") as Record<string, unknown>;
    const test = await testLink(service, () => ({
      fail: () => {
        throw new HbiError("not_found", "none", details);
      },
    }));
    closing.push(() => test.close());
    await expect(test.link.call.fail()).rejects.toMatchObject({ details: { id: 1, tags: [undefined, "a"] } });
  });

  it.each([
    ["a Date", "new Date(0)"],
    ["a Map", "new Map()"],
    ["an instance of a class", "class A {}; new A()"],
  ])("but not %s", async (_, code) => {
    const { call } = await over(z.unknown());
    await expect(call["take"]?.({ a: foreign(code) })).rejects.toMatchObject({ reason: "not_representable" });
  });
});

describe("values with constructors", () => {
  class Mark {
    readonly x: number;
    readonly label: string | undefined;
    readonly at: unknown;
    readonly secret = "s3cret";
    constructor(x: number, label: string | undefined, at: unknown) {
      this.x = x;
      this.label = label;
      this.at = at;
    }
  }
  const mark = value({
    params: { x: z.number(), label: z.string().optional(), at: z.object({ y: z.number() }).optional() },
    make: ({ x, label, at }) => new Mark(x, label, at),
    is: (candidate) => candidate instanceof Mark,
  });
  const service = defineService({
    name: "marks",
    version: "1.0.0",
    methods: { echo: method({ params: { a: mark.schema }, result: mark.schema }) },
    values: { Mark: mark },
  });

  it.each([
    [1, undefined, undefined],
    [1, undefined, { y: 2, secret: "s3cret" }],
    [1, "a", undefined],
  ])("arrive with absent and stripped members: %j %j %j", async (x, label, at) => {
    const got: Mark[] = [];
    const test = await testLink(service, () => ({ echo: ({ a }: { a: Mark }) => got[got.push(a) - 1] as Mark }));
    closing.push(() => test.close());
    const stripped = at === undefined ? undefined : { y: 2 };
    expect(await test.link.call.echo({ a: new Mark(x, label, at) })).toStrictEqual(new Mark(x, label, stripped));
    expect(got).toStrictEqual([new Mark(x, label, stripped)]);
  });

  it("are refused here if their constructor would refuse them there", async () => {
    const test = await testLink(service, () => ({ echo: ({ a }: { a: Mark }) => a }));
    closing.push(() => test.close());
    const call = test.link.call.echo({ a: new Mark("no" as never, undefined, undefined) });
    await expect(call).rejects.toMatchObject({ reason: "bad_argument", mayHaveLanded: undefined });
  });
});

describe("what is coerced or decoded is sent as plain data", () => {
  it.each([
    ["a Date for z.coerce.date()", z.coerce.date(), new Date(5), new Date(5)],
    ["a text for z.coerce.date()", z.coerce.date(), "2020-01-01", new Date("2020-01-01")],
    ["a Date inside", z.object({ at: z.coerce.date() }), { at: new Date(5) }, { at: new Date(5) }],
    [
      "a codec",
      z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() }),
      "2020-01-01T00:00:00Z",
      new Date("2020-01-01T00:00:00Z"),
    ],
    [
      "what is preprocessed",
      z.preprocess((given) => new Date(String(given)), z.date()),
      "2020-01-01",
      new Date("2020-01-01"),
    ],
  ])("%s", async (_, schema, given, expected) => {
    const { call, taken } = await over(schema, z.unknown());
    await call["take"]?.({ a: given });
    expect(taken).toStrictEqual([{ a: expected }]);
  });
});

describe("a peer of the reference", () => {
  /** A host that answers as a Python program does. */
  async function pythonHost(answer: string, dialect: "json" | "python" = "json") {
    const heard: unknown[] = [];
    const env = new HostingEnv();
    env.expose("f", method({ params: {} }), async (_, co) => co.sendObj(answer));
    env.expose("note", method({ params: { a: z.unknown() } }), ({ a }) => void heard.push(a));
    const [near, far] = memoryTransportPair();
    const host = new Connection(far, () => env, { extension: false, log: () => undefined });
    const service = defineService({
      name: "s",
      version: "1.0.0",
      methods: {
        f: method({ params: {}, result: z.string().optional() }),
        note: method({ params: { a: z.unknown() } }),
      },
    });
    const opened = new Link(service, async () => near, {}, { dialect, log: () => undefined }).open();
    await host.start();
    const link = await opened;
    closing.push(() => link.disconnect());
    return { link, heard };
  }

  it.each([
    ["None", undefined],
    ["", undefined],
    ['"x"', "x"],
  ])("may answer an optional result with %j", async (answer, expected) => {
    const { link } = await pythonHost(answer);
    expect(await link.call.f()).toBe(expected);
    expect(await link.script((s) => s.f())).toBe(expected);
  });

  it("is refused as before if neither null nor undefined is allowed", async () => {
    const { link } = await pythonHost("5");
    await expect(link.call.f()).rejects.toMatchObject({ reason: "bad_answer" });
  });

  it("never gets the word: its dialect has null, and without one the call is refused here", async () => {
    const python = await pythonHost("None", "python");
    await python.link.call.note({ a: [undefined, 1] });
    expect(python.heard).toStrictEqual([[null, 1]]);
    const { link, heard } = await pythonHost("None");
    await expect(link.call.note({ a: [undefined] })).rejects.toMatchObject({ reason: "not_representable" });
    await link.call.note({ a: { left: undefined } });
    expect(heard).toStrictEqual([{}]);
  });

  it("gets None for a result that is undefined", async () => {
    const env = new HostingEnv().expose("f", method({ params: {}, result: z.string().optional() }), () => undefined);
    const peer = new BarePeer(env);
    await peer.connection.start();
    const answer = await peer.say("[1#co_begin]1[3#]f()[1#co_end]1");
    expect(answer).toContain("[4#co_recv]None");
    peer.destroy();
  });
});

it("credentials are shown without what their schema strips", async () => {
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: { ping: method({ params: {}, result: z.string() }) },
    credentials: { user: z.object({ token: z.string() }), since: z.coerce.date() },
  });
  let written = "";
  const seen: unknown[] = [];
  const host = new ServiceHost(service, () => ({ ping: () => "pong" }), {
    authenticate: (credentials: unknown) => seen.push(credentials) > 0,
  } as never);
  const dial = async () => {
    const [near, far] = memoryTransportPair();
    const { write } = near;
    near.write = (chunk) => {
      written += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
      write.call(near, chunk);
    };
    void host.accept(far);
    return near;
  };
  const credentials = { user: { token: "t0ken", passwordHash: "s3cret" }, since: new Date(5) };
  const link = await new Link(service, dial, {}, { credentials, log: () => undefined }).open();
  closing.push(() => link.disconnect());
  expect(await link.call.ping()).toBe("pong");
  expect(seen).toStrictEqual([{ user: { token: "t0ken" }, since: new Date(5) }]);
  expect(written).toContain("t0ken");
  expect(written).not.toContain("s3cret");
});
