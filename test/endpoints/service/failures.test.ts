/**
 * Every failure of docs/errors-and-limits.md, as the consumer of a typed service sees it: code, reason, text, and whether the
 * link works afterwards.
 */
import { createReadStream } from "node:fs";
import {
  defineService,
  FAILURES,
  HbiError,
  type HostOptions,
  type LimitOptions,
  Link,
  type LinkOptions,
  type LogEntry,
  memoryTransportPair,
  method,
  type Reason,
  ServiceHost,
  type Transport,
} from "hbi";
import { serveOnAllCores } from "hbi/cluster";
import { connect, serve } from "hbi/node";
import { answer, type HostilePeer, hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { withBrokenBundle } from "../../support/broken-bundle.ts";
import { withProgram } from "../../support/with-program.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

interface Seen {
  readonly error: unknown;
  /** whether a call still works on the same link */
  readonly lives: boolean;
}
type Scenario = () => Promise<Seen>;

interface Setting {
  readonly host?: HostOptions<Kinds, undefined>;
  readonly link?: LinkOptions<Kinds>;
}

const { add } = kinds.methods;
const quietly = { log: () => undefined };
/** What fails on lane 0 ends the connection, or delays others. */
const plainly = { ...quietly, lanes: false };

const ONE_LANE: Setting = { link: { lanes: false } };

/** What it came to: the value or the error. */
function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

/** On a real host: does what should fail, then calls again. */
function hosted(
  fail: (link: Link<Kinds>, work: Work, peer: import("hbi").Peer<Kinds, undefined>) => Promise<unknown>,
  { host = {}, link = {} }: Setting = {},
): Scenario {
  return async () => {
    const work = new Work();
    const test = await testLink(kinds, handlersOf(work), {
      reactions: new Reactions().all,
      host: { ...quietly, ...host },
      link: { ...quietly, ...link },
    });
    const error = await caught(fail(test.link, work, test.peer));
    const lives = (await caught(test.link.call.add({ a: 1, b: 2 }, { timeoutMs: 5_000 }))) === 3;
    await test.link.disconnect();
    return { error, lives };
  };
}

/** A script that no definition writes, in a conversation that promises no raw data. */
const raw = (code: string) =>
  hosted((link) =>
    link.po.converse(
      async (co) => {
        await co.sendCode(code);
        return co.recvObj();
      },
      { hasNoRawData: true, hasNoRawAnswer: true },
    ),
  );

/** The same without the promise, so that what follows is uncertain. */
const rawAndOpen = (code: string, setting: Setting = {}) =>
  hosted(
    (link) =>
      link.po.converse(async (co) => {
        await co.sendCode(code);
        return co.recvObj();
      }),
    setting,
  );

/** A host that answers a call with exactly these bytes. `link.closed` tells why a connection ended on this side. */
function answered(
  reply: string | Uint8Array | ((peer: HostilePeer, clock: ManualClock) => Promise<void>),
  { isClosedReason = false, call = (link: Link<Kinds>): Promise<unknown> => link.call.add({ a: 1, b: 2 }) } = {},
): Scenario {
  return async () => {
    const { transport, peer } = hostileTransport();
    const clock = new ManualClock();
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, { ...plainly, clock }).open();
    const waiting = caught(call(link));
    await peer.play({ hear: "co_end" });
    if (typeof reply === "function") await reply(peer, clock);
    else await peer.play({ say: reply });
    await quiet();
    if (isClosedReason) await peer.play("reset");
    const error = isClosedReason ? await link.closed : await waiting;
    const again = caught(link.call.add({ a: 1, b: 2 }));
    await peer.play({ say: answer("102", packet("co_recv", "3")) });
    await quiet();
    const lives = link.state === "open" && (await again) === 3;
    peer.play("reset");
    await link.closed;
    return { error, lives };
  };
}

/** A host that takes lanes, and says this in frames when the call has got lane 1. */
function onLanes(frames: string, isClosedReason = false): Scenario {
  return async () => {
    const { transport, peer } = hostileTransport();
    const options = { ...quietly, limits: { maxLanes: 1 } };
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, options).open();
    const waiting = caught(link.call.upload({ size: 2_000_000 }, { body: new Uint8Array(2_000_000) }));
    await peer.play({ hear: "co_end" });
    const hello = packet("co_begin", "100;x;n;m=9;p=9000;lanes=9;window=9000") + packet("co_end", "100");
    await peer.play({ say: hello + answer("100") });
    await peer.play({ hear: "open]1" });
    await peer.play({ say: `[1#lanes]1${frames}` });
    await quiet();
    if (isClosedReason) await peer.play("reset");
    const error = isClosedReason ? await link.closed : await waiting;
    const again = caught(link.call.add({ a: 1, b: 2 }));
    const said = answer("102", packet("co_recv", "3"));
    await peer.play({ say: `[${said.length}#0]${said}` });
    await quiet();
    const lives = link.state === "open" && (await again) === 3;
    await peer.play("reset");
    await link.closed;
    return { error, lives };
  };
}

const newer = defineService({
  name: "kinds",
  version: "2.0.0",
  methods: {
    ...kinds.methods,
    fresh: method({ params: {}, result: z.int() }),
    note: method({ params: { text: z.union([z.string(), z.int()]) } }),
  },
  reactions: kinds.reactions,
  values: kinds.values,
});

/** A consumer whose definition is newer than the service's. */
function outdated(fail: (link: Link<typeof newer>) => Promise<unknown>): Scenario {
  return hosted((link) => fail(link as unknown as Link<typeof newer>), {});
}

const deep = (levels: number) => `echo(${"[".repeat(levels)}${"]".repeat(levels)})`;
const guarded = defineService({
  name: "guarded",
  version: "1.0.0",
  methods: { add: kinds.methods.add },
  credentials: { token: z.string() },
});
const unaware = defineService({ name: "guarded", version: "1.0.0", methods: { add: kinds.methods.add } });

/** A consumer that does not know of the credentials that the service asks for. */
const asStranger = async (
  limits: LimitOptions,
  fail: (link: Link<typeof unaware>) => Promise<unknown>,
): Promise<Seen> => {
  const authenticate = ({ token }: { token: string }) => (token === "open" ? { token } : undefined);
  const test = await testLink(guarded, () => ({ add: ({ a, b }) => a + b }), {
    host: { ...quietly, limits, authenticate },
    link: { credentials: { token: "open" } },
  });
  let transport: Transport | undefined;
  const { host } = test;
  const link = await new Link<typeof unaware>(
    unaware,
    async () => {
      const pair = (await import("hbi")).memoryTransportPair();
      transport = pair[0];
      void host.accept(pair[1]);
      return transport;
    },
    {},
    quietly,
  ).open();
  const error = await caught(fail(link));
  const lives = link.state === "open";
  await link.disconnect();
  await test.close();
  return { error, lives };
};
const unauthenticated: Scenario = () => asStranger({}, (link) => link.call.add({ a: 1, b: 2 }));
const tooMuchForAStranger: Scenario = () =>
  asStranger({ strangerSentBytes: 800, strangerFailures: 100 }, async (link) => {
    for (;;) {
      const error = await caught(link.call.add({ a: 1, b: 2 }));
      if (error instanceof HbiError && error.reason === "peer_error") throw error;
    }
  });

const SCENARIOS: Readonly<
  Record<Reason, { readonly run: Scenario; readonly lives: boolean; readonly as?: Reason | readonly Reason[] }>
> = {
  syntax: { run: raw("add(1,"), lives: true },
  forbidden_syntax: { run: raw("a => 1"), lives: true },
  bad_literal: { run: raw('echo("\\q")'), lives: true },
  bad_key: { run: rawAndOpen("echo({True: 1})"), lives: true },
  too_deep: { run: raw(deep(40)), lives: true },
  too_many_nodes: { run: raw(`echo([${"0,".repeat(10_001)}])`), lives: true },
  too_many_statements: { run: raw("nothing()\n".repeat(65)), lives: true },
  too_many_calls: { run: raw(`echo([${"add(1,2),".repeat(64)}])`), lives: true },
  too_many_arguments: { run: raw(`add(${"1,".repeat(65)})`), lives: true },
  too_many_keys: {
    run: hosted((link) =>
      link.call.echo({ value: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`k${i}`, i])) }),
    ),
    lives: true,
  },
  name_too_long: { run: raw(`${"a".repeat(65)}()`), lives: true },
  number_too_long: { run: raw(`echo(${"1".repeat(41)})`), lives: true },
  unknown_name: { run: outdated(freshCall), lives: true },
  bad_argument: { run: raw("note(5)"), lives: true },
  not_a_value: { run: answered(answer("101", packet("co_recv", "told('x')"))), lives: true },
  metadata_too_big: {
    run: hosted((link) => link.call.nothing({}, { metadata: { tenant: "a".repeat(50) } }), {
      host: { limits: { maxMetadataBytes: 50 } },
    }),
    lives: true,
  },
  body_too_big: {
    run: hosted((link) => link.call.upload({ size: 2_000 }, { body: new Uint8Array(2_000) }), {
      host: { limits: { maxBodyBytes: 1_000 } },
    }),
    lives: true,
  },
  unauthenticated: { run: unauthenticated, lives: true },
  body_mismatch: { run: hosted((link) => link.call.upload({ size: 5 }, { body: new Uint8Array(4) })), lives: true },
  handler: { run: hosted((link) => link.call.fail({ how: "anything" })), lives: true },
  bad_result: { run: hosted((link) => link.call.fail({ how: "result" })), lives: true },
  result_too_big: {
    run: hosted((link) => link.call.echo({ value: Array.from({ length: 200 }, (_, i) => i) }), {
      link: { limits: { maxNodes: 200 } },
    }),
    lives: true,
  },
  details_lost: { run: lostDetails, lives: true },
  handler_timeout: { run: handlerTimeout, lives: true },
  overloaded: {
    run: hosted(
      async (link) => {
        const calls = [
          link.call.ask_back({ question: "who" }),
          ...Array.from({ length: 4 }, () => link.call.nothing()),
        ];
        const [refused] = (await Promise.all(calls.map(caught))).filter((outcome) => outcome instanceof HbiError);
        throw refused;
      },
      { host: { limits: { maxInFlight: 1, maxHostedWaiting: 1 } } },
    ),
    lives: true,
  },
  bad_frame: { run: answered("no packet", { isClosedReason: true }), lives: false },
  packet_too_big: { run: answered("[16777217#co_recv]", { isClosedReason: true }), lives: false },
  bad_utf8: {
    run: answered(new Uint8Array([...Buffer.from("[1#err]"), 0xff]), { isClosedReason: true }),
    lives: false,
  },
  truncated: {
    run: answered((peer) => peer.play({ say: "[3#co_ack_begin]10" }, "end").then(noAnswer), { isClosedReason: true }),
    lives: false,
  },
  bad_state: { run: answered(packet("co_ack_begin", "999"), { isClosedReason: true }), lives: false },
  bad_token: { run: answered(packet("co_begin", "101;x;b=1;n"), { isClosedReason: true }), lives: false },
  position_lost: { run: positionLost, lives: false },
  drain_too_big: {
    run: hosted(
      async (link) => {
        await link.call.upload({ size: 2_000_000 }, { body: new Uint8Array(2_000_000) });
      },
      // a link that can be told before it has sent everything gets the refusal itself
      { host: { limits: { maxBodyBytes: 1_000, maxDrainBytes: 1_000 } }, link: { extension: false } },
    ),
    as: "peer_error",
    lives: false,
  },
  too_many_answers: {
    run: rawAndOpen(`${"add(1,2)\n".repeat(10)}`, { host: { limits: { maxQueuedAnswers: 5 } } }),
    as: "peer_error",
    lives: false,
  },
  too_many_errors: {
    run: hosted(
      async (link) => {
        const malformed = () => link.po.notif("add(1,").then((co) => co.waitCompleted());
        for (let i = 0; i < 2; i++) await caught(malformed());
        return malformed();
      },
      { host: { limits: { maxFailures: 2 } } },
    ),
    as: "peer_error",
    lives: false,
  },
  rate_exceeded: { run: tooMuchForAStranger, as: "peer_error", lives: false },
  data_too_slow: { run: slowData, as: "peer_error", lives: false },
  read_timeout: {
    run: answered(
      async (peer, clock) => {
        await peer.play({ say: packet("co_ack_begin", "101") });
        await quiet();
        await clock.advance(29_999); // the call itself is over at 30 s
        await peer.play({ say: "[" });
        await clock.advance(5_000);
      },
      { isClosedReason: true },
    ),
    lives: false,
  },
  buffer_full: { run: bufferFull, lives: false },
  slow_reader: { run: slowReader, lives: false },
  init_failed: { run: initFailed, as: "peer_error", lives: false },
  disconnected: { run: answered((peer) => peer.play("reset").then(noAnswer)), lives: false },
  peer_error: { run: answered(packet("err", "I am\nbroken")), lives: false },
  draining: {
    run: hosted(async (link, work, peer) => {
      const held = link.call.hold({ name: "a" });
      await work.holding(1);
      void peer.drain("maintenance");
      await quiet();
      const refused = await caught(link.call.add({ a: 1, b: 2 }));
      work.release("a");
      expect(await held).toBe("a");
      throw refused;
    }),
    lives: false,
  },
  unresponsive: {
    run: answered(
      async (peer, clock) => {
        await peer.play({ say: answer("100") });
        await quiet();
        await clock.advance(30_000 + 20_000 + 1_000);
      },
      { isClosedReason: true },
    ),
    lives: false,
  },
  connect_failed: { run: connectFailed, lives: false },
  listen_failed: {
    run: async () => {
      const first = await serve(kinds, "127.0.0.1:0", handlersOf(new Work()));
      const error = await caught(serve(kinds, first.address, handlersOf(new Work())));
      await first.close();
      return { error, lives: false };
    },
    lives: false,
  },
  worker_failed: {
    run: () =>
      withProgram("process.exit(1)", async (program) => {
        const options = { workers: 1, program, log: () => undefined };
        const error = await caught(serveOnAllCores(kinds, "127.0.0.1:0", handlersOf(new Work()), options));
        return { error, lives: false };
      }),
    lives: false,
  },
  too_many_connections: { run: oneTooMany, as: ["disconnected", "connect_failed"], lives: false },
  origin_refused: { run: originRefused, as: "connect_failed", lives: false },
  not_loaded: { run: notLoaded, lives: true },
  cancelled: {
    run: hosted((link) => link.call.hold({ name: "a" }, { signal: AbortSignal.abort("no need") })),
    lives: true,
  },
  timeout: { run: hosted((link) => link.call.hold({ name: "a" }, { timeoutMs: 20 })), lives: true },
  body_unread: {
    run: hosted(async (link) => {
      const { body } = await link.call.download({ size: 1_000_000, fill: 1 });
      const late = caught(link.call.add({ a: 1, b: 2 }, { timeoutMs: 50 }));
      const error = await late;
      body.discard();
      throw error;
    }, ONE_LANE),
    lives: true,
  },
  lane_reset: { run: onLanes("[13#reset]1 body_failed"), lives: true },
  no_lanes: { run: pouredWithoutLanes, lives: true },
  too_many_lanes: { run: onLanes("[1#open]2[1#open]4", true), lives: false },
  turn_held: {
    run: hosted(async (link) => {
      const co = await link.po.co();
      await co.sendCode("store(100000)");
      await co.sendData(new Uint8Array(70_000));
      const late = await caught(link.call.add({ a: 1, b: 2 }, { timeoutMs: 50 }));
      await co.sendData(new Uint8Array(30_000));
      await co.close();
      throw late;
    }),
    lives: true,
  },
  body_failed: {
    run: hosted((link) => link.call.upload({ size: 5 }, { body: createReadStream("/no/such/file") })),
    lives: true,
  },
  wrong_stage: {
    run: hosted(async (link) => {
      const { body } = await link.call.download({ size: 10, fill: 1 });
      await body.bytes();
      return body.bytes();
    }),
    lives: true,
  },
  too_many_waiting: {
    run: hosted(
      async (link, work) => {
        const held = [link.call.hold({ name: "a" }), link.call.hold({ name: "b" })];
        const error = await caught(link.call.hold({ name: "c" }));
        await work.holding(1);
        work.release("a");
        await work.holding(2);
        work.release("b");
        await Promise.all(held);
        throw error;
      },
      { link: { limits: { maxPostedInFlight: 1, maxPostedWaiting: 1 } } },
    ),
    lives: true,
  },
  not_representable: { run: hosted((link) => link.call.echo({ value: new WeakMap() })), lives: true },
  bad_option: { run: hosted((link) => link.call.add({ a: 1, b: 2 }, { timeoutMs: -1 })), lives: true },
  bad_answer: { run: answered(answer("101", packet("co_recv", "'three'"))), lives: true },
  no_answer: { run: answered(answer("101")), lives: true },
  other_definition: { run: otherDefinition, lives: true },
};

/** A strict link of a definition with one method more; another link lives. */
async function otherDefinition(): Promise<Seen> {
  const { name, version, methods, values } = kinds;
  const more = defineService({ name, version, methods: { ...methods, more: method({ params: {} }) }, values });
  const server = await serve(kinds, "127.0.0.1:0", handlersOf(new Work()), quietly);
  const error = await caught(connect(more, server.address, {}, { ...quietly, onMismatch: "error" }));
  const link = await connect(kinds, server.address, new Reactions().all, { ...quietly, onMismatch: "error" });
  const lives = (await link.call.add({ a: 1, b: 2 })) === 3;
  await Promise.all([link.disconnect(), server.close()]);
  return { error, lives };
}

function noAnswer(): void {}

/** Nothing is said to it: its connection ends at once. */
async function oneTooMany(): Promise<Seen> {
  const work = new Work();
  const server = await serve(kinds, "127.0.0.1:0", handlersOf(work), { ...quietly, limits: { maxConnections: 1 } });
  const first = await connect(kinds, server.address, new Reactions().all, quietly);
  const second = connect(kinds, server.address, new Reactions().all, quietly).then((link) => link.closed);
  const error = await second.catch((thrown: unknown) => thrown); // the reset may come before it knows that it is connected
  expect(await first.call.add({ a: 1, b: 2 })).toBe(3);
  await Promise.all([first.disconnect(), server.close()]);
  return { error, lives: false };
}

/** A body that stops half-way, longer than the host waits for so little. */
async function slowData(): Promise<Seen> {
  const clock = new ManualClock();
  const stalled = async function* () {
    yield new Uint8Array(70_000);
    await new Promise(() => undefined);
  };
  const run = hosted(
    async (link) => {
      const upload = caught(link.call.upload({ size: 70_001 }, { body: stalled() }));
      await clock.advance(20_000); // in the first half of it enough has come
      throw await upload;
    },
    { host: { clock }, ...ONE_LANE },
  );
  return run();
}

function freshCall(link: Link<typeof newer>): Promise<unknown> {
  return link.po.converse(
    async (co) => {
      await co.sendCode("fresh()");
      return co.recvObj();
    },
    { hasNoRawData: true, hasNoRawAnswer: true },
  );
}

async function pouredWithoutLanes(): Promise<Seen> {
  const service = defineService({
    name: "pond",
    version: "1.0.0",
    methods: {
      pour: method({ params: {}, body: "unknown", result: z.int() }),
      level: method({ params: {}, result: z.int() }),
    },
  });
  const test = await testLink(service, () => ({ pour: () => 1, level: () => 3 }), { host: plainly });
  const error = await caught(test.link.call.pour({}, { body: [Uint8Array.of(1)] }));
  const lives = (await test.link.call.level()) === 3;
  await test.close();
  return { error, lives };
}

/** What its log says; the error itself crosses. */
async function lostDetails(): Promise<Seen> {
  const logged: HbiError[] = [];
  const log = ({ error }: LogEntry) => void logged.push(error);
  const service = defineService({
    name: "refusing",
    version: "1.0.0",
    methods: { refuse: method({ params: {} }), add },
  });
  const refuse = () => {
    throw new HbiError("not_found", "no such order", { since: new Date(0) });
  };
  const test = await testLink(service, () => ({ refuse, add: ({ a, b }) => a + b }), { host: { log } });
  expect(await caught(test.link.call.refuse())).toMatchObject({ code: "not_found", message: "no such order" });
  const lives = (await test.link.call.add({ a: 1, b: 2 })) === 3;
  await test.close();
  return { error: logged.find(({ code }) => code === "internal"), lives };
}

async function handlerTimeout(): Promise<Seen> {
  const clock = new ManualClock();
  const run = hosted(
    async (link, work) => {
      const held = caught(link.call.hold({ name: "a" }, { timeoutMs: Number.POSITIVE_INFINITY }));
      await work.holding(1);
      await clock.advance(60_000);
      expect(work.aborted).toEqual(["a"]);
      throw await held;
    },
    { host: { clock } },
  );
  return run();
}

/** A script is refused, and the next one of the conversation says no more of its raw data than the first. */
function positionLost(): Promise<Seen> {
  return hosted(async (link) => {
    const co = await link.po.co();
    await co.sendCode("fail('hbi')");
    await quiet(2); // it goes out before it is known what else is in the conversation
    await co.sendCode("what_is_this()");
    return co.recvObj();
  })().then(({ lives, error }) => ({ lives, error: asPeerError(error, "raw data of unknown length follows") }));
}

/** The side that cuts sends the reason in its err. */
function asPeerError(error: unknown, text: string): unknown {
  expect(error).toMatchObject({ reason: "peer_error", message: `peer error: ${text}` });
  return new HbiError("failed_precondition", text, undefined, { reason: "position_lost" });
}

/** A service whose transport cannot be paused sends a body that is not read. */
async function bufferFull(): Promise<Seen> {
  const { transport, peer } = hostileTransport({ canPause: false });
  const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, plainly).open();
  const downloading = link.call.download({ size: 1_000_000, fill: 1 });
  await peer.play(
    { hear: "co_end" },
    { say: packet("co_ack_begin", "101") + packet("co_recv", '{"size":1000000,"fill":1}') },
  );
  await downloading;
  await peer.play({ flood: 1_000_000 });
  const error = await link.closed;
  return { error, lives: link.state === "open" };
}

async function slowReader(): Promise<Seen> {
  const { transport, peer } = hostileTransport();
  const clock = new ManualClock();
  const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, { ...plainly, clock }).open();
  await peer.play("deaf");
  const waiting = caught(link.call.upload({ size: 1_000_000 }, { body: new Uint8Array(1_000_000), timeoutMs: 1e9 }));
  await quiet();
  await clock.advance(40_000); // 30 s, and what the platform has taken may still be on its way
  await peer.play("reset");
  const error = await link.closed;
  expect(await waiting).toMatchObject({ code: "unavailable", mayHaveLanded: true });
  return { error, lives: link.state === "open" };
}

/** Who authenticates by what the transport knows is refused before anything is landed. */
async function initFailed(): Promise<Seen> {
  const work = new Work();
  const test = await testLink(kinds, handlersOf(work) as never, {
    reactions: new Reactions().all,
    host: {
      ...quietly,
      authenticate: () => {
        throw new Error("the database is down");
      },
    },
    link: quietly,
  });
  const error = await test.link.closed;
  return { error, lives: test.link.state === "open" };
}

async function connectFailed(): Promise<Seen> {
  return { error: await caught(connect(unaware, "127.0.0.1:1")), lives: false };
}

/** A program that says that it is a page. */
async function originRefused(): Promise<Seen> {
  const server = await serve(kinds, "ws://127.0.0.1:0/hbi", handlersOf(new Work()), quietly);
  const webSocket = { headers: { origin: "https://app.example.com" } };
  const error = await caught(connect(unaware, server.address, {}, { webSocket }));
  await server.close();
  return { error, lives: false };
}

/** In a bundle that keeps what reads descriptions apart. */
async function notLoaded(): Promise<Seen> {
  const broken = ["description", "definition-difference"];
  return await withBrokenBundle(broken, async (lib) => {
    const hi = defineService({ name: "hi", version: "1.0.0", methods: { hi: method({ params: {} }) } });
    const host = new ServiceHost(hi, () => ({ hi: () => undefined }), quietly);
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      host.accept(far).catch(() => undefined);
      return near;
    };
    const link = await new lib.Link(hi, dial, {}, quietly).open();
    const error = await caught(link.describe());
    const lives = (await caught(link.call.hi({}).then(() => "yes"))) === "yes";
    await link.close();
    await host.close();
    return { error, lives };
  });
}

/** Each failure as the client reads it: a change is a change of messages.txt, to be read as a whole. */
const messages: string[] = [];

describe("a typed client sees", () => {
  for (const reason of Object.keys(FAILURES) as Reason[]) {
    const { run, lives, as = reason } = SCENARIOS[reason];
    it(`${reason}${lives ? ", and goes on" : ""}`, async () => {
      const seen = await run();
      expect(seen.error).toBeInstanceOf(HbiError);
      const error = seen.error as HbiError;
      messages.push(
        `${reason}: ${error.message
          .replace(/reference \w{8}/, "reference ........")
          .replace(/(:|port )\d{4,5}\b/g, "$1PORT")
          .replace(/(process )\d+/, "$1PID")}`,
      );
      const seenAs = error.reason as Reason;
      expect([as].flat()).toContain(seenAs);
      expect(error.code).toBe(FAILURES[seenAs].code);
      expect(error.message).toContain(FAILURES[seenAs].text);
      if (as === "peer_error") expect(error.message).toContain(FAILURES[reason].text);
      expect(error.message).toMatch(/^[\x20-\x7e]{1,600}$/);
      expect(seen.lives).toBe(lives);
    });
  }

  it("in words that a person has read", async () => {
    const stable = messages.filter((line) => !line.startsWith("too_many_connections")); // of two kinds
    await expect(`${stable.join("\n")}\n`).toMatchFileSnapshot("./messages.txt");
  });

  it("an error of a handler with its code, message and details", async () => {
    const { error, lives } = await hosted((link) => link.call.fail({ how: "hbi" }))();
    expect(error).toMatchObject({ code: "not_found", message: "no such thing", details: { how: "hbi" } });
    expect(lives).toBe(true);
  });

  it("nothing of an unexpected error but a reference number", async () => {
    const { error } = await hosted((link) => link.call.fail({ how: "anything" }))();
    expect(String((error as HbiError).message)).toMatch(/^fail: internal error: reference [a-z0-9]{8}$/);
    expect(JSON.stringify(error)).not.toContain("secret");
  });

  it.each([
    ["sent", true],
    ["waiting", false],
  ])("whether a lost call may have been landed: %s", async (_, mayHaveLanded) => {
    const { transport, peer } = hostileTransport();
    const limits = { maxPostedInFlight: 1 };
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, {
      ...quietly,
      limits,
    }).open();
    const sent = caught(link.call.add({ a: 1, b: 2 }));
    const waiting = caught(link.call.add({ a: 3, b: 4 }));
    await peer.play({ hear: "co_end" }, "reset");
    expect(await (mayHaveLanded ? sent : waiting)).toMatchObject({ code: "unavailable", mayHaveLanded });
    expect(await caught(link.call.add({ a: 1, b: 2 }))).toMatchObject({ code: "unavailable", mayHaveLanded: false });
  });
});

describe("a service that promises an answer without raw data, where some is declared", () => {
  it.each([
    ["a result that has none", '{"size":0,"fill":1}', { result: { size: 0, fill: 1 } }],
    ["a result that has some", '{"size":3,"fill":1}', { reason: "body_mismatch" }],
    ["another result", '{"sizes":0}', { reason: "bad_answer" }],
    ["no value", "[", { reason: "syntax" }],
    ["an error", 'HbiError("aborted","no")', { code: "aborted" }],
    ["nothing", undefined, { reason: "no_answer" }],
  ])("%s", async (_, text, expected) => {
    const said = packet("co_ack_begin", "101;n") + (text === undefined ? "" : packet("co_recv", text));
    const call = (link: Link<Kinds>) => link.call.download({ size: 0, fill: 1 });
    const { error, lives } = await answered(said + packet("co_ack_end", "101"), { call })();
    expect(error).toMatchObject(expected);
    expect(lives).toBe(!("reason" in expected && expected.reason === "body_mismatch")); // it is uncertain which of the two is wrong
  });
});
