/**
 * Raw data may hold packets of somebody else's making. Whatever is declared, promised, read, refused, given up: none of these packets
 * is ever landed, and the connection is either whole, or ended with a reason. A peer that says the truth, and of whose bytes all is certain,
 * never loses its connection.
 */
import fc from "fast-check";
import {
  type Code,
  Connection,
  defineService,
  type HoCo,
  HostingEnv,
  Link,
  type Method,
  method,
  type PoCo,
  type PostingEnd,
  type Reason,
  ServiceHost,
} from "hbi";
import { answer, conversation, type HostilePeer, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

type Co = HoCo | PoCo;

/** What raw data may hold. Read as packets in this order, the last of them would run `secret`. */
const SMUGGLED = [
  packet("", "secret()"),
  packet("co_send", "secret()"),
  packet("co_recv", "secret()"),
  packet("co_end", "101"),
  packet("co_ack_end", "101"),
  conversation("901;x;n", "secret()"),
  conversation("902", "secret()"),
  conversation("903;x;n", '$hbi.cancel("101")'),
  answer("101", packet("", "secret()")),
] as const;
const ESCAPE = [packet("co_end", "101"), conversation("901;x;n", "secret()")];

// --- what a handler does with its raw data -----------------------------------------------------------------------------

interface Reading {
  /** @param size as declared; of a manual body as much as was sent */
  run(co: Co, size: number, later: (run: () => void) => void): Promise<void>;
  /** of a body whose length only the handler tells; undefined: it tells none */
  asks(size: number): number | undefined;
}

const PART = 10;
const nothing = () => undefined;
const READINGS = {
  nothing: { run: async () => undefined, asks: () => 0 },
  part: { run: (co, size) => co.recvData(new Uint8Array(Math.min(PART, size))), asks: (size) => Math.min(PART, size) },
  all: { run: (co, size) => co.recvData(new Uint8Array(size)), asks: (size) => size },
  more: { run: (co, size) => co.recvData(new Uint8Array(size + 1)).catch(nothing), asks: () => undefined },
  pieces: {
    async run(co, size) {
      for (const length of [1, PART]) if (length < size) await co.recvData(new Uint8Array(length));
      await co.recvData([new Uint8Array(size <= PART ? size - 1 : size - 1 - PART)]);
    },
    asks: (size) => size,
  },
  stream: {
    async run(co, size) {
      for await (const _ of co.recvChunks(size));
    },
    asks: (size) => size,
  },
  "part of a stream": {
    async run(co, size) {
      for await (const _ of co.recvChunks(size)) break;
    },
    asks: (size) => size,
  },
  "until it gives up": {
    run: (co, size) => co.recvData(new Uint8Array(size), { timeoutMs: 1_000 }).catch(nothing),
    asks: (size) => size,
  },
  discarded: {
    async run(co, size) {
      void co.recvData(new Uint8Array(size)).catch(nothing);
      co.discardData();
    },
    asks: (size) => size,
  },
  "after it has ended": {
    run: async (co, size, later) => later(() => void co.recvData(new Uint8Array(size)).catch(nothing)),
    asks: () => 0,
  },
  "part, and throws": {
    async run(co, size) {
      await co.recvData(new Uint8Array(Math.min(PART, size)));
      throw new Error("on purpose");
    },
    asks: () => undefined,
  },
  "part, and never ends": {
    async run(co, size) {
      await co.recvData(new Uint8Array(Math.min(PART, size)));
      await new Promise(nothing);
    },
    asks: () => undefined,
  },
} as const satisfies Record<string, Reading>;

// --- what is declared --------------------------------------------------------------------------------------------------

const size = z.int().min(0).max(100_000);
const flag = z.boolean().optional();
/** Set before each run: a fixed length is that of the definition. */
let fixedSize = 0;

const METHODS = {
  none: method({ params: { n: size, flag } }),
  fixed: method({ params: { n: size, flag }, body: () => fixedSize, result: z.string() }),
  sized: method({ params: { n: size, flag }, body: ({ n }) => n, result: z.string() }),
  posted: method({ params: { n: size, flag }, body: ({ n }) => n }),
  nested: method({ params: { n: size, flag }, body: ({ n }) => n, result: z.string() }),
  manual: method({ params: { n: size, flag }, body: "manual", result: z.string() }),
} as const;
const HELPERS = {
  hold: method({ params: {} }),
  length: method({ params: { n: size }, result: size }),
  honest: method({ params: {}, result: z.string() }),
  secret: method({ params: {}, result: z.string() }),
};
const service = defineService({
  name: "raw",
  version: "1.0.0",
  methods: { ...METHODS, ...HELPERS },
  reactions: { ...METHODS, ...HELPERS },
});

type Declared = keyof typeof METHODS;

// --- what becomes of it ------------------------------------------------------------------------------------------------

const OUTCOMES = {
  lands: { runs: true, isHandled: true },
  "unknown method": { code: (_: Declared, n: number) => `nobody(${n})`, isUnreadable: true },
  "a bad argument": { code: (name: Declared, n: number) => `${callOf(name, n).slice(0, -1)}, 5)` },
  "a bad length": { code: (name: Declared, n: number) => `${name}("${n}")`, isUnmeasured: true },
  "no syntax": { code: (name: Declared, n: number) => `${name}(${n}`, isUnreadable: true },
  "too many statements": {
    code: (name: Declared, n: number) => `${callOf(name, n)}${"\n1".repeat(64)}`,
    isUnreadable: true,
  },
  "too big": { limits: { maxBodyBytes: 1 }, isHandled: true },
  "not authorized": { isForbidden: true },
  cancelled: { cancels: true, runs: true, isHandled: true },
  "waits for a place": { limits: { maxInFlight: 2 }, held: 2, waitsForAnswer: true, runs: true, isHandled: true },
  "waits until it is late": { limits: { maxInFlight: 2 }, held: 2, waitsForAnswer: true, deadlineMs: 1_000 },
  overloaded: {
    limits: { maxInFlight: 2, maxHostedWaiting: 1 },
    held: 3,
    waitsForAnswer: true,
    isHandledUnpromised: true,
  },
  draining: { drains: true, isHandled: true },
} as const satisfies Record<string, Course>;

interface Course {
  readonly code?: (name: Declared, n: number) => string;
  /** the script does not tell how many raw bytes are behind it */
  readonly isUnreadable?: boolean;
  /** nor does it where a parameter would tell */
  readonly isUnmeasured?: boolean;
  readonly limits?: object;
  readonly isForbidden?: boolean;
  readonly cancels?: boolean;
  /** handlers that take places before */
  readonly held?: number;
  /** this side waits for an answer, so that it must read on */
  readonly waitsForAnswer?: boolean;
  readonly deadlineMs?: number;
  readonly drains?: boolean;
  /** the handler runs, and may end well */
  readonly runs?: boolean;
  /** the handler may run */
  readonly isHandled?: boolean;
  /** the same where there is no promise, as nothing is read on then before there is a place */
  readonly isHandledUnpromised?: boolean;
}

function callOf(name: Declared, n: number): string {
  return name === "nested" ? `nested(length(${n}))` : `${name}(${n})`;
}

const PROMISES = {
  absent: () => undefined,
  right: (bytes: number) => bytes,
  /** so that what is left of it begins with a whole packet */
  less: (_: number, first: number) => first,
  more: (bytes: number) => bytes + 10,
  none: () => 0,
  huge: () => 1e12,
} as const;

// --- a connection ------------------------------------------------------------------------------------------------------

interface World {
  readonly peer: HostilePeer;
  readonly posting: PostingEnd;
  readonly closed: Promise<{ readonly reason?: string | undefined; readonly code: string } | undefined>;
  drain(): Promise<void>;
}

interface Seen {
  secrets: number;
  releaseAll(): void;
  readonly handlers: Record<keyof typeof service.methods, (params: never, co: Co) => unknown>;
}

function handlersOf(reading: Reading, later: (run: () => void) => void): Seen {
  const gates: (() => void)[] = [];
  const read = async ({ n }: { n: number }, co: Co) => {
    await reading.run(co, n, later);
    return "read";
  };
  const seen: Seen = {
    secrets: 0,
    releaseAll: () => {
      for (const gate of gates.splice(0)) gate();
    },
    handlers: {
      none: read,
      fixed: read,
      sized: read,
      posted: read,
      nested: read,
      manual: read,
      hold: () => new Promise<void>((resolve) => gates.push(resolve)),
      length: ({ n }: { n: number }) => n,
      honest: () => "honest",
      secret: () => {
        seen.secrets += 1;
        return "told";
      },
    },
  };
  return seen;
}

interface Given {
  readonly limits: object;
  readonly clock: ManualClock;
  readonly log: () => void;
}

/** The same handlers, met in the HBI layer, at a service, and as the reactions of a consumer. */
const LAYERS = {
  async environment({ handlers }: Seen, given: Given, _: boolean): Promise<World> {
    const { transport, peer } = hostileTransport();
    const env = new HostingEnv();
    for (const [name, declared] of Object.entries(service.methods)) {
      env.expose(name, declared as Method, handlers[name as keyof typeof handlers] as never);
    }
    const connection = new Connection(transport, () => env, given);
    await connection.start();
    return { peer, posting: connection.posting, closed: connection.closed, drain: () => connection.drain() };
  },
  async service(seen: Seen, given: Given, isForbidden: boolean): Promise<World> {
    const { transport, peer } = hostileTransport();
    const authorize = ({ name }: { name: string }) => !(isForbidden && name in METHODS);
    const host = new ServiceHost(service, () => calls(seen) as never, { ...given, authorize } as never);
    const { po, closed, ...rest } = await host.accept(transport).then((accepted) => ({
      po: accepted.po,
      closed: accepted.closed,
      drain: () => accepted.drain(),
    }));
    return { peer, posting: po, closed, ...rest };
  },
  async reactions(seen: Seen, given: Given, _: boolean): Promise<World> {
    const { transport, peer } = hostileTransport();
    const link = new Link(service, async () => transport, calls(seen) as never, given as never);
    await link.open();
    return { peer, posting: link.po, closed: link.closed, drain: () => link.close() };
  },
} as const;

function calls({ handlers }: Seen): object {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, run]) => [name, (params: never, { co }: { co: Co }) => run(params, co)]),
  );
}

// --- one run -----------------------------------------------------------------------------------------------------------

interface Run {
  readonly layer: keyof typeof LAYERS;
  readonly declared: Declared;
  readonly promise: keyof typeof PROMISES;
  readonly reading: keyof typeof READINGS;
  readonly outcome: keyof typeof OUTCOMES;
  readonly smuggled: readonly string[];
  /** bytes of the raw data that come before a pause */
  readonly before: number;
  /** the whole in chunks of so many bytes */
  readonly chunkBytes: number;
}

const encoder = new TextEncoder();

async function play(run: Run): Promise<void> {
  const { layer, declared, reading, outcome, smuggled } = run;
  const course: Course = OUTCOMES[outcome];
  const read: Reading = READINGS[reading];
  const all = smuggled.join("");
  fixedSize = all.length;
  const { said, sent, isCertain } = bytesOf(run, all, smuggled[0]?.length ?? 0);

  const clock = new ManualClock();
  const afterwards: (() => void)[] = [];
  const seen = handlersOf(read, (later) => afterwards.push(later));
  const limits = { keepaliveMs: Number.POSITIVE_INFINITY, ...course.limits };
  const world = await LAYERS[layer](seen, { limits, clock, log: nothing }, course.isForbidden === true);
  const { peer } = world;
  let reason: string | undefined;
  void world.closed.then((error) => (reason = error?.reason ?? error?.code));

  if (course.waitsForAnswer === true) void world.posting.notif("anything()").catch(nothing);
  for (let i = 0; i < (course.held ?? 0); i++) peer.say(conversation(`${80 + i};x;n`, "hold()"));
  await quiet(5);
  if (course.drains === true) void world.drain();
  const code = course.code?.(declared, all.length) ?? callOf(declared, all.length);
  const deadline = course.deadlineMs === undefined ? "" : `;d=${course.deadlineMs}`;
  const id = `101;x${said === undefined ? "" : said === 0 ? ";n" : `;b=${said}`}${deadline}`;
  const bytes = encoder.encode(packet("co_begin", id) + packet("", code) + all.slice(0, sent));
  const pause = bytes.length - sent + Math.min(run.before, sent);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(at < pause ? pause : bytes.length, at + run.chunkBytes);
    peer.say(bytes.subarray(at, end));
    at = end;
    await quiet(2);
    if (at === pause) await clock.advance(2_000);
  }
  peer.say(packet("co_end", "101"));
  await quiet(5);
  seen.releaseAll();
  if (course.cancels === true) peer.say(conversation("104;x;n", '$hbi.cancel("101")'));
  await clock.advance(5_000);
  for (const later of afterwards.splice(0)) later();
  peer.say(conversation("102;x;n", "honest()"));
  await clock.advance(90_000);
  seen.releaseAll();
  await quiet();

  const heard = peer.heard();
  const { hasEnded } = peer;
  const isAnswered = heard.includes(packet("co_ack_begin", "102"));
  const isWhole = isAnswered && (heard.includes('"honest"') || course.drains === true);
  peer.reset();
  await quiet(3);
  expect(seen.secrets, "secret ran").toBe(0);
  if (course.drains === true) expect([hasEnded, isCertain && heard.includes("#err]")]).toEqual([true, false]);
  else if (isCertain) expect([isWhole, reason]).toEqual([true, "disconnected"]);
  else expect([hasEnded, REASONS.has(reason ?? "")]).toEqual([!isWhole, true]);
}

/** Why a connection is ended here; `disconnected` is this test's own end of it. */
const REASONS: ReadonlySet<string> = new Set<Reason | Code>([
  "disconnected",
  "position_lost",
  "body_mismatch",
  "unknown_name",
  "bad_argument",
  "syntax",
  "too_many_statements",
  "handler",
  "handler_timeout",
  "cancelled",
  "body_too_big",
  "drain_too_big",
  "bad_frame",
  "bad_state",
  "read_timeout",
  "data_too_slow",
  "permission_denied",
]);

/** What the token says, how much is sent, and whether nobody can be in doubt of it. As much is sent as anybody says: whatever a peer sends
 *  beyond that is no raw data, but packets of its own. */
function bytesOf({ declared, promise, reading, outcome }: Run, all: string, first: number) {
  const course: Course = OUTCOMES[outcome];
  const said: number | undefined = PROMISES[promise](all.length, first);
  const planned = plannedBytes(declared, outcome, said, all.length);
  const isHandled = course.isHandled === true || (said === undefined && course.isHandledUnpromised === true);
  const asked = declared === "manual" && isHandled ? READINGS[reading].asks(all.length) : undefined;
  const told = planned ?? (said === undefined ? asked : undefined);
  const sent =
    said === undefined && told === undefined ? all.length : Math.min(Math.max(said ?? 0, told ?? 0), all.length);
  const isTrue = said === undefined || said === sent;
  const isKnown = said === undefined ? planned !== undefined || (asked !== undefined && course.runs === true) : true;
  const isDoubted = said !== undefined && said < (planned ?? (declared === "nested" ? all.length : 0));
  return { said, sent, isCertain: isTrue && isKnown && !isDoubted };
}

/** What the script says by itself. A length that a call decides is said by nobody before the call has run, and what was promised is read
 *  by the promise until then. */
function plannedBytes(
  declared: Declared,
  outcome: Run["outcome"],
  said: number | undefined,
  length: number,
): number | undefined {
  const { isUnreadable, isUnmeasured, runs }: Course = OUTCOMES[outcome];
  if (isUnreadable === true || declared === "manual") return undefined;
  if (declared === "none") return 0;
  if (declared === "fixed") return length;
  if (declared === "nested") return runs === true && said === undefined ? length : undefined;
  return isUnmeasured === true ? undefined : length;
}

const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];
/** How a handler reads whose conversation is ended; more in the long suite. */
const ENDED_READINGS: readonly (keyof typeof READINGS)[] =
  process.env["HBI_RUNS"] === undefined ? ["all"] : ["all", "nothing", "until it gives up"];
const plain = { smuggled: ESCAPE, before: 30, chunkBytes: 1_000_000 };

describe.each(keys(LAYERS))("%s: raw data is never read as packets", (layer) => {
  for (const declared of keys(METHODS)) {
    it(`${declared}, promised and read in every way`, async () => {
      for (const promise of keys(PROMISES)) {
        for (const reading of keys(READINGS)) {
          const run: Run = { layer, declared, promise, reading, outcome: "lands", ...plain };
          await told(run);
        }
      }
    });

    it(`${declared}, promised and ended in every way`, async () => {
      for (const promise of keys(PROMISES)) {
        for (const outcome of keys(OUTCOMES)) {
          if (outcome === "not authorized" && layer !== "service") continue;
          for (const reading of ENDED_READINGS) {
            await told({ layer, declared, promise, reading, outcome, ...plain });
          }
        }
      }
    });
  }

  it("whatever is in it, in any chunks", { timeout: 600_000 }, async () => {
    const run = fc.record<Run>({
      layer: fc.constant(layer),
      declared: fc.constantFrom(...keys(METHODS)),
      promise: fc.constantFrom(...keys(PROMISES)),
      reading: fc.constantFrom(...keys(READINGS)),
      outcome: fc.constantFrom(...keys(OUTCOMES).filter((name) => name !== "not authorized" || layer === "service")),
      smuggled: fc
        .tuple(fc.constantFrom("", "x", "x".repeat(25)), fc.shuffledSubarray([...SMUGGLED]))
        .map(([filler, pieces]) => [...(filler === "" ? [] : [filler]), ...pieces, ...ESCAPE]),
      before: fc.nat(300),
      chunkBytes: fc.constantFrom(1, 7, 100, 1_000_000),
    });
    await fc.assert(fc.asyncProperty(run, play), { numRuns: Number(process.env["HBI_RUNS"] ?? 50) });
  });
});

async function told(run: Run): Promise<void> {
  try {
    await play(run);
  } catch (thrown) {
    throw new Error(JSON.stringify(run), { cause: thrown });
  }
}
