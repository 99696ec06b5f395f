/**
 * Raw data of answers may contain forged packets as well. Whatever the host declares, and whatever happens to the
 * caller: none of these packets ever lands, and the connection either continues or ends with a reason.
 */
import { defineService, Link, method, type PoCo } from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const size = z.int().min(0).max(100_000);
const result = z.strictObject({ n: size });
const service = defineService({
  name: "answers",
  version: "1.0.0",
  methods: {
    download: method({ params: {}, result, resultBody: ({ n }) => n }),
    plain: method({ params: {}, result }),
    silent: method({ params: {} }),
  },
  reactions: {
    given: method({ params: { n: size, flag: z.boolean().optional() }, body: ({ n }) => n }),
    honest: method({ params: {}, result: z.string() }),
    secret: method({ params: {}, result: z.string() }),
  },
});
type Answers = Link<typeof service>;

/** Read as packets, it would run `secret`. */
const RAW = [
  packet("co_ack_end", "101"),
  conversation("901;x;n", "secret()"),
  packet("co_recv", "secret()"),
  conversation("902", "secret()"),
].join("");
const N = RAW.length;

// --- who asks ----------------------------------------------------------------------------------------------------------

interface Caller {
  ask(link: Answers, signal: AbortSignal): Promise<unknown>;
  /** what determines how much raw data is behind an object of the answer: its declaration, the promise of none, or only
   *  the reader */
  readonly by: "declared" | "none" | "asked";
  /** gives up when the answer has begun to come */
  readonly givesUp?: boolean;
}

const downloads = (read: (body: Awaited<ReturnType<Answers["call"]["download"]>>["body"]) => unknown): Caller => ({
  ask: async (link, signal) => read((await link.call.download({}, { signal })).body),
  by: "declared",
});

const converses = (options: object, read: (co: PoCo, n: number) => unknown) => (link: Answers, signal: AbortSignal) =>
  link.po.converse(
    async (co) => {
      await co.sendCode("plain()");
      const { n } = await co.recvObj(result);
      await read(co, n);
    },
    { ...options, signal },
  );
const nothing = () => undefined;

const CALLERS: Readonly<Record<string, Caller>> = {
  "reads all": downloads((body) => body.bytes()),
  "reads a part": downloads((body) => body.readInto(new Uint8Array(10))),
  "reads a stream": downloads(async (body) => {
    for await (const _ of body);
  }),
  "breaks a stream off": downloads(async (body) => {
    for await (const _ of body) break;
  }),
  "discards it": downloads((body) => body.discard()),
  "leaves it": downloads(nothing),
  "gives up a call": { ...downloads((body) => body.bytes()), givesUp: true },
  "posts a call": { ask: (link) => link.post.download(), by: "declared" },
  "expects no raw data": { ask: (link, signal) => link.call.plain({}, { signal }), by: "none" },
  "expects none, and gives up": { ask: (link, signal) => link.call.plain({}, { signal }), by: "none", givesUp: true },
  "expects nothing": { ask: (link, signal) => link.call.silent({}, { signal }), by: "none" },
  "says that there is none": { ask: converses({ hasNoRawAnswer: true }, nothing), by: "none" },
  "asks for it": { ask: converses({}, (co, n) => co.recvData(new Uint8Array(n))), by: "asked" },
  "asks for it, and gives up": {
    ask: converses({}, (co, n) => co.recvData(new Uint8Array(n))),
    by: "asked",
    givesUp: true,
  },
};

// --- what is answered --------------------------------------------------------------------------------------------------

interface Answered {
  readonly packet: string;
  /** how much raw data it declares; undefined if unknown */
  states(by: Caller["by"]): number | undefined;
}

const ANSWERS: Readonly<Record<string, Answered>> = {
  "the result": { packet: packet("co_recv", `{"n":${N}}`), states: (by) => (by === "none" ? 0 : N) },
  "a refused result": { packet: packet("co_recv", `{"n":"${N}"}`), states: (by) => (by === "none" ? 0 : undefined) },
  "an unknown value": { packet: packet("co_recv", `nobody(${N})`), states: (by) => (by === "none" ? 0 : undefined) },
  "an error": { packet: packet("co_recv", 'HbiError("aborted", "on purpose")'), states: () => 0 },
  nothing: { packet: "", states: () => 0 },
  "a script": { packet: packet("", `given(${N})`), states: () => N },
  "a refused script": { packet: packet("", `given(${N}, 5)`), states: () => N },
  "a script without a length": { packet: packet("", `given("${N}")`), states: () => undefined },
  "an unknown script": { packet: packet("", `nobody(${N})`), states: () => undefined },
};

describe.each(Object.entries(CALLERS))("a caller that %s", (_, caller) => {
  for (const [name, answered] of Object.entries(ANSWERS)) {
    for (const promise of ["", ";n"]) {
      it.each([1, 1_000_000])(
        `is answered by ${name}${promise === "" ? "" : ", without raw data"}, in chunks of %i`,
        (chunkBytes) => play(caller, answered, promise, chunkBytes),
      );
    }
  }
});

async function play(caller: Caller, answered: Answered, promise: string, chunkBytes: number): Promise<void> {
  const clock = new ManualClock();
  const { transport, peer } = hostileTransport();
  let secrets = 0;
  const reactions = {
    given: nothing,
    honest: () => "honest",
    secret: () => {
      secrets += 1;
      return "told";
    },
  };
  const limits = { keepaliveMs: Number.POSITIVE_INFINITY };
  const link = new Link(service, async () => transport, reactions, { clock, limits, lanes: false, log: nothing });
  await link.open();
  let reason: string | undefined;
  void link.closed.then((error) => (reason = error?.reason));
  const abort = new AbortController();
  caller.ask(link, abort.signal).catch(nothing);
  await quiet();
  // What the host promises holds where nothing else tells.
  const hasPromised = promise !== "";
  const stated = answered.states(caller.by);
  const isAsked = caller.by === "asked" && answered === ANSWERS["the result"];
  const sent = hasPromised && (stated === undefined || isAsked) ? 0 : (stated ?? N);
  const bytes = new TextEncoder().encode(
    packet("co_ack_begin", `101${promise}`) + answered.packet + RAW.slice(0, sent),
  );
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    peer.say(bytes.subarray(at, at + chunkBytes));
    await quiet(1);
    if (caller.givesUp === true) abort.abort();
  }
  await quiet();
  peer.say(packet("co_ack_end", "101") + conversation("903;x;n", "honest()"));
  await clock.advance(90_000);
  const isWhole = peer.heard().includes('"honest"');
  const { hasEnded } = peer;
  peer.reset();
  await quiet(3);
  expect(secrets, "secret ran").toBe(0);
  // Given up, or failed, an answer that only its reader measures is read no further; one that is measured by its object needs it.
  const fails = caller.givesUp === true || answered === ANSWERS["a refused script"];
  const isLeft = caller.by === "asked" && fails && !hasPromised;
  const isUnmeasured = stated === undefined && (caller.by === "declared" || !hasPromised);
  const isCertain = !isLeft && !isUnmeasured && (!hasPromised || sent === 0);
  if (isCertain) expect([isWhole, reason]).toEqual([true, "disconnected"]);
  else expect([hasEnded, REASONS.has(reason ?? "")]).toEqual([!isWhole, true]);
}

/** Why a connection is ended here; `disconnected` is this test's own end of it. */
const REASONS: ReadonlySet<string> = new Set([
  "disconnected",
  "position_lost",
  "body_mismatch",
  "unknown_name",
  "bad_argument",
  "bad_answer",
  "bad_state",
]);
