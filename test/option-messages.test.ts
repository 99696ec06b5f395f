/**
 * Every text of `bad_option` as its user reads it: option-messages.txt has a row for each. A text of the source that none of them
 * shows fails the test. `npx vitest run test/option-messages.test.ts -u` writes the rows, to be read as a whole.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  asyncApiDocument,
  callsOver,
  combine,
  compareServices,
  connect as connectByWeb,
  defineService,
  describedService,
  describeService,
  HbiError,
  HostingEnv,
  isServiceError,
  Link,
  memoryTransportPair,
  messagePortTransport,
  method,
  type PostingEnd,
  resolveLimits,
  type ServiceCall,
  ServiceHost,
  script,
  sendArray,
  value,
} from "hbi";
import { serveOnAllCores, upstart } from "hbi/cluster";
import { connect, dialSocket, duplexTransport, HBIS, serve, spawnPeer } from "hbi/node";
import { arbitraryOf, checkService, ManualClock, nearlyValidCalls, testLink, validCalls } from "hbi/testing";
import { serveWebSocket } from "hbi/ws";
import { expect, it } from "vitest";
import { z } from "zod";
import { runProgram } from "./support/programs.ts";

const int = z.int();
const head = { name: "shop", version: "1.0.0" };
const add = method({ params: { a: int, b: int }, result: int });
const part = { id: "part" };
const shop = defineService({
  ...head,
  methods: {
    add,
    upload: method({ params: { size: int }, body: ({ size }) => size, result: int }),
    load: method({ params: { size: int }, result: int, resultBody: (size) => size }),
    raw: method({ params: {}, body: "manual" }),
    limited: method({ params: {}, result: int, limits: { call: { maxNodes: 9 } } }),
    take: method({ params: { a: z.unknown() } }),
  },
  reactions: { told: method({ params: { text: z.string() } }) },
});
const sums = defineService({ ...head, methods: { add } });
const guarded = defineService({ ...head, methods: { add }, credentials: { token: z.string() } });
const handlers = () => ({
  add: ({ a, b }: { a: number; b: number }) => a + b,
  upload: () => 1,
  load: ({ size }: { size: number }) => ({ result: size, body: new Uint8Array(size) }),
  raw: () => undefined,
  limited: () => 1,
  take: () => undefined,
});
const told = { told: () => undefined };
const summing = () => ({ add: () => 1 });
const NOWHERE = "127.0.0.1:1"; // never dialed
const never = () => new Promise<never>(() => undefined);
const quietly = { log: () => undefined };
const thrown = (): never => {
  throw new Error("not for the message");
};
const getter = (name: string) => Object.defineProperty({}, name, { get: thrown, enumerable: true });
const many = <T>(count: number, of: T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, of]));
const of = (methods: object, more: object = {}) => defineService({ ...head, methods, ...more } as never);
const strictly = (schema: z.ZodType) => describeService(of({ m: method({ params: { a: schema } }) }), { strict: true });
const { link } = await testLink(shop, handlers, { reactions: told });
const calls = link.call as unknown as Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>;
const scripted = (build: (s: never) => unknown) => link.script(build as never);
const template = (...pieces: string[]) =>
  script(Object.assign(pieces, { raw: pieces }) as never, ...pieces.slice(1).map(() => 1));
const carried = callsOver(shop, { carry: never }).call as unknown as typeof calls;
const port = { postMessage: () => undefined, on: () => undefined };
const tls = { key: "-----BEGIN", cert: "-----BEGIN" };
const Point = value({ params: { x: int }, make: ({ x }) => ({ x }), is: (given) => typeof given === "function" });
const description = describeService(sums);
const endless = (): z.ZodType => z.lazy(() => z.object({ next: endless().optional() }));
const marked = (kind: string) => ({ [Symbol.for(`hbi.${kind}`)]: 99 });
const withResult = (result: object, $defs: object = {}) => {
  const said = JSON.parse(JSON.stringify(description));
  said.methods.add.result = result;
  return { ...said, $defs };
};

/** A conversation of a link of its own, which it ends. */
async function outOf(does: (po: PostingEnd) => Promise<unknown>): Promise<void> {
  const { link } = await testLink(shop, handlers, { reactions: told, host: quietly, link: quietly });
  try {
    await does(link.po);
  } finally {
    await link.disconnect();
  }
}

/** By the files of `src` in which the texts stand. */
const PROVOKED: Readonly<Record<string, readonly (() => unknown)[]>> = {
  options: [
    () => serve(shop, NOWHERE, handlers, null as never),
    () => serve(shop, NOWHERE, handlers, new Map() as never),
    () => serve(shop, NOWHERE, handlers, { authorise: () => true } as never),
    () => serve(shop, NOWHERE, handlers, { maxConnections: 5 } as never),
    () => memoryTransportPair({ zzzz: 1 } as never),
    () => serve(shop, NOWHERE, handlers, { log: "console" } as never),
    () => serve(shop, NOWHERE, handlers, { extension: 1 } as never),
    () => serve(shop, NOWHERE, handlers, { interceptors: [1] } as never),
    () => serve(shop, NOWHERE, handlers, { clock: Date } as never),
    () => serve(shop, NOWHERE, handlers, { load: {} } as never),
    () => serve(shop, NOWHERE, handlers, { describe: "all" } as never),
    () => serve(shop, NOWHERE, handlers, { dialect: 5n } as never),
    () => serve(shop, NOWHERE, handlers, { concurrency: Symbol("s") } as never),
    () => serve(shop, NOWHERE, handlers, { concurrency: { ad: 1 } } as never),
    () => serve(shop, NOWHERE, handlers, { concurrency: { add: 0 } }),
    () => serve(shop, NOWHERE, handlers, { handlerTimeoutsMs: { add: 0.5 } }),
    () => serve(shop, NOWHERE, handlers, getter("log")),
    () => connect(shop, NOWHERE, told, { reconnect: { jitter: 2 } }),
    () => connect(shop, NOWHERE, told, { reconnect: { maxAttempts: 0 } }),
    () => connect(shop, NOWHERE, told, { reconnect: { maxDelayMs: Number.POSITIVE_INFINITY } }),
    () => connect(shop, NOWHERE, told, { retries: -1 }),
    () => connect(shop, NOWHERE, told, { onMismatch: "strict" as never }),
    () => calls["add"]?.({ a: 1, b: 2 }, { timeoutMs: 0 }),
    () => calls["add"]?.({ a: 1, b: 2 }, { signal: null }),
    () => memoryTransportPair({ breakAfterBytes: -1 }),
    () => defineService({ ...head, methods: {}, title: 5 } as never),
    () => defineService({ ...head, methods: {}, reactions: [] } as never),
    () => method({ params: {}, examples: {} } as never),
    () => value({ params: 5, make: () => 1 } as never),
    () => value({ params: {}, make: () => 1, is: true } as never),
    () => describedService(description, { bodies: 5 } as never),
    () => asyncApiDocument(sums, { servers: "a" } as never),
    () => checkService(sums, summing, { seed: 0.5 }),
    () => checkService(sums, summing, { runs: 0 }),
    () => checkService(sums, summing, { leaveOut: "add" as never }),
    () => arbitraryOf(int, { overrides: {} as never }),
  ],
  errors: [
    () => new HbiError("not_found", "x", undefined, null as never),
    () => new HbiError("not_found", "x", undefined, { detail: 1 } as never),
    () => new HbiError("not_found", "x", undefined, { reason: "mine" } as never),
    () => new HbiError("not_found", "x", undefined, { cause: 1, mayHaveLanded: 1 } as never),
    () => new HbiError("not_found", "x", undefined, { origin: "here" } as never),
    () => new HbiError("not_found", "x", undefined, { method: 1 } as never),
    () => new HbiError("not_found", "x", undefined, { issues: 1 } as never),
    () => new HbiError("not_found", "x", undefined, { declared: "Gone" }),
    () => new HbiError("not_found", "x", undefined, getter("cause")),
  ],
  limits: [
    () => resolveLimits("trusted" as never),
    () => resolveLimits({ preset: "trused" } as never),
    () => resolveLimits({ maxDeph: 5 } as never),
    () => resolveLimits({ maxDepth: 0 }),
    () => resolveLimits({ maxDepth: 513 }),
  ],
  "parser/script": [
    () => link.po.notif(5 as never),
    () => script`a("${1}")`,
    () => script`a(1${2})`,
    () => script`a("`,
    () => script`a('${1}')`,
    () => script`/* ${1} */`,
    () => script`/* `,
    () => template("a('''", ")"),
    () => template("a('\n", "')"),
    () => script(Object.assign([undefined], { raw: [""] }) as never),
  ],
  "registry/definitions": [
    () => defineService({ name: "shop", version: "1", methods: {} }),
    () => defineService({ ...head, methods: undefined as never }),
    () => of({ add: 1 }),
    () => of({}, { reactions: { add: 1 } }),
    () => of({}, { values: { Add: 1 } }),
    () => of({ add }, { values: { add: Point } }),
    () => of({}, { credentials: many(65, int) }),
    () => of({}, { credentials: { token: "string" } }),
    () => of({ add: marked("method") }),
    () => of({ "": add }),
    () => of({ None: add }),
    () => of({ __hbi_init__: add }),
    () => of({ HbiError: add }),
    () => of({ $add: add }),
    () => of({ "a-b": add }),
    () => of({ [`${"n".repeat(65)}.a`]: add }),
    () => of({ ["n".repeat(65)]: add }),
    () => of({ "a.b.c.d.e.f.g.h.i": add }),
    () => method({ params: { toString: int } }),
    () =>
      new ServiceHost(of({ big: method({ params: many(9, int) }) }) as never, (() => ({})) as never, {
        limits: { maxArguments: 8 },
      }),
    () => combine(head, 5 as never),
    () => combine(head, combine(head, sums) as never),
    () => combine(head, sums, defineService({ ...head, methods: {} })),
    () => combine(head, sums, defineService({ ...head, name: "b", methods: { add } })),
    () => combine(head, guarded, defineService({ ...head, name: "b", methods: {} })),
  ],
  "registry/methods": [
    () => method({} as never),
    () => method({ params: {}, input: z.object({}) } as never),
    () => method({ params: {}, body: 5 } as never),
    () => method({ params: {}, resultBody: () => 5 } as never),
    () => method({ params: {}, yields: 5 } as never),
    () => method({ params: {}, yields: int, body: "unknown" } as never),
    () =>
      defineService({
        name: "a",
        version: "1.0.0",
        methods: {},
        reactions: { b: method({ params: {}, yields: int }) },
      }),
    () => method({ params: z.object({}) } as never),
    () => method({ params: { type: "object" } } as never),
    () => method({ params: { a: 1 } } as never),
    () => method({ params: { a: z.string } } as never),
    () => method({ params: { a: { type: "string" } } } as never),
    () => method({ params: { a: { "~standard": { vendor: "valibot" } } } } as never),
    () => method({ params: { a: { _def: {}, safeParse: () => 1 } } } as never),
    () => method({ params: { a: { _zod: { version: { major: 4, minor: 0, patch: 5 } } } } } as never),
    () => method({ params: { a: new Proxy(int, { has: thrown }) } }),
    () => method({ params: getter("a") }),
    () => method({ params: {}, result: 5 } as never),
    () => method({ input: 5 } as never),
    () => method({ params: many(65, int) }),
    () => method({ input: z.object(many(1_001, int)) }),
    () => method({ input: z.looseObject({}) }),
    () => method({ input: z.object({}).optional() }),
    () => method({ input: int }),
    () => method({ params: {}, result: z.string().transform(Number) }),
    () => method({ params: {}, result: endless() }),
    () => method({ params: {}, body: async () => 5 } as never),
    () => method({ params: { a: z.string().refine(async () => true) } }),
    () => method({ params: {}, limits: 5 } as never),
    () => method({ params: {}, limits: { params: {} } } as never),
    () => method({ params: {}, limits: { result: {} } }),
    () => method({ params: {}, limits: { call: 5 } } as never),
    () => method({ params: {}, limits: { call: { maxInFlight: 5 } } } as never),
    () => method({ params: {}, limits: { call: { maxBodyBytes: Number.POSITIVE_INFINITY } } }),
    () => value({ params: {} } as never),
    () => value({ params: {}, make: () => 1 }).schema,
    ...[z.file(), z.function(), z.symbol(), z.promise(int)].map(
      (schema) => () => method({ params: { a: schema as z.ZodType } }),
    ),
    () => method({ params: { a: z.object({ [Symbol.for("s")]: int } as never) } }),
    () => method({ params: { a: z.instanceof(Buffer) } }),
    () => method({ params: { a: z.instanceof(ArrayBuffer) } }),
    () => of({ m: method({ params: { a: z.instanceof(class Own {}) } }) }),
  ],
  "registry/declared-errors": [
    () => method({ params: {}, errors: 5 } as never),
    () => method({ params: {}, errors: many(33, z.object({})) }),
    () => method({ params: {}, errors: { Gone: z.object({}) } }),
    () => method({ params: {}, errors: { gone: 5 } } as never),
    () => method({ params: {}, errors: { gone: int } } as never),
    ...[z.date(), z.map(int, int), z.set(int)].map(
      (at) => () => method({ params: {}, errors: { gone: z.object({ at }) } }),
    ),
    () => method({ params: {}, errors: { gone: z.object({ at: z.instanceof(class Own {}) }) } }),
    () =>
      method({
        params: {},
        errors: { gone: z.object({ at: value({ params: {}, make: () => 1, is: () => true }).schema }) },
      }),
    () => method({ params: {}, errors: { gone: z.object({ at: z.string().transform(Number) }) } }),
    () => method({ params: {}, errors: getter("gone") as never }),
    () => isServiceError(new Error("x"), {} as never),
    async () => {
      const test = await testLink(of({ m: method({ params: {}, yields: int }) }), (() => ({
        m: () => undefined,
      })) as never);
      const { m } = test.link.post as Readonly<Record<string, unknown>>;
      await (m as () => Promise<void>)().finally(() => test.close());
    },
    ...[{ message: 5 }, { code: "gone" }, { cause: 1 }].map((options) => async () => {
      const service = of({ m: method({ params: {}, errors: { gone: z.object({}) } }) });
      const m = (_: unknown, call: ServiceCall) => {
        throw call.error("gone", {}, options as never);
      };
      const test = await testLink(service, (() => ({ m })) as never);
      await test.link.call["m"]?.().finally(() => test.close());
    }),
  ],
  "registry/handlers": [
    () => new HostingEnv({} as never),
    () => new HostingEnv().expose("a", 5 as never, () => 1),
    () => new HostingEnv().expose("a", add, 5 as never),
    () => new HostingEnv().construct("a", 5 as never),
    () => new HostingEnv().get("a"),
    () => new HostingEnv().expose("a", add, () => 1).expose("a", add, () => 1),
    () => new HostingEnv().exposeAll({ add }, 5 as never),
    () => new HostingEnv().exposeAll({ add }, Promise.resolve({}) as never),
    () => new HostingEnv().exposeAll({ add }, { add: () => 1, more: () => 1 } as never),
    () => new HostingEnv().exposeAll({ add }, {} as never),
    () => new HostingEnv().slot("a", 5 as never),
    () => new Link(shop, never, undefined as never, {}),
  ],
  "registry/description": [
    () => describeService(of({ m: method({ params: { a: int.meta(part), b: z.string().meta(part) } }) })),
    () =>
      describeService(
        of({ m: method({ params: { a: z.string().meta(part) } }), n: method({ params: { a: int.meta(part) } }) }),
      ),
    () => describeService(of({ m: method({ params: { a: z.object({ b: int }).meta({ id: "a b" }) } }) })),
    () => describeService(of({ m: method({ params: { a: Point.schema } }) })),
    () => strictly(z.bigint()),
    () => strictly(z.coerce.date()),
    () => strictly(z.date().min(new Date(0))),
    () => strictly(z.string().regex(/a/i)),
    () => strictly(z.any().default(5n)),
    () => strictly(z.any().default(() => new Map())),
    () => describedService(description, { bodies: { add: () => 5 } }),
    () => describedService({ ...description, format: 2 } as never),
    () => describedService(withResult({ $ref: "#/$defs/nowhere" })),
    () => compareServices(withResult({ $ref: "#/$defs/x" }, { x: { $ref: "#/$defs/x" } }), sums),
  ],
  testing: [
    () => new ManualClock({} as never),
    () => checkService(sums, summing, { leaveOut: ["ad" as never] }),
    () => nearlyValidCalls({ any: method({ input: z.object({ a: z.any().optional() }) }) }),
    () => validCalls({ raw: method({ params: {}, body: "manual" }) }),
    () =>
      validCalls({ big: method({ params: { size: int.min(100) }, body: ({ size }) => size }) }, { maxBodyBytes: 5 }),
    () => arbitraryOf(z.custom(() => true)),
    () => arbitraryOf(z.transform(() => 1)),
    () => arbitraryOf(z.string().min(5).max(2)),
    () => arbitraryOf(z.undefined()),
    () => arbitraryOf(z.number().min(5).max(2)),
    () => arbitraryOf(endless()),
    () => arbitraryOf(z.string().refine(() => false)),
  ],
  "endpoints/conversation, endpoints/session": [
    () => calls["add"]?.({ a: 1, b: 2 }, { metadata: 5 }),
    () => calls["add"]?.({ a: 1, b: 2 }, { metadata: { A: "x" } }),
    () => calls["add"]?.({ a: 1, b: 2 }, { metadata: { a: 5 } }),
    () => calls["add"]?.({ a: 1, b: 2 }, { metadata: { a: "\ud800" } }),
    () => calls["upload"]?.({ size: 1 }, { body: 5 }),
    () => calls["upload"]?.({ size: 1 }, { body: "text" }),
    () => calls["upload"]?.({ size: 1 }, { body: new Map() }),
    () => calls["upload"]?.({ size: 1 }, { body: new ArrayBuffer(1) }),
    () => calls["upload"]?.({ size: 1 }, {}),
    () => calls["raw"]?.({}, {}),
    () => calls["add"]?.({ a: 1, b: 2 }, { body: new Uint8Array(1) }),
    () => calls["upload"]?.({ size: 1 }, { send: () => 1, body: new Uint8Array(1) }),
    () => link.po.notif(""),
    () => link.po.notifData("take(1)", 5 as never),
    () => link.po.notifData("take(1)", "text" as never),
    () => link.po.notifData("take(1)", null as never),
    () => outOf((po) => po.notifData("take(1)", [5] as never)),
    () => link.po.converse((co) => sendArray(co, new Float64Array(4), [3])),
    () => link.po.converse((co) => sendArray(co, [1] as never)),
  ],
  "endpoints/service": [
    () => carried["load"]?.({ size: 1 }),
    () => carried["upload"]?.({ size: 1 }),
    () => connectByWeb(sums, "tcp://a:1"),
    () => connectByWeb(sums, []),
    () => connectByWeb(sums, port, {}, { reconnect: {} }),
    () => connectByWeb(sums, port, {}, { webSocket: {} }),
    () => connect(sums, []),
    () => connect(guarded, NOWHERE, {}, { credentials: 5 as never }),
    () =>
      testLink(guarded, summing, { host: { authenticate: () => ({}) }, link: { credentials: () => null } as never }),
    () =>
      scripted((s: { take(given: object): unknown; add(given: object): unknown }) => {
        const one = s.add({ a: 1, b: 2 });
        return [s.take({ a: one }), s.take({ a: one })];
      }),
    () => scripted((s: { limited(given: object): unknown }) => [s.limited({})]),
    () => scripted(() => []),
    () =>
      scripted((s: { add(given: object): unknown }) => {
        s.add({ a: 1, b: 2 });
        return s.add({ a: 1, b: 2 });
      }),
    () => new ServiceHost(guarded, summing),
    () => new ServiceHost(sums, {} as never),
    () => new ServiceHost(sums, class Handlers {} as never),
  ],
  "endpoints/address": [
    () => connect(sums, 5 as never),
    () => connect(sums, "a b"),
    () => connect(sums, "8080"),
    () => connect(sums, null as never),
    () => connect(sums, { host: "a", port: 1, path: "b" } as never),
    () => connect(sums, { host: "", port: 1 }),
    () => connect(sums, { host: "a", port: 70_000 }),
    () => connect(sums, "unix:"),
    () => connect(sums, "ws://a:1/b#c"),
    () => connect(sums, "ws://user:secret@a:1/b"),
    () => connect(sums, "ws://"),
  ],
  "endpoints/cluster": [
    () => serveOnAllCores(sums, NOWHERE, summing, { workers: 0 }),
    () => serveOnAllCores(sums, NOWHERE, summing, { maxRestarts: 0 }),
    () => serveOnAllCores(sums, NOWHERE, summing, { restartSignal: "HUP" as never }),
    () => serveOnAllCores(sums, NOWHERE, summing, { program: 5 as never }),
    () => serveOnAllCores(sums, NOWHERE, summing, { execArgv: "--inspect" as never }),
    () => upstart(sums, NOWHERE, summing, { maxProcesses: 0 }),
    async () => {
      const { argv } = process;
      process.argv = argv.slice(0, 1);
      try {
        await serveOnAllCores(sums, NOWHERE, summing);
      } finally {
        process.argv = argv;
      }
    },
  ],
  "endpoints/node, wire/transport": [
    () => serveWebSocket(sums, "ws://127.0.0.1:0", summing, { path: "/a" }),
    () => serveWebSocket(sums, 5 as never, summing),
    () => serveWebSocket(sums, createServer(), summing, { tls }),
    () => serveWebSocket(sums, createServer(), summing, { path: "a" }),
    async () => {
      const web = createServer().listen(0, "127.0.0.1");
      const first = await serveWebSocket(sums, web, summing);
      try {
        await serveWebSocket(sums, web, summing);
      } finally {
        await first.close();
        web.close();
      }
    },
    () => serve(sums, "ws://127.0.0.1:0", summing, { webSocket: { origins: "a" } } as never),
    () => serve(sums, "ws://127.0.0.1:0", summing, { webSocket: { origins: ["https://a.b/c"] } }),
    () => serve(sums, "ws://127.0.0.1:0", summing, { webSocket: { trustedProxies: 5 } } as never),
    () => serve(sums, "ws://127.0.0.1:0", summing, { webSocket: { trustedProxies: ["10.0.0.0/33"] } }),
    () => serve(sums, "ws://127.0.0.1:0", summing, { webSocket: { maxPayload: 5 } }),
    () => serve(sums, NOWHERE, summing, { webSocket: {} }),
    () => connect(sums, new PassThrough(), {}, { tls: {} }),
    () => connect(sums, new PassThrough(), {}, { reconnect: {} }),
    () => connect(sums, new PassThrough({ objectMode: true })),
    () => duplexTransport({} as never),
    () => spawnPeer("node", "a.js" as never),
    () => serve(sums, NOWHERE, summing, { socketMode: 0o600 }),
    () => serve(sums, NOWHERE, summing, { socketMode: "600" } as never),
    () => serve(sums, [], summing),
    () => serve(sums, "tls://127.0.0.1:0", summing),
    () => serve(sums, "tcp://127.0.0.1:0", summing, { tls }),
    () => serve(sums, NOWHERE, summing, { tls: {} as never }),
    () => serve(sums, NOWHERE, summing, { tls: { ...tls, clientCertificate: "required" } }),
    () => serve(sums, NOWHERE, summing, { tls: { ...tls, key: 5 as never } }),
    () => serve(sums, NOWHERE, summing, { tls: { ...tls, ca: 5 as never } }),
    () => serve(sums, NOWHERE, summing, { tls: { ...tls, sni: 5 as never } }),
    () => serve(sums, NOWHERE, summing, { tls: { ...tls, sni: { a: 5 as never } } }),
    () => serve(sums, NOWHERE, summing, { tls }),
    () => new HBIS("ws://127.0.0.1:0", () => new HostingEnv()),
    () => connect(sums, NOWHERE, {}, { webSocket: {} }),
    () => connect(sums, "ws://127.0.0.1:1", {}, { webSocket: { headers: 5 } as never }),
    () => connect(sums, "tcp://127.0.0.1:1", {}, { tls: {} }),
    () => connect(sums, "127.0.0.1:1", {}, { tls: { key: "k" } }),
    () => connect(sums, "127.0.0.1:1", {}, { tls: { ca: "no PEM" } }),
    () => spawnPeer(5 as never),
    () => spawnPeer("node", [], { stderr: "pipe" } as never),
    () => messagePortTransport({} as never),
    () => messagePortTransport({ ...port, document: {} } as never),
    () => messagePortTransport(port, { terminate: true }),
    () => dialSocket({ path: "/tmp/a" }, { timeoutMs: 5, tls: {} }),
    () => dialSocket({ path: `/${"a".repeat(108)}` }, { timeoutMs: 5 }),
    () => dialSocket({ path: "/tmp/a\0b" }, { timeoutMs: 5 }),
    () =>
      connectByWeb(
        sums,
        "ws://127.0.0.1:1",
        {},
        {
          webSocket: {
            WebSocket: class {
              constructor() {
                throw new Error("mixed content");
              }
            } as never,
          },
          reconnect: undefined,
        },
      ),
  ],
};

/** Without what depends on the platform, or comes from OpenSSL. */
function stable(message: string): string {
  return message
    .replace(/(unusable key, cert or ca: ).*/, "$1...")
    .replace(/(at most )\d+( bytes; this one has )/, "$1N$2");
}

async function messageOf(provoke: () => unknown): Promise<string> {
  try {
    await provoke();
  } catch (error) {
    if (!(error instanceof HbiError) || error.reason !== "bad_option") throw error;
    return stable(error.message.replace("bad option: ", ""));
  }
  throw new Error(`not refused: ${provoke}`);
}

const rows = new Map<string, readonly string[]>();
for (const [group, all] of Object.entries(PROVOKED)) {
  const messages: string[] = [];
  for (const provoke of all)
    messages.push(await messageOf(provoke).catch((error: unknown) => `FAILED ${provoke}: ${error}`));
  rows.set(group, [...new Set(messages)]);
}
await link.close();
const { output } = await runProgram("test/system/programs/without-ws.ts", []);
rows.set(
  "without the package ws",
  (JSON.parse(output) as string[]).map((message) => message.replace(/^bad_option: bad option: /, "")),
);

it("each is refused as bad_option", () => {
  expect([...rows.values()].flat().filter((row) => row.startsWith("FAILED"))).toEqual([]);
});

it("in words that a person has read", async () => {
  const text = [...rows]
    .map(([group, messages]) => `${group}\n${messages.map((row) => `  ${row}\n`).join("")}`)
    .join("\n");
  await expect(text).toMatchFileSnapshot("./option-messages.txt");
});

const src = fileURLToPath(new URL("../src/", import.meta.url));
const LITERAL =
  /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`((?:[^`\\$]|\\.|\$(?!\{)|\$\{(?:[^{}]|\{[^{}]*\})*\})*)`)/;

/** The texts that a source gives to `bad_option`, or says that an option must be. */
function textsIn(code: string): string[] {
  const calls = /"bad_option",\s*|\bmustBe\(\s*|\brefuse\(name, what, /g;
  return [...code.matchAll(calls)].flatMap(({ index, 0: { length } }) => {
    const given = code.slice(index + length);
    const name = /^(\w+)[,)]/.exec(given)?.[1];
    const declared = name === undefined ? undefined : new RegExp(`\\bconst ${name} =\\s*`).exec(code);
    const text = declared ? code.slice(declared.index + declared[0].length) : given;
    const literal = LITERAL.exec(text);
    return literal === null ? [] : [literal[1] ?? literal[2] ?? literal[3] ?? ""];
  });
}

/** Whether a message may be one of the text, whose parts in braces are anything. */
function shows(text: string, message: string): boolean {
  const parts = text.replaceAll('\\"', '"').split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/);
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(pattern, "s").test(message);
}

it("every text of the source has a row", () => {
  const messages = [...rows.values()].flat();
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const texts = files.flatMap((path) =>
    textsIn(readFileSync(join(src, path), "utf8")).map((text) => `${path}: ${text}`),
  );
  expect(texts.length).toBeGreaterThan(150);
  const missing = texts.filter(
    (text) => !messages.some((message) => shows(text.slice(text.indexOf(": ") + 2), message)),
  );
  expect(missing).toEqual([]);
});
