/**
 * The log: every text of every entry is one harmless line of at most 512 bytes, whoever wrote it.
 */
import {
  CODES,
  Connection,
  defineService,
  FAILURES,
  HbiError,
  HostingEnv,
  Link,
  type LogEntry,
  memoryTransportPair,
  method,
  ServiceHost,
  type Transport,
  type TransportSink,
} from "hbi";
import { answer, conversation, hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

/** What forges a line, a frame or an entry, drives a terminal, turns the text around, and is too long. */
const HOSTILE =
  "x\n    at evil (/etc/passwd:1:1)\r\nhbi: forged entry\u001b[2J\u001b]0;t\u0007\u0000\u0085\u202e\u2066\u2028\ud800\ufeff\"'\\";
const LONG = HOSTILE + "y".repeat(100_000);
/** What neither breaks a line, nor controls a terminal, nor reorders or hides what is around it; at most 512 bytes. */
const HARMLESS = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]*$/u;
const PRINTABLE = { test: (text: string) => HARMLESS.test(text) && new TextEncoder().encode(text).length <= 512 };

/** The rule for every entry: no field is left out, also none that is new. */
function check(entry: LogEntry, isForged = false): void {
  const { error, fields = {}, call = {}, ...texts } = entry;
  for (const value of Object.values({ ...fields, ...call, ...texts })) {
    if (typeof value !== "number") expect(value).toSatisfy(PRINTABLE.test);
  }
  expect(error).toBeInstanceOf(HbiError);
  const { cause: _asItWas, ...rest } = members(error);
  const { code, reason, stack, ...others } = rest;
  expect(CODES.has(String(code))).toBe(true);
  expect(reason === undefined || Object.hasOwn(FAILURES, String(reason))).toBe(true);
  const [first, ...frames] = String(stack).split("\n");
  expect(first?.replace(/^(Hbi)?Error(: )?/, "")).toSatisfy(PRINTABLE.test);
  expect(frames.length).toBeLessThan(50);
  for (const frame of frames)
    expect(frame).toMatch(/^ {4}[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]{0,512}$/u);
  if (!isForged) expect(frames.join()).not.toContain("evil");
  for (const member of Object.values(others)) {
    if (typeof member === "string") expect(member).toSatisfy(PRINTABLE.test);
    else expect(["boolean", "undefined"]).toContain(typeof member);
  }
}

function members(error: HbiError): Record<string, unknown> {
  return Object.fromEntries(Object.getOwnPropertyNames(error).map((key) => [key, Reflect.get(error, key)]));
}

const service = defineService({
  name: "told",
  version: "1.0.0",
  methods: {
    fail: method({ params: {} }),
    take: method({ params: { record: z.record(z.string(), z.int()), text: z.string().max(5) }, result: z.string() }),
  },
});

const thrown: [string, () => unknown][] = [
  ["a message", () => new HbiError("aborted", LONG)],
  ["details", () => new HbiError("aborted", "x", { [HOSTILE]: LONG })],
  ["a cause", () => new HbiError("aborted", HOSTILE, undefined, { cause: new Error(LONG) })],
  ["another error", () => new Error(LONG)],
  ["a stack", () => Object.assign(new HbiError("aborted", "x"), { stack: `HbiError: x\n${LONG}` })],
  [
    "a stack of many lines",
    () => Object.assign(new HbiError("aborted", "x"), { stack: `Error: x${"\n    at x".repeat(1_000)}` }),
  ],
  ["a name", () => Object.assign(new HbiError("aborted", "x"), { name: LONG })],
  ["a code", () => new HbiError(LONG as never, LONG)],
  ["a reason", () => Object.assign(new HbiError("aborted", LONG), { reason: LONG })],
];

/** Bytes of a hostile consumer. */
const said: [string, string[]][] = [
  ["an id", [conversation(HOSTILE.slice(0, 60), "nobody()")]],
  ["an id that is a token", [conversation(`101;x;${HOSTILE.slice(0, 60)}`, "nobody()")]],
  ["an id of one kind that ends as another", [packet("co_begin", "1"), packet("co_end", HOSTILE)]],
  ["a name", [conversation("101;x;n", `${"n".repeat(64)}${`.${"n".repeat(64)}`.repeat(7)}()`)]],
  ["a parameter", [conversation("101;x;n", `take(${"n".repeat(64)}=1)`)]],
  ["a key", [conversation("101;x;n", `take({${JSON.stringify(LONG.slice(0, 4_000))}: "x"}, "")`)]],
  ["text that is no script", [conversation("101;x;n", LONG)]],
  ["last words", [packet("err", HOSTILE)]],
  ["a directive", [`[3#${HOSTILE}]`]],
  ["a reason to go", [conversation("101;x;n", `$hbi.goaway(${JSON.stringify(HOSTILE)})`)]],
];

describe("every field of every entry is bounded and printable", () => {
  it.each(thrown)("what a handler throws: %s", async (name, make) => {
    const fail = () => {
      throw make();
    };
    const isForged = name === "a stack"; // by the handler itself
    const log = await hosted((peer) => peer.say(conversation("101;x;n", "fail()")), { fail }, isForged);
    expect(log.length).toBeGreaterThan(0);
  });

  it.each(said)("what a peer says: %s", async (name, bytes) => {
    const log = await hosted((peer) => {
      for (const piece of bytes) peer.say(piece);
    });
    if (name !== "a reason to go" && name !== "last words") expect(log.length).toBeGreaterThan(0);
  });

  it.each<[string, string]>([
    [
      "its error",
      object(`HbiError("aborted",${JSON.stringify(HOSTILE)},{"a":${JSON.stringify(HOSTILE)}},"${"r".repeat(30)}")`),
    ],
    ["its result", object(`[${JSON.stringify(LONG.slice(0, 9_000))}]`)],
    ["its last words", packet("err", HOSTILE)],
    ["a name", object(`${"n".repeat(64)}${`.${"n".repeat(64)}`.repeat(7)}()`)],
    ["code in its answer", packet("co_ack_begin", "101") + packet("", "nobody()")],
    ["an answer to nobody", packet("co_ack_begin", HOSTILE.slice(0, 60))],
  ])("what a host answers: %s", async (_, bytes) => {
    const { transport, peer } = hostileTransport();
    const log: LogEntry[] = [];
    const link = await new Link(service, async () => transport, {}, { log: (entry) => void log.push(entry) }).open();
    const error: HbiError = await Promise.all([
      link.call.take({ record: {}, text: "" }).then(
        () => expect.fail("answered"),
        (failed) => failed,
      ),
      quiet().then(() => peer.say(bytes)),
    ]).then(([failed]) => failed);
    peer.reset();
    await link.disconnect();
    await quiet();
    expect(error.message).toSatisfy(PRINTABLE.test);
    for (const entry of log) check(entry);
    const reason = await link.closed;
    expect(reason?.message ?? "").toSatisfy(PRINTABLE.test);
  });

  it("addresses, and where a host accepts", async () => {
    const { transport, peer } = hostileTransport();
    const named = new Proxy(transport, {
      get: (target, key) => {
        if (key === "localAddress" || key === "remoteAddress") return HOSTILE;
        const member: unknown = Reflect.get(target, key, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    const log: LogEntry[] = [];
    const connection = new Connection(named, () => new HostingEnv(), { log: (entry) => void log.push(entry) });
    await connection.start();
    peer.say(conversation("101;x;n", "nobody()"));
    await quiet();
    peer.reset();
    expect(log.length).toBeGreaterThan(0);
    for (const entry of log) check(entry);
  });

  it("what hooks, factories and listeners throw", async () => {
    const fail = () => {
      throw new HbiError("aborted", LONG, { a: LONG });
    };
    const log: LogEntry[] = [];
    const collect = { log: (entry: LogEntry) => void log.push(entry) };
    const [left, right] = memoryTransportPair();
    const env = new HostingEnv().onInit(fail).onCleanup(fail);
    const failing = new Connection(left, () => env, { ...collect, onLost: fail });
    await failing.start().catch(() => undefined);
    right.destroy();
    await failing.closed;

    let made = 0;
    const host = new ServiceHost(
      service,
      () => {
        made += 1;
        return made === 1 ? { fail, take: () => "" } : fail();
      },
      collect,
    );
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      host.accept(far).catch(() => undefined);
      return near;
    };
    const link = await new Link(service, dial, {}, collect).open();
    link.onState(fail);
    await link.call.fail({}).catch(() => undefined);
    await link.disconnect();
    await quiet();
    expect(log.map(({ where }) => where)).toEqual(expect.arrayContaining(["init", "cleanup", "onLost"]));
    expect(log.some(({ where }) => where.startsWith("onState"))).toBe(true);
    for (const entry of log) check(entry);
  });

  it("a reason to go is printable where it is heard", async () => {
    const reasons: (string | undefined)[] = [];
    const { transport, peer } = hostileTransport();
    const connection = new Connection(transport, () => new HostingEnv(), {
      onGoAway: (reason) => void reasons.push(reason),
    });
    await connection.start();
    peer.say(conversation("101;x;n", `$hbi.goaway(${JSON.stringify(HOSTILE)})`));
    await quiet();
    peer.reset();
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toSatisfy(PRINTABLE.test);
  });
});

function object(text: string): string {
  return answer("101", packet("co_recv", text));
}

interface Says {
  say(piece: string): void;
}

async function hosted(run: (peer: Says) => void, handlers: object = {}, isForged = false): Promise<LogEntry[]> {
  const { transport, peer } = hostileTransport();
  const log: LogEntry[] = [];
  const all = { fail: () => undefined, take: () => "", ...handlers };
  const host = new ServiceHost(service, () => all as never, { log: (entry) => void log.push(entry) });
  await host.accept(transport as Transport & { sink?: TransportSink });
  run(peer);
  await quiet();
  peer.reset();
  await quiet();
  for (const entry of log) check(entry, isForged);
  return log;
}
