/**
 * Schemas that are asynchronous by mistake: found where they are declared or at the first call, and never by the end of the process.
 */
import {
  defineService,
  HbiError,
  HostingEnv,
  Link,
  type LogEntry,
  memoryTransportPair,
  method,
  ServiceHost,
  value,
} from "hbi";
import { quiet, testLink } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { pair } from "../support/pair.ts";

const unheard: unknown[] = [];
const remember = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", remember));
afterAll(() => void process.off("unhandledRejection", remember));

/** A function whose looks do not tell that it is asynchronous. */
const late = (): Promise<never> => Promise.reject(new Error("nobody hears this"));
const asyncFn = async (): Promise<never> => {
  throw new Error("nobody hears this");
};
type Fn = () => Promise<never>;
/** As its author believes it to be. */
const any = (fn: Fn) => fn as unknown as () => boolean;
const text = (fn: Fn) => fn as unknown as () => string;

/** Every way by which a function of an author's gets into a schema of strings. */
const KINDS: readonly [name: string, make: (fn: Fn) => z.ZodType<unknown, unknown>][] = [
  ["refine", (fn) => z.string().refine(any(fn))],
  ["refine with a condition", (fn) => z.string().refine(() => true, { when: any(fn) })],
  ["superRefine", (fn) => z.string().superRefine(fn)],
  ["check", (fn) => z.string().check(fn)],
  [
    "a refined number in a check of a property",
    (fn) => z.string().check(z.property("length", z.int().refine(any(fn))) as never),
  ],
  ["custom", (fn) => z.custom(any(fn))],
  ["overwrite", (fn) => z.string().overwrite(text(fn))],
  ["transform", (fn) => z.string().transform(text(fn))],
  ["preprocess", (fn) => z.preprocess(any(fn), z.string())],
  ["pipe", (fn) => z.pipe(z.string(), z.transform(text(fn)))],
  ["codec", (fn) => z.codec(z.string(), z.string(), { decode: text(fn), encode: String })],
  ["catch", (fn) => z.int().catch(fn as never)],
  ["message in a catch", (fn) => z.int({ error: text(fn) }).catch(3)],
  ["default", (fn) => z.object({ a: z.string().default(text(fn)) }).or(z.undefined())],
  ["prefault", (fn) => z.object({ a: z.string().prefault(text(fn)) })],
  ["lazy", (fn) => z.lazy(() => z.string().refine(any(fn)))],
  ["a lazy that makes new ones", (fn) => z.lazy(() => endless(fn))],
  ["object", (fn) => z.object({ a: z.string().refine(any(fn)).optional(), b: z.string().refine(any(fn)) })],
  ["catchall", (fn) => z.object({}).catchall(z.string().refine(any(fn)))],
  ["record", (fn) => z.record(z.string().refine(any(fn)), z.unknown())],
  ["array", (fn) => z.array(z.string().refine(any(fn)))],
  ["tuple", (fn) => z.tuple([z.string()], z.string().refine(any(fn)))],
  ["union", (fn) => z.union([z.int(), z.string().refine(any(fn))])],
  ["intersection", (fn) => z.intersection(z.string().refine(any(fn)), z.string().refine(any(fn)))],
  ["optional, nullable, readonly", (fn) => z.string().refine(any(fn)).optional().nullable().readonly()],
];
/** By their looks alone nobody knows: zod hides the function in one of its own, or it stands in what is made later. */
const HIDDEN = new Set(["superRefine", "default", "prefault"]);
const VALUES: Readonly<Record<string, unknown>> = {
  default: {},
  prefault: {},
  object: { a: "x", b: "x" },
  catchall: { a: "x" },
  record: { a: "x" },
  array: ["x", "x"],
  tuple: ["x", "x"],
  "a lazy that makes new ones": { more: { text: "x" }, text: "x" },
};

function endless(fn: Fn): z.ZodType {
  return z.object({ more: z.lazy(() => endless(fn)).optional(), text: z.string().refine(any(fn)) });
}

/** The error of an author: its code, and that it names the place. */
function told(thrown: unknown): string {
  const error = thrown as HbiError;
  return `${error.code} ${error.reason}: ${error.message}`;
}

async function failureOf(promise: Promise<unknown>): Promise<HbiError> {
  const thrown = await promise.then(
    (value) => new Error(`resolved with ${String(value)}`),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(HbiError);
  return thrown as HbiError;
}

describe("a schema with an asynchronous function", () => {
  for (const [name, make] of KINDS) {
    it(`is refused where it is declared: ${name}`, () => {
      const declare = () => method({ params: { given: make(asyncFn) } });
      if (HIDDEN.has(name)) expect(declare).not.toThrow();
      else expect(declare).toThrow(/given.*asynchronous/);
    });

    it(`fails the first call, here and at the peer, and no rejection is left: ${name}`, async () => {
      const declared = { given: make(late) };
      const given = VALUES[name] ?? "x";
      const service = defineService({
        name: "late",
        version: "1.0.0",
        methods: { take: method({ params: declared }) },
      });
      const log: LogEntry[] = [];
      const host = { log: (entry: LogEntry) => void log.push(entry) };
      const { link } = await testLink(service, () => ({ take: () => undefined }), { host });

      const here = await failureOf(link.call.take({ given } as never));
      expect(here.code).toBe("internal");
      // zod exhausts the stack where it walks an endless schema, as it does when a service describes itself.
      if (name === "a lazy that makes new ones") expect(here.message).toMatch(/^take: internal error: /);
      else {
        expect(here.message).toMatch(/^take: internal error: .*asynchronous .* not supported$/);
        expect(told(here.cause)).toMatch(/^invalid_argument bad_option: bad option: take: given.*asynchronous/);
      }

      // Past the check of this side.
      const there = await failureOf(
        link.po.converse(async (co) => {
          await co.sendCode(`take(${JSON.stringify(given)})`);
          await co.waitCompleted();
        }),
      );
      expect(there.code).toBe("internal");
      if (name !== "a lazy that makes new ones") {
        // of an endless schema, which part it was is not always known
        expect(there.message).toBe(here.message);
        expect(told(log.at(-1)?.error.cause)).toMatch(
          /^invalid_argument bad_option: bad option: take: given.*asynchronous/,
        );
      }
      await link.disconnect();
      await quiet();
      expect(unheard).toEqual([]);
    });
  }

  it("may be used elsewhere as before", async () => {
    const schema = z.string().refine(() => Promise.resolve(false), "asynchronous");
    const other = z.string().transform(() => Promise.resolve(4));
    method({ params: { schema, other } });
    expect((await schema.safeParseAsync("x")).success).toBe(false);
    expect(await other.parseAsync("x")).toBe(4);
    expect(() => schema.parse("x")).toThrow(z.core.$ZodAsyncError);
    // Also from within a function of a schema that runs here.
    const outer = z.string().refine((text) => {
      void other.parseAsync(text);
      return true;
    });
    const service = defineService({
      name: "outer",
      version: "1.0.0",
      methods: { take: method({ params: { outer, other: other.optional() }, result: z.string() }) },
    });
    const { link } = await testLink(service, () => ({ take: ({ outer: given }) => given }));
    await expect(link.call.take({ outer: "y" })).resolves.toBe("y");
    await link.disconnect();
    await quiet();
    expect(unheard).toEqual([]);
  });

  it("is prepared when it is there: what speaks of a later definition", async () => {
    const early = z.object({
      get later() {
        return later;
      },
    });
    const lazy = z.lazy(() => another);
    const take = method({ params: { early: early.optional(), lazy: lazy.optional() } });
    const later = z.string().refine(late as never);
    const another = z.string().transform(late);
    const service = defineService({ name: "later", version: "1.0.0", methods: { take } });
    const { link } = await testLink(service, () => ({ take: () => undefined }));
    const first = await failureOf(link.call.take({ lazy: "x" } as never));
    const second = await failureOf(link.call.take({ early: { later: "x" } } as never));
    expect(told(first.cause)).toContain("take: lazy: an asynchronous transform");
    expect(told(second.cause)).toContain("take: early.later: an asynchronous refinement");
    await link.disconnect();
    await quiet();
    expect(unheard).toEqual([]);
  });
});

describe("wherever a schema stands", () => {
  const hidden = () => z.string().refine(late as never);
  const looksIt = () => z.string().refine(asyncFn);

  it.each<[string, () => unknown]>([
    ["a result", () => method({ params: {}, result: looksIt() })],
    ["a result, by its type", () => method({ params: {}, result: z.promise(z.string()) })],
    [
      "a credential",
      () => defineService({ name: "s", version: "1.0.0", methods: {}, credentials: { token: looksIt() } }),
    ],
    ["a slot", () => new HostingEnv().slot("name", looksIt())],
    ["a value's parameter", () => value({ params: { x: looksIt() }, make: () => 1 })],
    ["a value's make", () => value({ params: {}, make: asyncFn })],
    ["a value's is", () => value({ params: {}, make: () => 1, is: asyncFn as never })],
    ["a body", () => method({ params: {}, body: asyncFn as never })],
    ["the body of a result", () => method({ params: {}, result: z.string(), resultBody: asyncFn as never })],
  ])("it is refused at once: %s", (_, declare) => {
    expect(declare).toThrow(/asynchronous/);
  });

  const service = defineService({
    name: "places",
    version: "1.0.0",
    methods: {
      give: method({ params: {}, result: hidden() }),
      made: method({ params: { of: z.unknown() }, result: z.string() }),
      react: method({ params: {}, result: z.string() }),
    },
    reactions: { note: method({ params: { text: hidden() }, result: z.string() }) },
    values: { Late: value({ params: {}, make: late }) },
    credentials: { token: z.string().refine((token) => (token === "bad" ? late() : true) as never) },
  });

  async function places(token: string) {
    const log: LogEntry[] = [];
    const tell = { log: (entry: LogEntry) => void log.push(entry) };
    const linked = testLink(
      service,
      () => ({
        give: () => "x" as never,
        made: () => "made",
        react: (_, { peer }) =>
          (peer as never as { call: { note(of: object): Promise<string> } }).call.note({ text: "x" }),
      }),
      {
        reactions: { note: () => "noted" },
        host: { ...tell, authenticate: () => ({}) },
        link: { ...tell, credentials: { token } },
      },
    );
    return { linked, log };
  }

  it.each<[string, string, string]>([
    ["a result, at the host", "give()", "give: an asynchronous refinement"],
    ["a value's make", "made(Late())", "Late: an asynchronous function"],
    ["a reaction's parameter, where it is called", "react()", "note: text: an asynchronous refinement"],
  ])("the call fails as internal, and nothing else: %s", async (_, code, what) => {
    const { linked, log } = await places("good");
    const { link } = await linked;
    const error = await failureOf(
      link.po.converse(
        async (co) => {
          await co.sendCode(code);
          return co.recvObj();
        },
        { hasNoRawData: true },
      ),
    );
    expect(error.code).toBe("internal");
    expect(error.message).toContain("internal error: ");
    expect(error.message).toContain(`${what.slice(what.indexOf("an async"))} is not supported`);
    const said = log.map(({ error: { cause } }) => told(cause)).join();
    expect(said).toContain("asynchronous");
    expect(said).toBe(`invalid_argument bad_option: bad option: ${what} is not supported`);
    await expect(link.ping()).resolves.toBeTypeOf("number");
    await link.disconnect();
    await quiet();
    expect(unheard).toEqual([]);
  });

  it("credentials are refused", async () => {
    const { linked, log } = await places("bad");
    const error = await failureOf(linked);
    expect(error.code).toBe("internal");
    expect(log.map(({ error: { cause } }) => told(cause)).join()).toContain("asynchronous");
    await quiet();
    expect(unheard).toEqual([]);
  });

  it("a consumer's check of a result fails the call alone", async () => {
    const live = method({ params: {}, result: z.string() });
    const give = (result: z.ZodType<string, string>) => method({ params: {}, result });
    const define = (result: z.ZodType<string, string>) =>
      defineService({ name: "places", version: "1.0.0", methods: { give: give(result), live } });
    const given = define(z.string());
    const asked = define(hidden());
    const host = new ServiceHost(given, () => ({ give: () => "x", live: () => "lives" }), {});
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      void host.accept(far);
      return near;
    };
    const link = await new Link(asked, dial, {}, {}).open();
    const error = await failureOf(link.call.give({}));
    expect(error.code).toBe("internal");
    expect(told(error.cause)).toContain("give: an asynchronous refinement");
    await expect(link.call.live({})).resolves.toBe("lives");
    await link.disconnect();
    await quiet();
    expect(unheard).toEqual([]);
  });

  it("a slot and a received object", async () => {
    const ask = method({ params: {}, result: z.string() });
    const env = new HostingEnv().slot("name", hidden()).expose("ask", ask, () => "x");
    const { po, client, log } = await pair(env);
    await failureOf(
      po.converse(
        async (co) => {
          await co.sendCode('name = "x"');
          await co.waitCompleted();
        },
        { hasNoRawData: true },
      ),
    );
    expect(told(log[0]?.error.cause)).toContain("name: an asynchronous refinement");
    const asked = await failureOf(
      po.converse(async (co) => {
        await co.sendCode("ask()");
        await co.recvObj(hidden());
      }),
    );
    expect(told(asked.cause)).toContain("object: an asynchronous refinement");
    await client.disconnect();
    await quiet();
    expect(unheard).toEqual([]);
  });
});
