/**
 * answers: what a service says to a typed link that has called it in every way: answers that are nearly right, in any order, with raw data
 * that is missing or too much, scripts, goodbyes. Every call settles; what it gives is what was declared; nothing is left.
 */
import fc from "fast-check";
import { z } from "zod";
import { defineService, HbiError, Link, method } from "../../src/index.ts";
import { FedPeer } from "../engine/fed-peer.ts";
import { checkError } from "../engine/guards.ts";
import { joined } from "../engine/mutation.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";

const size = z.int().min(0).max(3_000);
const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.int() }, result: z.int() }),
    find: method({ params: {}, result: z.array(z.strictObject({ name: z.string() })) }),
    note: method({ params: { text: z.string() } }),
    store: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
    fetch: method({ params: {}, result: z.strictObject({ size }), resultBody: ({ size }) => size }),
  },
  reactions: { confirm: method({ params: {}, result: z.boolean() }), told: method({ params: { n: z.int() } }) },
});
const LIMITS = { callTimeoutMs: 1_000, handlerTimeoutMs: 1_000, maxBufferedBytes: 2_000, maxDrainBytes: 3_000 };
const MOST_STEPS = 5_000;
const encoder = new TextEncoder();

export const answers: Target = {
  name: "answers",
  about: "bytes of a service into a typed link that waits: every call settles with what was declared or an error",
  words: [
    "[3#co_ack_begin]101",
    "[3#co_ack_end]101",
    "[1#co_recv]1",
    '[2#co_recv]""',
    ";n",
    "$hbi.goaway()",
    "confirm()",
    "[4#err]ouch",
  ],
  baseMs: 500,
  share: 3,
  inputs: fc.array(saying(), { minLength: 1, maxLength: 9 }).map((parts) => joined(...parts)),
  async run(input) {
    await listens(input, input.length);
    await listens(input, 7);
  },
};

async function listens(input: Uint8Array, chunkBytes: number): Promise<void> {
  const time = new StillTime();
  const peer = new FedPeer(time.clock);
  const reactions = { confirm: () => true, told: () => undefined };
  const options = { clock: time.clock, limits: LIMITS, log: () => undefined };
  const link = await new Link(depot, async () => peer, reactions, options).open();
  const waiting = [
    settled(link.call.add({ a: 1 }), z.int()),
    settled(link.call.find({}), z.array(z.strictObject({ name: z.string() }))),
    settled(link.post.note({ text: "x" }), z.unknown()),
    settled(link.call.store({ size: 3 }, { body: Uint8Array.of(1, 2, 3) }), z.int()),
    settled(fetched(link), z.boolean()),
    settled(
      link.script((s) => [s.add({ a: 2 }), s.add({ a: 3 })]),
      z.array(z.int()).length(2),
    ),
    settled(link.ping(), z.number()),
    settled(link.describe(), z.looseObject({ format: z.literal(1) })),
  ];
  await time.settle();
  for (let at = 0; at < input.length; at += chunkBytes) {
    peer.give(input.slice(at, at + chunkBytes));
    if (at % 3 === 0) await time.settle(200);
  }
  await time.settle();
  peer.giveEnd();
  await time.finish(MOST_STEPS + input.length);
  await Promise.all(waiting);
  await link.disconnect();
  must(peer.isOver && time.timerCount === 0, "something is left");
}

async function fetched(link: Link<typeof depot>): Promise<boolean> {
  const { size: declared, body } = await link.call.fetch({}).then(({ result, body }) => ({ ...result, body }));
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return bytes === declared;
}

/** What it gives is what was declared, or it fails as the library does. */
async function settled(promise: Promise<unknown>, schema: z.ZodType): Promise<void> {
  try {
    const given = await promise;
    must(schema.safeParse(given).success && given !== false, () => `${JSON.stringify(given)} was not declared`);
  } catch (thrown) {
    if (!(thrown instanceof HbiError)) throw thrown;
    checkError(thrown);
  }
}

function saying(): fc.Arbitrary<Uint8Array> {
  const packet = (directive: string, payload: string | Uint8Array) => {
    const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
    return joined(encoder.encode(`[${bytes.length}#${directive}]`), bytes);
  };
  const object = fc.constantFrom(
    ...[
      "1",
      "-3",
      "[]",
      '[{"name":"a"}]',
      '[{"name":1}]',
      '"x"',
      "null",
      '{"size":3}',
      '{"size":0}',
      '{"size":4000}',
      "[1,",
      "",
    ],
    ...['HbiError("not_found","no")', 'HbiError("unavailable","gone",null,"draining")', "confirm()", "told(1)"],
  );
  const raw = fc.oneof(fc.constant(0), fc.nat(4)).map((length) => new Uint8Array(length).fill(0x5b));
  const script = fc.constantFrom("told(1)", "told(", "confirm()", "nothing()").map((code) => packet("", code));
  const id = fc.constantFrom("100", "101", "102", "103", "104", "105", "106", "107", "108", "109");
  const answer = fc
    .tuple(
      id,
      fc.constantFrom("", ";n"),
      fc.array(
        fc.oneof(
          object.map((text) => packet("co_recv", text)),
          raw,
          script,
        ),
        { maxLength: 3 },
      ),
    )
    .map(([id, promise, parts]) => joined(packet("co_ack_begin", id + promise), ...parts, packet("co_ack_end", id)));
  const hosted = fc
    .constantFrom("confirm()", "told(1)", "told(x)", "$hbi.goaway()", "$hbi.ping()", '$hbi.cancel("101")', "nothing()")
    .map((code) => joined(packet("co_begin", "101;x;n"), packet("", code), packet("co_end", "101")));
  return fc.oneof({ weight: 5, arbitrary: answer }, { weight: 1, arbitrary: hosted });
}
