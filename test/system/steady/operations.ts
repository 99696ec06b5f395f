/**
 * Operations: everything that carries bytes, each as a function of who calls and how much is to be carried. They throw when anything
 * does not arrive whole, or the counts do not add up.
 */

import type { Body } from "hbi";
import type { Way } from "../../support/chaos-proxy.ts";
import { checksum, readExactly } from "../chaos/content.ts";
import { bodyOf, paced, type Source, textOf } from "./service.ts";
import { type End, PATIENT, type World } from "./world.ts";

/** Near `maxPacketBytes`. */
const TEXT_BYTES = 200_000;
/** A small call and its answer, each about so long on the wire. */
const SMALL_BYTES = 60;
const ROUND_CALLS = 100;

export interface Load {
  /** of everything that is carried: different in each use */
  readonly id: string;
  readonly bytes: number;
  /** what the line carries in a second, if that is bounded */
  readonly bytesPerSecond: number | undefined;
  /** small calls: as many as may be on the wire, since more would wait for the latency and not for the rate */
  readonly isInRounds?: boolean;
  /** of one text; by default near `maxPacketBytes` */
  readonly textBytes?: number;
}

interface Text {
  readonly id: string;
  readonly text: string;
}

export interface Operation {
  /** in which part of a call the bytes are */
  readonly carriedBy: "calls" | "answers";
  readonly run: (end: End, load: Load) => Promise<void>;
}

/** Carries so much in this direction. */
export async function carry(world: World, { carriedBy, run }: Operation, way: Way, load: Load): Promise<void> {
  const opposite = way === "up" ? "down" : "up";
  await run(world.calling(carriedBy === "calls" ? way : opposite), load);
}

const calls = (run: Operation["run"]): Operation => ({ carriedBy: "calls", run });
const answers = (run: Operation["run"]): Operation => ({ carriedBy: "answers", run });

function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, not ${String(expected)}`);
}

/** So many at once, each with an id of its own. */
async function atOnce(count: number, { id }: Load, run: (id: string, i: number) => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => run(`${id}.${i}`, i)));
}

/** How many texts, and how long each is. */
function textsOf({ bytes, textBytes = TEXT_BYTES }: Load): { readonly count: number; readonly length: number } {
  return { count: Math.max(Math.round(bytes / textBytes), 1), length: textBytes };
}

const small = calls(async ({ caller }, load) => {
  const count = load.isInRounds === true ? ROUND_CALLS : Math.ceil(load.bytes / SMALL_BYTES);
  await atOnce(count, load, async (_, n) => {
    expectEqual(await caller.call.twice({ n }, PATIENT), n * 2, "twice");
  });
});

const textArguments = calls(async ({ caller }, load) => {
  const { count, length } = textsOf(load);
  await atOnce(count, load, async (id) => {
    expectEqual(await caller.call.take({ id, text: textOf(id, length) }, PATIENT), length, id);
  });
});

const textResults = answers(async ({ caller }, load) => {
  const { count, length } = textsOf(load);
  await atOnce(count, load, async (id) => {
    expectEqual((await caller.call.give({ id, size: length }, PATIENT)) === textOf(id, length), true, id);
  });
});

const put = (source: Source, isSlow = false): Operation =>
  calls(async ({ caller }, { id, bytes, bytesPerSecond }) => {
    const pace = isSlow ? paceOf(bytesPerSecond) : 0;
    const options = { body: bodyOf(id, bytes, source), ...PATIENT };
    expectEqual(await caller.call.put({ id, size: bytes, pace }, options), checksum(id, bytes), id);
  });

/** Half of what the line could carry. */
const paceOf = (bytesPerSecond = 1_000_000): number => bytesPerSecond / 2;

type Read = (body: Body, load: Load) => Promise<string>;

const READ = {
  "as it comes": (body, { id, bytes }) => readExactly(id, bytes, body),
  "by bytes()": async (body, { id, bytes }) => readExactly(id, bytes, [await body.bytes()] as never),
  slowly: (body, { id, bytes, bytesPerSecond }) => readExactly(id, bytes, paced(body, paceOf(bytesPerSecond))),
  "piece by piece, slowly": (body, { id, bytes, bytesPerSecond }) =>
    readExactly(id, bytes, paced(pieces(body), paceOf(bytesPerSecond))),
} satisfies Record<string, Read>;

async function* pieces(body: Body): AsyncGenerator<Uint8Array> {
  while (body.unreadBytes > 0) {
    const piece = new Uint8Array(Math.min(body.unreadBytes, 10_000));
    await body.readInto(piece);
    yield piece;
  }
}

const get = (source: Source, read: keyof typeof READ): Operation =>
  answers(async ({ caller }, load) => {
    const { id, bytes } = load;
    const { result, body } = await caller.call.get({ id, size: bytes, source }, PATIENT);
    expectEqual(result.size, bytes, id);
    expectEqual(await READ[read](body, load), checksum(id, bytes), id);
  });

/** All at once: 100 of 200 kB at the most. */
const pushesAcknowledged = calls(async ({ caller, far }, load) => {
  const { count, length } = textsOf(load);
  const before = far.countOf("tell");
  await atOnce(count, load, async (id) => {
    const posted = await caller.post.tell({ id, text: textOf(id, length) }, PATIENT);
    await posted.waitCompleted();
  });
  expectEqual(far.countOf("tell"), before + count, "pushes that have landed");
});

const pushesUnawaited = calls(async ({ caller, far }, load) => {
  const { count, length } = textsOf(load);
  const before = far.countOf("tell");
  await atOnce(count, load, (id) => caller.post.tell({ id, text: textOf(id, length) }, PATIENT));
  await far.received("tell", before + count);
});

const scriptArguments = calls(async ({ caller }, load) => {
  const { count, length } = textsOf(load);
  const half = Math.floor(length / 2);
  await atOnce(count, load, async (id) => {
    const [a, b] = [`${id}a`, `${id}b`].map((each) => ({ id: each, text: textOf(each, half) })) as [Text, Text];
    const lengths = await caller.script((s) => [s.take(a), s.take(b)] as const, PATIENT);
    expectEqual(lengths.join(), `${half},${half}`, id);
  });
});

const scriptResults = answers(async ({ caller }, load) => {
  const { count, length } = textsOf(load);
  const size = Math.floor(length / 2);
  await atOnce(count, load, async (id) => {
    const [a, b] = [`${id}a`, `${id}b`];
    const given = await caller.script((s) => [s.give({ id: a, size }), s.give({ id: b, size })], PATIENT);
    expectEqual(given.join("") === textOf(a, size) + textOf(b, size), true, id);
  });
});

const postsWithBodies = calls(async ({ caller, far }, load) => {
  const before = far.countOf("store");
  const count = 5;
  const size = Math.ceil(load.bytes / count);
  await atOnce(count, load, (id, i) => {
    const body = bodyOf(id, size, (["buffer", "chunks", "stream"] as const)[i % 3] ?? "buffer");
    return caller.post.store({ id, size }, { body, ...PATIENT });
  });
  await far.received("store", before + count);
});

export const OPERATIONS = {
  "small calls": small,
  "text arguments": textArguments,
  "text results": textResults,
  "bodies as one buffer": put("buffer"),
  "bodies in chunks": put("chunks"),
  "bodies as a stream": put("stream"),
  "bodies that the handler reads slowly": put("buffer", true),
  "result bodies of one buffer": get("buffer", "as it comes"),
  "result bodies in chunks, read by bytes()": get("chunks", "by bytes()"),
  "result bodies as a stream": get("stream", "as it comes"),
  "result bodies of one buffer, read slowly": get("buffer", "slowly"),
  "result bodies in chunks, read slowly in pieces": get("chunks", "piece by piece, slowly"),
  "pushes, each acknowledged": pushesAcknowledged,
  "pushes that nobody waits for": pushesUnawaited,
  "scripts with large arguments": scriptArguments,
  "scripts with large results": scriptResults,
  "posts with bodies": postsWithBodies,
} satisfies Record<string, Operation>;
export type OperationName = keyof typeof OPERATIONS;

const BESIDE: readonly OperationName[] = [
  "small calls",
  "text arguments",
  "text results",
  "bodies in chunks",
  "result bodies of one buffer",
  "pushes, each acknowledged",
];

/** Several beside each other on one connection, which share the line. */
export async function carryMixed(world: World, way: Way, load: Load): Promise<void> {
  const bytes = Math.ceil(load.bytes / BESIDE.length);
  const textBytes = Math.min(TEXT_BYTES, bytes);
  await Promise.all(
    BESIDE.map((name, i) => carry(world, OPERATIONS[name], way, { ...load, id: `${load.id}.${i}`, bytes, textBytes })),
  );
}
