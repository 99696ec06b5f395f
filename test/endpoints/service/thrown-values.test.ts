/**
 * Anything that JavaScript can throw, in every callback of the application: the peer gets a well-formed error, and the
 * process continues.
 */
import { CODES, defineService, FAILURES, HbiError, type LogEntry, method } from "hbi";
import { quiet, testLink } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const unheard: unknown[] = [];
const remember = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", remember));
afterAll(() => void process.off("unhandledRejection", remember));

const failing = (): never => {
  throw new Error("of the application's own object");
};
const every = new Proxy({}, { get: () => failing }); // every trap
const withMember = (key: string, member: PropertyDescriptor): HbiError =>
  Object.defineProperty(new HbiError("not_found", "gone"), key, member);
const cyclic = (): Error => {
  const error = new Error("in a circle");
  error.cause = error;
  return error;
};
class Own extends HbiError {
  override get message(): string {
    return failing();
  }
}

interface Told {
  readonly code: string;
  readonly message: string | RegExp;
  readonly reason?: string | undefined;
}
const INTERNAL: Told = { code: "internal", message: /^fail: internal error: reference \w{8}$/, reason: "handler" };

const THROWN: readonly [name: string, make: () => unknown, told: Told][] = [
  ["an error of its own", () => new HbiError("not_found", "gone"), { code: "not_found", message: "gone" }],
  ["no code", () => new HbiError(undefined as never, "gone"), { code: "unknown", message: "gone" }],
  ["an unknown code", () => new HbiError("notFound" as never, "gone"), { code: "unknown", message: "gone" }],
  ["a code that is an object", () => new HbiError({} as never, "gone"), { code: "unknown", message: "gone" }],
  ["a code of Object", () => new HbiError("toString" as never, "gone"), { code: "unknown", message: "gone" }],
  [
    "an unknown reason",
    () => Object.assign(new HbiError("not_found", "gone"), { reason: "nothing" }),
    { code: "not_found", message: "gone", reason: undefined },
  ],
  [
    "a reason of Object",
    () => Object.assign(new HbiError("not_found", "gone"), { reason: "toString" }),
    { code: "not_found", message: "gone", reason: undefined },
  ],
  ["no message", () => new HbiError("not_found", undefined as never), { code: "not_found", message: "" }],
  ["a message that is no text", () => withMember("message", { value: {} }), { code: "not_found", message: "" }],
  ["a getter as code", () => withMember("code", { get: failing }), { code: "unknown", message: "gone" }],
  ["a getter as message", () => withMember("message", { get: failing }), { code: "not_found", message: "" }],
  ["a getter as reason", () => withMember("reason", { get: failing }), { code: "not_found", message: "gone" }],
  ["a getter as details", () => withMember("details", { get: failing }), { code: "not_found", message: "gone" }],
  ["a getter as cause", () => withMember("cause", { get: failing }), { code: "not_found", message: "gone" }],
  ["a getter as stack", () => withMember("stack", { get: failing }), { code: "not_found", message: "gone" }],
  ["a stack that is no text", () => withMember("stack", { value: {} }), { code: "not_found", message: "gone" }],
  ["a getter of its class", () => new Own("not_found", ""), { code: "not_found", message: "" }],
  ["details that are a text", () => new HbiError("aborted", "", "no" as never), { code: "aborted", message: "" }],
  ["details that are a list", () => new HbiError("aborted", "", [1] as never), { code: "aborted", message: "" }],
  [
    "a long message of many lines",
    () => new HbiError("aborted", `one\ntwo\u001b[2J\u202e${"\u{1f600}".repeat(100_000)}`),
    { code: "aborted", message: /^one\\ntwo\\u\{1b\}\[2J\\u\{202e\}\u{1f600}{100,}\.\.\.$/u },
  ],
  [
    "a proxy of an error",
    () => new Proxy(new HbiError("not_found", "gone"), {}),
    { code: "not_found", message: "gone" },
  ],
  [
    "a proxy of an error that fails",
    () => new Proxy(new HbiError("not_found", "gone"), { get: failing }),
    { code: "unknown", message: "" },
  ],
  ["a proxy that fails at everything", () => new Proxy({}, every), INTERNAL],
  ["what only inherits", () => Object.create(HbiError.prototype), { code: "unknown", message: "" }],
  ["undefined", () => undefined, INTERNAL],
  ["null", () => null, INTERNAL],
  ["a number", () => 7, INTERNAL],
  ["a symbol", () => Symbol("thrown"), INTERNAL],
  ["a function", () => failing, INTERNAL],
  ["an object that can't be written", () => ({ toString: failing, valueOf: failing }), INTERNAL],
  ["an object without a prototype", () => Object.create(null), INTERNAL],
  [
    "an error whose text can't be read",
    () => Object.defineProperty(new Error(), "message", { get: failing }),
    INTERNAL,
  ],
  ["an error whose stack can't be read", () => Object.defineProperty(new Error(), "stack", { get: failing }), INTERNAL],
  ["an error in a circle", cyclic, INTERNAL],
  ["a long error", () => new Error("x\n".repeat(1_000_000)), INTERNAL],
];

const answer = method({ params: {}, result: z.string() });
const service = defineService({
  name: "thrown",
  version: "1.0.0",
  methods: { fail: answer, live: answer, upload: method({ params: {}, body: () => 3 }) },
});

/** Where the application is asked while a call of it is handled. */
const PLACES: readonly [name: string, options: (thrown: () => unknown) => Parameters<typeof testLink>[2]][] = [
  ["the handler", () => ({})],
  [
    "an interceptor",
    (thrown) => ({
      host: {
        interceptors: [
          (call, next) => {
            if (call.name !== "fail") return next();
            throw thrown();
          },
        ],
      },
    }),
  ],
  [
    "an interceptor that rejects",
    (thrown) => ({
      host: { interceptors: [(call, next) => (call.name === "fail" ? Promise.reject(thrown()) : next())] },
    }),
  ],
  [
    "authorize",
    (thrown) => ({
      host: {
        authorize: (call: { name: string }) => {
          if (call.name !== "fail") return true;
          throw thrown();
        },
      },
    }),
  ],
  ["a handler with a gate", () => ({ host: { concurrency: { fail: 1 } } }) as never],
];

async function linked(thrown: () => unknown, options: Parameters<typeof testLink>[2]) {
  const log: LogEntry[] = [];
  const handlers = () => ({
    fail: (): string => {
      throw thrown();
    },
    live: () => "lives",
    upload: () => undefined,
  });
  const host = { ...options?.host, log: (entry: LogEntry) => void log.push(entry) };
  const test = await testLink(service, handlers, { ...options, host } as never);
  return { test, log };
}

describe("the peer gets a well-formed error", () => {
  for (const [place, options] of PLACES) {
    it.each(THROWN)(`from ${place}: %s`, async (_, thrown, { code, message, reason }) => {
      const { test, log } = await linked(thrown, options(thrown));
      const error: HbiError = await test.link.call.fail({}).then(
        () => expect.fail("answered"),
        (failed) => failed,
      );
      expect(error).toBeInstanceOf(HbiError);
      expect(error.code).toBe(code);
      expect(error.reason).toBe(reason);
      if (typeof message === "string") expect(error.message).toBe(message);
      else expect(error.message).toMatch(message);
      expect(new TextEncoder().encode(error.message).length).toBeLessThanOrEqual(512);
      expect(log.filter(({ error }) => error.reason !== "details_lost")).toHaveLength(1);
      expect(CODES.has(log[0]?.error.code ?? "")).toBe(true);
      await expect(test.link.call.live({})).resolves.toBe("lives");
      await test.link.disconnect();
      await quiet();
      expect(unheard).toEqual([]);
    });
  }
});

describe("what is asked for a connection fails it alone", () => {
  const rows = THROWN.map(([name, make]) => [name, make] as const);

  it.each(rows)("authenticate: %s", async (_, thrown) => {
    const authenticate = () => {
      throw thrown();
    };
    const host = { authenticate, log: () => undefined };
    const error = await testLink(service, () => handlers(), { host } as never).then(
      ({ link }) => link.call.live({}).catch((failed: unknown) => failed),
      (failed: unknown) => failed,
    );
    expect(error).toBeInstanceOf(HbiError);
    expect(CODES.has((error as HbiError).code)).toBe(true);
    await quiet();
    expect(unheard).toEqual([]);
  });

  it.each(rows)("the factory of handlers: %s", async (_, thrown) => {
    const factory = (): ReturnType<typeof handlers> => {
      throw thrown();
    };
    const error = await testLink(service, factory, { host: { log: () => undefined } }).catch(
      (failed: unknown) => failed,
    );
    expect(error).toBeInstanceOf(HbiError);
    await quiet();
    expect(unheard).toEqual([]);
  });

  it.each(rows)("the log, onState and what an outgoing interceptor throws: %s", async (_, thrown) => {
    const told: unknown[] = [];
    const original = console.error;
    console.error = (...words: unknown[]) => void told.push(words);
    try {
      const log = () => {
        throw thrown();
      };
      const { link } = await testLink(service, () => ({ ...handlers(), fail: failing }), {
        host: { log },
        link: {
          log,
          interceptors: [
            (call, next) => {
              if (call.name !== "upload") return next();
              throw thrown();
            },
          ],
        },
      });
      link.onState(() => {
        throw thrown();
      });
      await expect(link.call.fail({})).rejects.toMatchObject({ code: "internal" });
      await link.call.upload({}, { body: new Uint8Array(3) }).catch(() => undefined);
      await expect(link.call.live({})).resolves.toBe("lives");
      await link.disconnect();
      await quiet();
      expect(told.length).toBeGreaterThan(0);
      for (const words of told.flat()) expect(String(words).length).toBeLessThan(40_000);
      expect(unheard).toEqual([]);
    } finally {
      console.error = original;
    }
  });
});

function handlers() {
  return { fail: () => "fails", live: () => "lives", upload: () => undefined };
}

describe("what a handler returns instead of a result", () => {
  type Settle = (what: unknown) => void;
  const having = (descriptor: PropertyDescriptor): object =>
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    Object.defineProperty({}, "then", descriptor);
  const then = (run: unknown): object => having({ value: run });
  const twice = (first: "yes" | "no") => (yes: Settle, no: Settle) => {
    if (first === "yes") yes(1);
    no(1);
    no(2);
  };
  it.each<[string, () => unknown]>([
    ["an object whose then can't be read", () => having({ get: failing })],
    ["a then that throws", () => then(failing)],
    ["a then that rejects twice", () => then(twice("no"))],
    ["a then that fulfils and rejects", () => then(twice("yes"))],
    ["a promise of a proxy that fails", () => Promise.resolve({ not: new Proxy({}, every) })],
    ["a proxy that fails", () => new Proxy({}, every)],
    ["a symbol", () => Symbol("result")],
  ])("%s", async (_, make) => {
    for (const concurrency of [{}, { fail: 1 }]) {
      const log: LogEntry[] = [];
      const host = { concurrency, log: (entry: LogEntry) => void log.push(entry) };
      const { link } = await testLink(service, () => ({ ...handlers(), fail: make as never }), { host });
      for (let again = 0; again < 2; again++) {
        await expect(link.call.fail({})).rejects.toMatchObject({ code: "internal" });
      }
      expect(log).toHaveLength(2);
      await expect(link.call.live({})).resolves.toBe("lives");
      await link.disconnect();
    }
    await quiet();
    expect(unheard).toEqual([]);
  });
});

it("every row of the table of failures has a code of the list", () => {
  for (const { code } of Object.values(FAILURES)) expect(CODES.has(code)).toBe(true);
});
