/**
 * Dates, Maps, Sets and URLs between peers: both ways, what the other side must have said, and what lands where no schema asks for one.
 */
import {
  Connection,
  defineService,
  HbiError,
  HostingEnv,
  Link,
  memoryTransportPair,
  method,
  ServiceHost,
  script,
} from "hbi";
import { answer, conversation, hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { writeCall } from "../../../src/registry/call-text.ts";
import { helloOfServer } from "../../support/hello.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function serviceOf(schema: z.ZodType) {
  return defineService({
    name: "rich",
    version: "1.0.0",
    methods: {
      echo: method({ params: { a: schema }, result: schema }),
      upload: method({ params: { a: schema }, body: () => 3, result: schema }),
      download: method({ params: { a: schema }, result: schema, resultBody: () => 3 }),
    },
    reactions: { note: method({ params: { a: schema } }) },
  });
}

const caught = (promise: Promise<unknown>) =>
  promise.then(
    (value) => value,
    (thrown: unknown) => thrown,
  );

const date = new Date(1_700_000_000_001);
const key = z.union([z.string(), z.number(), z.bigint(), z.boolean(), z.null(), z.nan(), z.date()]);
const Tree: z.ZodType = z.lazy(() => z.map(z.string(), Tree));

describe("arrives in both directions", () => {
  it.each<[string, z.ZodType, unknown]>([
    ["a Date", z.date(), date],
    ["the first Date", z.date(), new Date(-8.64e15)],
    ["a Date in an object", z.object({ at: z.date().optional() }), { at: date }],
    ["a nullable Date", z.array(z.date().nullable()), [null, date]],
    ["an instance of Date", z.instanceof(Date), date],
    [
      "a Map",
      z.map(z.string(), z.int()),
      new Map([
        ["b", 1],
        ["a", 2],
      ]),
    ],
    ["an empty Map", z.map(z.string(), z.int()), new Map()],
    [
      "a Map whose keys are of all types",
      z.map(key, z.int()),
      new Map<unknown, number>([
        ["1", 1],
        [1, 2],
        [1n, 3],
        [true, 4],
        [null, 5],
        [Number.NaN, 6],
        [date, 7],
      ]),
    ],
    [
      "a Map with tuples as keys",
      z.map(z.tuple([z.int(), z.int()]), z.string()),
      new Map([
        [[1, 2], "a"],
        [[1, 2], "b"],
      ]),
    ],
    ["a Set", z.set(z.int()), new Set([3, 1, 2])],
    ["a Set of objects", z.set(z.object({ a: z.int() })), new Set([{ a: 1 }, { a: 1 }])],
    ["a URL", z.instanceof(URL), new URL("https://user:p%20w@a.example:81/b c?d=é#f")],
    ["what is inside of each other", z.map(z.string(), z.set(z.array(z.date()))), new Map([["a", new Set([[date]])]])],
    [
      "a Map that contains itself",
      Tree,
      new Map([
        ["a", new Map([["b", new Map()]])],
        ["c", new Map()],
      ]),
    ],
    ["one of a union", z.union([z.iso.datetime(), z.date()]), date],
    ["bytes in a Map", z.map(z.string(), z.instanceof(Uint8Array)), new Map([["a", Uint8Array.of(0, 255)]])],
    ["undefined in a Map", z.map(z.string(), z.int().optional()), new Map([["a", undefined]])],
    ["more of them than calls are read", z.array(z.date()), Array.from({ length: 600 }, (_, i) => new Date(i))],
  ])("%s", async (_, schema, value) => {
    const noted: unknown[] = [];
    const taken: unknown[] = [];
    const heard = <T>(given: T) => given;
    const test = await testLink(
      serviceOf(schema),
      () => ({
        echo: ({ a }) => heard(a),
        upload: async ({ a }, call) => {
          taken.push(a);
          await call.bytes();
          return a;
        },
        download: ({ a }) => ({ result: a, body: new Uint8Array(3) }),
      }),
      { reactions: { note: ({ a }) => void noted.push(a) } },
    );
    closing.push(() => test.close());
    const { call } = test.link;
    const same = (got: unknown) => {
      expect(got).toStrictEqual(value);
      if (value instanceof URL) expect(String(got)).toBe(String(value));
    };
    same(await call.echo({ a: value }));
    same(await call.upload({ a: value }, { body: new Uint8Array(3) }));
    const { result, body } = await call.download({ a: value });
    same(result);
    expect(await body.bytes()).toHaveLength(3);
    await test.peer.call.note({ a: value });
    for (const got of [...taken, ...noted]) same(got);
    expect(noted).toHaveLength(1);
    const built = await test.link.script((s) => s.echo({ a: s.echo({ a: value }) }));
    same(built);
  });
});

describe("what was validated is what is sent", () => {
  it("stripped inside of a Map, and before a default is filled in", async () => {
    const schema = z.map(z.string(), z.object({ a: z.int().default(3), b: z.date() }));
    const method_ = method({ params: { a: schema } });
    const writing = { dialect: "json", maxDepth: 32, writer: undefined } as const;
    const given = new Map([["k", { b: new Date(5), secret: 1 }]]);
    const { code, onlyOurs } = writeCall("put", method_ as never, { a: given }, writing);
    expect(code).toBe('put($map([["k",{"b":$date(5)}]]))');
    expect(onlyOurs).toContain("a is a Map; send an array of its entries: [...map], or use a peer");
  });

  it.each<[string, z.ZodType, unknown]>([
    ["an invalid Date", z.instanceof(Date), new Date(Number.NaN)],
    ["a Date out of bounds", z.date().min(new Date(5)), new Date(4)],
    ["a Map with a wrong value", z.map(z.string(), z.int()), new Map([["a", "b"]])],
    ["a Map with a wrong key", z.map(z.string(), z.int()), new Map([[1, 1]])],
    ["a Set with a wrong item", z.set(z.int()), new Set(["a"])],
    ["an array for a Set", z.set(z.int()), [1]],
    ["a text for a URL", z.instanceof(URL), "https://a.example/"],
  ])("%s is refused here", async (_, schema, value) => {
    const { transport, peer } = hostileTransport();
    const link = await new Link(
      serviceOf(schema),
      async () => transport,
      { note: () => undefined },
      { log: () => undefined },
    ).open();
    const got = await caught(link.call.echo({ a: value }));
    expect(got).toBeInstanceOf(HbiError);
    expect(got).toMatchObject({ code: "invalid_argument" });
    await quiet();
    expect(peer.heard()).not.toContain("echo(");
    peer.reset();
    await link.disconnect();
  });
});

const VALUES: readonly [string, unknown][] = [
  ["a Date", date],
  ["a Map", new Map([[1, 2]])],
  ["a Set", new Set([1])],
  ["a URL", new URL("https://a.example/")],
];
const anything = serviceOf(z.unknown());
const EARLIER = "100;x;n;m=9;p=9000";
const OURS = `${EARLIER};rich=1`;

describe.each(VALUES)("%s", (what, value) => {
  const refused = expect.objectContaining({
    code: "invalid_argument",
    reason: "not_representable",
    message: expect.stringMatching(`a.* is ${what}; .*, or use a peer that reads rich values`) as string,
  });
  async function talking() {
    const { transport, peer } = hostileTransport();
    const link = await new Link(
      anything,
      async () => transport,
      { note: () => undefined },
      { log: () => undefined },
    ).open();
    await quiet();
    peer.heard();
    closing.push(async () => {
      peer.reset();
      await link.disconnect();
    });
    return { link, peer };
  }

  it("is not sent to a service of an earlier version, which keeps its connection", async () => {
    const { link, peer } = await talking();
    const calls = [
      link.call.echo({ a: [value] }),
      link.call.upload({ a: [5n, value] }, { body: new Uint8Array(3) }),
      link.script((s) => s.echo({ a: value })),
      link.po.notif(script`echo(${value})`),
    ].map(caught);
    await quiet();
    expect(peer.heard()).toBe("");
    peer.say(conversation(EARLIER) + answer("100"));
    for (const call of calls.slice(0, 3)) expect(await call).toEqual(refused);
    expect(await calls[3]).toMatchObject({ reason: "not_representable" });
    expect(await caught(link.call.echo({ a: value }))).toEqual(refused);
    await quiet();
    expect(peer.heard()).not.toContain("$");
    const small = caught(link.call.echo({ a: 5n })); // which every version reads
    await quiet();
    const [, id = ""] = /co_begin\](\d+)[^[]*\[\d+#\]echo\(5n\)/.exec(peer.heard()) ?? [];
    peer.say(answer(id, packet("co_recv", "5n")));
    expect(await small).toBe(5n);
  });

  it("is sent to one that says that it reads it", async () => {
    const { link, peer } = await talking();
    const call = caught(link.call.echo({ a: value }));
    await quiet();
    expect(peer.heard()).toBe("");
    peer.say(conversation(OURS) + answer("100"));
    await quiet();
    expect(peer.heard()).toMatch(/echo\(\$(?:date|map|set|url)\(/);
    peer.say(answer("101", packet("co_recv", "1")));
    expect(await call).toBe(1);
  });

  it("is not given to a consumer that has not said so, as a result, a push or the object of a download", async () => {
    for (const hello of ["", conversation(EARLIER)]) {
      const { transport, peer } = hostileTransport();
      let push: ((params: { a: unknown }) => Promise<unknown>) | undefined;
      const host = new ServiceHost(
        anything,
        (consumer) => {
          push = (params) => consumer.call.note(params);
          return {
            echo: () => value,
            upload: () => value,
            download: () => ({ result: value, body: new Uint8Array(3) }),
          };
        },
        { log: () => undefined },
      );
      await host.accept(transport);
      if (hello !== "") peer.say(hello);
      peer.say(conversation("101;x;n", "echo(1)") + conversation("102;x;n", "download(1)"));
      await quiet();
      const pushed = caught(push?.({ a: value }) as Promise<unknown>);
      await quiet();
      const heard = peer.heard();
      expect(heard.match(/HbiError\("internal"/g)).toHaveLength(2);
      expect(heard).not.toMatch(/\$(?:date|map|set|url)/);
      if (hello === "") peer.say(answer(helloOfServer(anything)));
      expect(await pushed).toEqual(refused);
      peer.reset();
    }
  });

  it("is not written for a peer of the reference", async () => {
    for (const dialect of ["json", "python", "go"] as const) {
      const env = new HostingEnv();
      env.expose("echo", method({ params: { a: z.unknown() } }), async (_, co) => co.sendObj("1"));
      const [near, far] = memoryTransportPair();
      const host = new Connection(far, () => env, { extension: false, log: () => undefined });
      const opened = new Link(
        anything,
        async () => near,
        { note: () => undefined },
        { dialect, log: () => undefined },
      ).open();
      await host.start();
      const link = await opened;
      expect(await caught(link.call.echo({ a: value }))).toMatchObject({ reason: "not_representable" });
      expect(await link.call.echo({ a: 1 })).toBe(1);
      await link.disconnect();
    }
  });

  it("lands in z.unknown() and z.any() as itself, and in no schema of plain data", async () => {
    const kinds = {
      unknown: z.unknown(),
      any: z.any(),
      json: z.json(),
      record: z.record(z.string(), z.unknown()),
      loose: z.looseObject({}),
      all: z.object({}).catchall(z.unknown()),
      array: z.array(z.unknown()),
      string: z.string(),
      number: z.number(),
    };
    const methods = Object.fromEntries(
      Object.entries(kinds).map(([name, schema]) => [name, method({ params: { a: schema }, result: z.boolean() })]),
    );
    const service = defineService({ name: "kinds", version: "1.0.0", methods });
    const got: unknown[] = [];
    const handlers = Object.fromEntries(
      Object.keys(kinds).map((name) => [name, ({ a }: { a: unknown }) => got.push(a) > 0]),
    );
    const test = await testLink(service, () => handlers as never);
    closing.push(() => test.close());
    for (const name of Object.keys(kinds)) {
      const wanted = name === "unknown" || name === "any";
      const answered = test.link.po.converse(async (co) => {
        await co.sendCode(script`${script_(name)}(${value})`);
        return co.recvObj();
      });
      expect(await caught(answered), name).toEqual(wanted ? true : expect.objectContaining({ reason: "bad_argument" }));
    }
    expect(got).toStrictEqual([value, value]);
  });
});

function script_(name: string) {
  return { [Symbol.for("hbi.repr")]: () => name };
}
