/**
 * connection: bytes into a connection, as a host and as a poster that waits for answers. The same is called, answered and
 * refused, whole and byte by byte; every wait ends; nothing is left.
 */
import fc from "fast-check";
import { z } from "zod";
import { Connection, HostingEnv, method } from "../../src/index.ts";
import { FedPeer } from "../engine/fed-peer.ts";
import { checkError, checkText } from "../engine/guards.ts";
import { joined } from "../engine/mutation.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";
import { scriptInputs } from "./script.ts";

const n = z.int().min(0).max(5_000);
const LIMITS = { maxBufferedBytes: 2_000, maxInFlight: 3, maxPacketBytes: 4_000, maxDrainBytes: 3_000 };
const MOST_STEPS = 2_000;
const WRONG = "wrong:";

export const connection: Target = {
  name: "connection",
  about:
    "bytes into either end of a connection: the same calls and answers whole and byte by byte, and nothing is left",
  words: [
    ...[
      "[3#co_begin]101",
      "[7#co_begin]101;x;n",
      "[9#co_begin]101;x;b=2",
      "[3#co_end]101",
      "[4#]f(1)",
      "[7#]take(2)ab",
    ],
    ...["[16#co_ack_begin]101", "[3#co_ack_end]101", "[1#co_recv]1", "[4#err]ouch", "[4#co_send]f(1)", "HbiError("],
    ...["$hbi.ping()", '$hbi.cancel("101")', "$hbi.goaway()", "[12#]", ";x", ";b=", ";d=1", "co_ack_begin", "late(1)"],
  ],
  baseMs: 500,
  share: 3,
  inputs: fc
    .tuple(fc.constantFrom(0, 0, 1), fc.array(brackets(), { minLength: 1, maxLength: 4 }))
    .map(([side, parts]) => joined(Uint8Array.of(side), ...parts)),
  async run(input) {
    const isPoster = ((input[0] ?? 0) & 1) === 1;
    const bytes = input.subarray(1);
    const whole = await heard(bytes, isPoster, bytes.length, false);
    const cut = await heard(bytes, isPoster, 1, false);
    await heard(bytes, isPoster, 1, true); // handlers end between the bytes: what is said may differ
    must(cut === whole, () => `whole:\n${whole}\nbyte by byte:\n${cut}`);
  },
};

/** What a connection makes of the bytes: what it calls, says, and gives to who waits. */
async function heard(bytes: Uint8Array, isPoster: boolean, chunkBytes: number, isSlow: boolean): Promise<string> {
  const time = new StillTime();
  const peer = new FedPeer(time.clock);
  const events: string[] = [];
  const made = new Connection(peer, () => envOf(events, time), {
    clock: time.clock,
    limits: LIMITS,
    log: () => undefined,
  });
  await made.start();
  const waiting = isPoster ? post(made) : [];
  await time.settle();
  const own = bytes.slice();
  for (let at = 0; at < own.length; at += chunkBytes) {
    peer.give(own.subarray(at, at + chunkBytes));
    if (isSlow) await time.settle(200);
  }
  peer.giveEnd();
  await time.finish(MOST_STEPS + 5 * bytes.length);
  const outcomes = await Promise.all(waiting);
  await time.finish(MOST_STEPS);
  must(peer.isOver, "the connection does not end");
  for (const event of events) must(!event.startsWith(WRONG), event);
  const { posting, hosting, waits, turn } = made;
  must(posting.liveCount + hosting.liveCount + waits.size === 0 && turn.isIdle, "something is left");
  must(time.timerCount === 0, "timers are left");
  if (!isPoster) checkSaid(peer.said);
  return [...events, ...answers(lastWords(peer.said)), ...outcomes].join("\n").replace(/reference \w{8}/g, "reference"); // left to chance
}

/** Of a connection that was cut only why: it depends on when a handler ends whether the cut overtakes its answer. */
function lastWords(said: string): string {
  const cut = said.indexOf("#err]");
  return cut < 0 ? said : said.slice(said.lastIndexOf("[", cut));
}

/** Made once: their schemas cost more than a run. */
const METHODS = {
  f: method({ params: { n }, result: z.int() }),
  do_job: method({ params: { n } }),
  take: method({ params: { n }, body: ({ n }) => n, result: z.int() }),
  leave: method({ params: { n }, body: ({ n }) => n }),
  late: method({ params: { n }, result: z.int() }),
  fails: method({ params: { n } }),
};
const ANSWER = z.int();

/** Whole answers in one order, and what is said between them: of different conversations the one whose handler ends first is
 *  answered first. */
function answers(said: string): string[] {
  const between: string[] = [];
  const whole: string[] = [];
  let answer: string | undefined;
  for (const { directive, text } of packetsOf(said)) {
    if (directive === "co_ack_begin") answer = "";
    if (answer === undefined) between.push(text);
    else answer += text;
    if (directive !== "co_ack_end" || answer === undefined) continue;
    whole.push(answer);
    answer = undefined;
  }
  return [...between, ...whole.sort(), ...(answer === undefined ? [] : [answer])];
}

/** No raw data is ever said. */
function packetsOf(said: string): readonly { readonly directive: string; readonly text: string }[] {
  const found = [];
  const header = /\[(\d+)#(\w*)\]/y;
  for (let at = 0; at < said.length; at = header.lastIndex) {
    header.lastIndex = at;
    const [head = "", length, directive = ""] = header.exec(said) ?? [];
    must(head !== "", () => `no packet is at ${at} of what is said: ${said}`);
    const end = at + head.length + Number(length);
    found.push({ directive, text: said.slice(at, end) });
    header.lastIndex = end;
  }
  return found;
}

/** Only what is declared, with what its schema takes. */
function envOf(events: string[], time: StillTime): HostingEnv {
  const env = new HostingEnv();
  const called = (name: string, value: unknown) => {
    const isValid = n.safeParse(value).success; // thrown here it would be a handler's error
    if (!isValid) events.push(`${WRONG} ${name} was called with ${String(value)}`);
    events.push(`${name}(${String(value)})`);
  };
  env.expose("f", METHODS.f, ({ n }) => {
    called("f", n);
    return n;
  });
  env.expose("do_job", METHODS.do_job, ({ n }) => called("do_job", n));
  env.expose("take", METHODS.take, async ({ n }, co) => {
    called("take", n);
    let sum = 0;
    for await (const chunk of co.recvChunks()) sum += chunk.length;
    return sum;
  });
  env.expose("leave", METHODS.leave, ({ n }) => called("leave", n));
  env.expose("late", METHODS.late, async ({ n }) => {
    called("late", n);
    await new Promise<void>((resolve) => void time.clock.after(0, resolve));
    return n;
  });
  env.expose("fails", METHODS.fails, ({ n }) => {
    called("fails", n);
    throw new Error("/secret/path.ts:1");
  });
  return env;
}

/** Conversations whose answers the bytes may hold: 101, 102 and 103. */
function post({ posting }: Connection): Promise<string>[] {
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      (value) => `ok ${JSON.stringify(value)}`,
      (thrown) => {
        checkError(thrown);
        return `${thrown.code} ${thrown.reason ?? ""} ${thrown.message}`;
      },
    );
  const request = { name: "f", code: "f(1)", results: [ANSWER], wantsResults: true, timeoutMs: 1_000 };
  return [
    outcome(posting.call(request).promise),
    outcome(
      posting.converse(
        async (co) => {
          await co.sendCode("g()");
          return co.recvObj(ANSWER);
        },
        { timeoutMs: 1_000 },
      ),
    ),
    outcome(
      posting.converse(
        async (co) => {
          await co.sendCode("h(3)");
          const length = await co.recvObj(n);
          const data = new Uint8Array(length);
          await co.recvData(data);
          return data.length;
        },
        { timeoutMs: 1_000, answerBytes: (object) => Number(object) % 5_000 },
      ),
    ),
  ];
}

/** No result of these methods is anything but plain ASCII, so nothing of the program can stand there either. */
function checkSaid(said: string): void {
  must(/^[\x20-\x7e]*$/.test(said), "something is said that is not printable");
  must(!said.includes("secret"), "a handler's error is told");
  for (const [, text = ""] of said.matchAll(/#err\]([^[]*)/g)) checkText(text);
}

/** Whole conversations and answers, mostly right. */
function brackets(): fc.Arbitrary<Uint8Array> {
  const encoder = new TextEncoder();
  const packet = (directive: string, payload: string | Uint8Array) => {
    const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
    return joined(encoder.encode(`[${bytes.length}#${directive}]`), bytes);
  };
  const call = fc
    .tuple(fc.constantFrom("f", "do_job", "late", "fails", "unknown"), fc.nat(6_000))
    .map(([name, arg]) => packet("", `${name}(${arg})`));
  const raw = fc
    .tuple(fc.constantFrom("take", "leave"), fc.nat(40), fc.constantFrom(0, 0, 0, -1, 1))
    .map(([name, length, off]) =>
      joined(packet("", `${name}(${length})`), new Uint8Array(Math.max(length + off, 0)).fill(0x5b)),
    );
  const generated = scriptInputs.map((text) => packet("", text));
  const token = fc.constantFrom(
    "101",
    "101;x",
    "101;x;n",
    "101;x;b=3",
    "101;x;d=20",
    "7",
    "140737488355328",
    "101;q=1",
    "101;x;b=",
  );
  const hosted = fc
    .tuple(token, fc.array(fc.oneof(call, raw, generated), { maxLength: 3 }))
    .map(([id, packets]) => joined(packet("co_begin", id), ...packets, packet("co_end", id)));
  const object = fc.constantFrom("1", "3", '"x"', 'HbiError("not_found","no")', "None", "f(1)", "[1,");
  const answer = fc
    .tuple(
      fc.constantFrom("101", "102", "103", "104"),
      fc.array(
        fc.oneof(
          object.map((text) => packet("co_recv", text)),
          call,
        ),
        { maxLength: 2 },
      ),
      fc.nat(4),
    )
    .map(([id, packets, length]) =>
      joined(packet("co_ack_begin", id), ...packets, new Uint8Array(length), packet("co_ack_end", id)),
    );
  return fc.oneof(hosted, answer);
}
