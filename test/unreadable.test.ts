/**
 * Getters and Proxies of the application that throw: definitions, handlers and credentials. What cannot be read is named,
 * with the cause, and nothing else of it is told to a peer. `options.test.ts` has those of options.
 */
import {
  combine,
  defineService,
  HbiError,
  HostingEnv,
  Link,
  memoryTransportPair,
  method,
  ServiceHost,
  value,
} from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

class Broken extends Error {}
const broken = (): never => {
  throw new Broken("secret");
};
const getter = (name: string): never =>
  Object.defineProperty({}, name, { get: broken, enumerable: true, configurable: true }) as never;
const proxy = (trap: string, of: object = {}): never => new Proxy(of, { [trap]: broken }) as never;

const add = method({ params: {}, result: z.int() });
const head = { name: "sums", version: "1.0.0" };
const spec = { ...head, methods: { add } };
const sums = defineService({ ...spec, reactions: { told: add }, credentials: { token: z.string() } });
const dial = () => Promise.reject(new HbiError("unavailable", "not dialed"));

/** Each use, and what it names. */
const ROWS: readonly (readonly [what: string, use: () => unknown])[] = [
  ["methods.add", () => defineService({ ...spec, methods: getter("add") })],
  ["reactions.add", () => defineService({ ...spec, reactions: getter("add") })],
  ["values.add", () => defineService({ ...spec, values: getter("add") })],
  ["methods", () => defineService({ ...spec, methods: proxy("ownKeys", {}) })],
  ["reactions", () => defineService({ ...spec, reactions: proxy("ownKeys") })],
  ["values", () => defineService({ ...spec, values: proxy("ownKeys") })],
  ["credentials", () => defineService({ ...spec, credentials: proxy("ownKeys") })],
  ["methods.add", () => defineService({ ...spec, methods: proxy("get", { add }) })],
  ["methods.add", () => defineService({ ...spec, methods: { add: proxy("get", add) } })],
  ["values.Add", () => defineService({ ...spec, values: { Add: proxy("get") } })],
  ["combine.name", () => combine(getter("name") as never, sums)],
  ["params", () => method({ params: proxy("ownKeys") })],
  ["params", () => method({ params: proxy("has") })],
  ["params", () => value({ params: proxy("ownKeys"), make: () => 1 })],
  ["make", () => value(getter("make") as never)],
  ["limits", () => method({ params: {}, limits: proxy("ownKeys") })],
  ["limits.call", () => method({ params: {}, limits: getter("call") })],
  ["limits.call", () => method({ params: {}, limits: { call: proxy("ownKeys") } })],
  ["limits.call.maxNodes", () => method({ params: {}, limits: { call: getter("maxNodes") } })],
  ["handlers.add", () => new HostingEnv().exposeAll({ add }, getter("add"))],
  ["handlers", () => new HostingEnv().exposeAll({ add }, proxy("getPrototypeOf"))],
  ["add", () => new HostingEnv().expose("add", proxy("get", add), () => 1)],
  ["reactions.told", () => new Link(sums, dial, getter("told"), { credentials: { token: "t" } })],
];

describe("names what cannot be read, with its cause", () => {
  it.each(ROWS)("%s", (what, use) => {
    expect(use).toThrow(
      expect.objectContaining({
        reason: "bad_option",
        message: `bad option: ${what} cannot be read: its getter or Proxy has thrown`,
        cause: expect.any(Broken),
      }),
    );
  });

  it.each<[string, () => unknown]>([
    ["parameter a has no zod schema", () => method({ params: { a: proxy("get", z.int()) } })],
    ["result is not a zod schema", () => method({ params: {}, result: proxy("has", z.int()) })],
    ["input is not a zod schema", () => method({ input: proxy("get", z.object({})) })],
    ["slot a has no zod schema", () => new HostingEnv().slot("a", proxy("get", z.int()))],
    ["credential a has no zod schema", () => defineService({ ...spec, credentials: { a: proxy("has", z.int()) } })],
  ])("a schema: %s", (what, use) => {
    expect(use).toThrow(
      expect.objectContaining({ message: `bad option: ${what} that can be read`, cause: expect.any(Broken) }),
    );
  });

  it.each(["cause", "details"])("a getter of the options of an error: %s", (name) => {
    expect(() => new HbiError("internal", "x", undefined, getter(name))).toThrow(
      expect.objectContaining({
        message: "bad option: the options of HbiError cannot be read: a getter or Proxy has thrown",
        cause: expect.any(Broken),
      }),
    );
  });
});

describe("an HbiError of the author is kept", () => {
  const own = new HbiError("not_found", "no such file");
  const get = () => {
    throw own;
  };
  const members = Object.defineProperty({}, "add", { get, enumerable: true });
  it.each<[string, () => unknown]>([
    ["a method", () => defineService({ ...spec, methods: members })],
    ["a handler", () => new HostingEnv().exposeAll({ add }, members as never)],
    ["a schema", () => method({ params: members })],
  ])("%s", (_, use) => expect(use).toThrow(own));
});

it("a definition reads each member once, so that it cannot change later", () => {
  let reads = 0;
  const methods = {
    get add() {
      reads += 1;
      return method({ params: {} });
    },
  };
  const credentials = { token: z.string() };
  const service = defineService({ ...head, methods, credentials });
  expect([service.methods.add, service.methods.add].map(String)).toHaveLength(2);
  expect(reads).toBe(1);
  Reflect.set(credentials, "more", z.string());
  expect(Object.keys(service.credentials)).toEqual(["token"]);
});

it("handlers that throw when they are read refuse the peer, which learns nothing of it", async () => {
  const plain = defineService(spec);
  const causes: unknown[] = [];
  const host = new ServiceHost(plain, () => getter("add"), { log: ({ error }) => void causes.push(error.cause) });
  const dialed = async () => {
    const [near, far] = memoryTransportPair();
    host.accept(far).catch(() => undefined);
    return near;
  };
  const told: unknown = await new Link(plain, dialed, {}, {})
    .open()
    .then(
      (link) => link.call.add({}),
      (thrown: unknown) => thrown,
    )
    .catch((thrown: unknown) => thrown);
  expect(told).toBeInstanceOf(HbiError);
  expect((told as HbiError).message).not.toMatch(/secret|handlers/);
  expect(causes).toContainEqual(
    expect.objectContaining({
      message: "the handlers of sums: bad option: handlers.add cannot be read: its getter or Proxy has thrown",
      cause: expect.objectContaining({ cause: expect.any(Broken) }),
    }),
  );
});

it.each<[string, string, object]>([
  ["a member of the credentials", "credentials.token", { credentials: getter("token") }],
  ["credentials that a function returns", "credentials.token", { credentials: () => getter("token") }],
  ["credentials as a Proxy", "credentials.token", { credentials: proxy("get") }],
])("%s", async (_, what, link) => {
  const options = { host: { authenticate: () => ({}) }, reactions: { told: () => 1 }, link: link as never };
  await expect(testLink(sums, () => ({ add: () => 1 }), options)).rejects.toMatchObject({
    reason: "bad_option",
    message: `bad option: ${what} cannot be read: its getter or Proxy has thrown`,
    cause: expect.any(Broken),
  });
});

it("arguments of a call", async () => {
  const plain = defineService({ ...head, methods: { add: method({ params: { a: z.unknown() } }) } });
  const { link } = await testLink(plain, () => ({ add: () => undefined }));
  for (const given of [
    getter("a"),
    proxy("get", { a: 1 }),
    proxy("ownKeys"),
    { a: getter("b") },
    { a: [proxy("ownKeys")] },
  ]) {
    const failed: unknown = await link.call.add(given as never).catch((thrown: unknown) => thrown);

    expect(failed).toBeInstanceOf(HbiError);
    expect(failed).toMatchObject({ method: "add" });
  }
  await link.call.add({ a: 1 }); // the link is usable
  await link.close();
});
