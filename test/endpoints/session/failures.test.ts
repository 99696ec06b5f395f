/**
 * What a failure ends, and what it leaves alone: by the peer's kind, by what is known of the raw data, by the handler's conduct.
 */
import { HbiError, HostingEnv, method, type PostingEnd, repr } from "hbi";
import { answer, conversation, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type BarePeer, barePeer, pair } from "../../support/pair.ts";

const n = z.int().min(0).max(1e7);
const body = ({ n }: { n: number }) => n;

function exposed(): { env: HostingEnv; landed: string[] } {
  const env = new HostingEnv();
  const landed: string[] = [];
  env.expose("note", method({ params: { x: z.string() } }), ({ x }) => void landed.push(x));
  env.expose("ask", method({ params: { x: z.string() }, result: z.string() }), ({ x }) => x);
  env.expose("fail", method({ params: {} }), () => {
    throw new Error("secret /etc/passwd");
  });
  env.expose("refuse", method({ params: {}, result: z.string() }), () => {
    throw new HbiError("not_found", "no such part\n", { name: "a" });
  });
  env.expose("lie", method({ params: {}, result: z.string() }), () => 5 as never);
  env.expose("ignore", method({ params: { n, x: z.string().optional() }, body }), () => void landed.push("ignored"));
  env.expose("half", method({ params: { n }, body, result: z.number() }), async ({ n }, co) => {
    await co.recvData(new Uint8Array(Math.floor(n / 2)));
    return n;
  });
  env.expose("greedy", method({ params: { n }, body, result: z.string() }), async ({ n }, co) => {
    try {
      await co.recvData(new Uint8Array(n + 1));
      return "got more than there is";
    } catch (error) {
      return (error as HbiError).code;
    }
  });
  env.expose("burst", method({ params: { n }, body }), async ({ n }, co) => {
    await co.recvData(new Uint8Array(Math.floor(n / 2)));
    throw new HbiError("aborted", "half-way");
  });
  env.expose("manual", method({ params: {}, body: "manual" }), () => {
    throw new HbiError("aborted", "position unknown");
  });
  return { env, landed };
}

const ERR = (payload: string) => packet("err", payload);
/** The refusal, and then the end of the connection. */
const cut = (refusal: string, words: string) => answer("101", refusal) + ERR(words);
const REFUSAL = (code: string, message: string, reason?: string, details = "None") =>
  packet("co_recv", `HbiError("${code}","${message}"${reason === undefined ? "" : `,${details},"${reason}"`})`);
/** An argument `x` that is a number instead of a string, as the peer learns it. */
const NUMBER_FOR_X = (name: string) =>
  REFUSAL(
    "invalid_argument",
    `${name}: argument refused: x: expected string, got number`,
    "bad_argument",
    '{"issues":[{"path":["x"],"code":"invalid_type","message":"expected string, got number"}]}',
  );
const RAW = "x".repeat(10);

describe("a failed script, by what is known of the bytes behind it and of who sent it", () => {
  const unknown = REFUSAL("unimplemented", "no such name: nothing", "unknown_name");
  const mismatch = REFUSAL("invalid_argument", "the raw data does not have the declared length", "body_mismatch");
  const cases: readonly (readonly [string, string, string | RegExp])[] = [
    // with the extension: the conversation, if the position is certain
    ["unknown name, no raw data promised", conversation("101;x;n", "nothing()"), answer("101", unknown)],
    [
      "unknown name, raw data promised",
      packet("co_begin", "101;x;b=10") + packet("", "nothing(10)") + RAW + packet("co_end", "101"),
      answer("101", unknown),
    ],
    // nothing behind it can be read, but its poster learns why
    ["unknown name, nothing promised", conversation("101;x", "nothing()"), cut(unknown, "no such name: nothing")],
    [
      "syntax error, no raw data promised",
      conversation("101;x;n", "f(("),
      answer("101", REFUSAL("invalid_argument", "syntax error: line 1, column 4", "syntax")),
    ],
    [
      "syntax error, nothing promised",
      conversation("101;x", "f(("),
      cut(REFUSAL("invalid_argument", "syntax error: line 1, column 4", "syntax"), "syntax error: line 1, column 4"),
    ],
    ["bad argument", conversation("101;x", "note(5)"), answer("101", NUMBER_FOR_X("note"))],
    [
      "surplus argument",
      conversation("101;x", "note('a', 'b')"),
      answer("101", REFUSAL("invalid_argument", "note: argument refused: at most 1 expected, got 2", "bad_argument")),
    ],
    [
      "bad argument beside a good length",
      packet("co_begin", "101;x") + packet("", "ignore(10, 5)") + RAW + packet("co_end", "101"),
      answer("101", NUMBER_FOR_X("ignore")),
    ],
    [
      "bad length",
      conversation("101;x", "ignore('10')"),
      cut(
        REFUSAL(
          "invalid_argument",
          "ignore: argument refused: n: expected number, got string",
          "bad_argument",
          '{"issues":[{"path":["n"],"code":"invalid_type","message":"expected number, got string"}]}',
        ),
        "ignore: argument refused: n: expected number, got string",
      ),
    ],
    [
      "a handler's own error",
      conversation("101;x", "refuse()"),
      answer("101", packet("co_recv", 'HbiError("not_found","no such part\\\\n",{"name":"a"})')),
    ],
    [
      "an unexpected error",
      conversation("101;x", "fail()"),
      /^\[3#co_ack_begin\]101\[\d+#co_recv\]HbiError\("internal","fail: internal error: reference [0-9a-z]{8}",None,"handler"\)\[3#co_ack_end\]101$/,
    ],
    [
      "a result that its schema refuses",
      conversation("101;x", "lie()"),
      answer("101", REFUSAL("internal", "lie: internal error: expected string, got number", "bad_result")),
    ],
    [
      "half-way through its raw data",
      packet("co_begin", "101;x") + packet("", "burst(10)") + RAW + packet("co_end", "101"),
      answer("101", REFUSAL("aborted", "half-way")),
    ],
    [
      "a manual body",
      conversation("101;x", "manual()"),
      cut(REFUSAL("aborted", "position unknown"), "position unknown"),
    ],
    [
      "a manual body, raw data promised",
      packet("co_begin", "101;x;b=10") + packet("", "manual()") + RAW + packet("co_end", "101"),
      answer("101", REFUSAL("aborted", "position unknown")),
    ],
    [
      "the third statement: none runs",
      conversation("101;x", "note('a')\nnote('b')\nnote(3)"),
      answer("101", NUMBER_FOR_X("note")),
    ],
    // the script says that more is raw data than the token does: one of the two is wrong
    [
      "more raw data than promised",
      packet("co_begin", "101;x;n") + packet("", "ignore(10)") + packet("co_end", "101"),
      cut(mismatch, "the raw data does not have the declared length"),
    ],
    [
      "more than promised, beside a bad argument",
      packet("co_begin", "101;x;b=9") + packet("", "ignore(10, 5)") + RAW,
      cut(mismatch, "the raw data does not have the declared length"),
    ],
    [
      "more than is left of the promise, behind a failed script",
      packet("co_begin", "101;x;n") + packet("", "note(5)") + packet("", "ignore(10)") + RAW,
      ERR("the raw data does not have the declared length"),
    ],
    [
      "less raw data than promised",
      packet("co_begin", "101;x;b=10") + packet("", "ignore(4)") + RAW + packet("co_end", "101"),
      answer("101", REFUSAL("invalid_argument", "the raw data does not have the declared length", "body_mismatch")),
    ],
    [
      "a magic name",
      conversation("101;x;n", "__hbi_init__(1, 2)"),
      answer("101", REFUSAL("unimplemented", "no such name: __hbi_init__", "unknown_name")),
    ],
    // without it: an object that fails to land where a result is awaited, else the connection
    ["plain: bad argument, result declared", conversation("101", "ask(5)"), answer("101", NUMBER_FOR_X("ask"))],
    [
      "plain: failing, result declared",
      conversation("101", "refuse()"),
      answer("101", packet("co_recv", 'HbiError("not_found","no such part\\\\n",{"name":"a"})')),
    ],
    [
      "plain: bad argument, no result",
      conversation("101", "note(5)"),
      ERR("note: argument refused: x: expected string, got number"),
    ],
    [
      "plain: failing, no result",
      conversation("101", "fail()"),
      /^\[\d+#err\]fail: internal error: reference [0-9a-z]{8}$/,
    ],
  ];
  for (const [name, said, heard] of cases) {
    it(name, async () => {
      const { env, landed } = exposed();
      const peer = await barePeer(env);
      const told = await peer.say(said);
      if (typeof heard === "string") expect(told).toBe(heard);
      else expect(told).toMatch(heard);
      expect(landed).toEqual([]);
      const isCut = told.includes("#err]");
      expect(peer.hasEnded).toBe(isCut);
      if (!isCut) await stillServes(peer, landed);
      peer.destroy();
    });
  }
});

async function stillServes(peer: BarePeer, landed: string[]): Promise<void> {
  expect(await peer.say(conversation("102;x", "note('after')"))).toBe(answer("102"));
  expect(landed.at(-1)).toBe("after");
}

describe("packets out of place end the connection with one line", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["code outside of a conversation", packet("", "note('x')"), "unexpected packet: code outside of a conversation"],
    [
      "an object outside of a conversation",
      packet("co_recv", "1"),
      "unexpected packet: an object outside of a conversation",
    ],
    [
      "an object that no script expects",
      packet("co_begin", "101") + packet("co_recv", "1"),
      "unexpected packet: an object that no script expects",
    ],
    [
      "co_begin inside a conversation",
      packet("co_begin", "101") + packet("co_begin", "102"),
      "unexpected packet: co_begin inside a conversation",
    ],
    [
      "co_end of another id",
      packet("co_begin", "101") + packet("co_end", "102"),
      "unexpected packet: co_end of another id",
    ],
    ["an answer to nothing", packet("co_ack_begin", "101"), "unexpected packet: co_ack_begin of an unknown id"],
    ["co_ack_end alone", packet("co_ack_end", "101"), "unexpected packet: co_ack_end outside of a conversation"],
    ["an unknown directive", "[1#bogus]x", "malformed packet header: directive"],
    ["something between packets", `${conversation("101", "note('x')")}\n`, "malformed packet header"],
    [
      "a malformed token",
      packet("co_begin", "101;x;b=-1"),
      "malformed conversation id: b must have a value of at most 15 digits, at least 0",
    ],
    ["bad UTF-8", `[1#]${String.fromCharCode(0xff)}`, "payload is not UTF-8"],
    ["a packet too big", "[262145#]", "packet too big: 262145 bytes, maxPacketBytes is 262144"],
  ];
  for (const [name, said, message] of cases) {
    it(name, async () => {
      const { env } = exposed();
      const peer = await barePeer(env);
      const told = await peer.say(Uint8Array.from(said, (letter) => letter.charCodeAt(0)));
      expect(told).toContain(ERR(message));
      expect(peer.hasEnded).toBe(true);
      peer.destroy();
    });
  }
});

describe("a handler", () => {
  it("that ignores its raw data, reads half of it, or requests too much affects no other call", async () => {
    const { env, landed } = exposed();
    const { po } = await pair(env);
    const ask = (code: string) =>
      po.converse(async (co) => {
        await co.sendCode(code);
        await co.sendData(new Uint8Array(100_000));
        return co.recvObj();
      });
    await (await po.notifData("ignore(100000)", new Uint8Array(100_000))).waitCompleted();
    expect(landed).toEqual(["ignored"]);
    expect(await ask("half(100000)")).toBe(100_000);
    expect(await ask("greedy(100000)")).toBe("out_of_range");
    expect(await ask("half(100000)")).toBe(100_000);
  });

  it("that is slow delays no other call, also with unread raw data", async () => {
    const { env } = exposed();
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    env.expose("slow", method({ params: { n }, body, result: z.number() }), async ({ n }, co) => {
      await held;
      await co.recvData(new Uint8Array(n));
      return n;
    });
    const { po } = await pair(env);
    const slow = po.converse(async (co) => {
      await co.sendCode("slow(200000)");
      await co.sendData(new Uint8Array(200_000));
      return co.recvObj();
    });
    const fast = po.converse(async (co) => {
      await co.sendCode("ask('quick')");
      return co.recvObj();
    });
    expect(await fast).toBe("quick");
    finish();
    expect(await slow).toBe(200_000);
  });

  it("may ask the peer while its own raw data is unread, as far as that fits in the buffer", async () => {
    const clientEnv = exposed().env;
    const env = new HostingEnv();
    env.expose("upload", method({ params: { n }, body, result: z.string() }), async ({ n }, co) => {
      const name = await env.po.converse(async (asked) => {
        await asked.sendCode("ask('name')");
        return asked.recvObj(z.string());
      });
      await co.recvData(new Uint8Array(n));
      return name;
    });
    const { po } = await pair(env, { clientEnv });
    const upload = (size: number) =>
      po.converse(async (co) => {
        await co.sendCode(`upload(${size})`);
        await co.sendData(new Uint8Array(size));
        return co.recvObj();
      });
    expect(await upload(100_000)).toBe("name");
  });

  it("that waits for an answer behind more raw data than fits fails with advice", async () => {
    const clock = new ManualClock();
    const clientEnv = exposed().env;
    const env = new HostingEnv();
    env.expose("upload", method({ params: { n }, body, result: z.string() }), async () => {
      try {
        return await env.po.converse(async (asked) => {
          await asked.sendCode("ask('name')");
          return asked.recvObj(z.string());
        });
      } catch (error) {
        return (error as HbiError).message;
      }
    });
    const { po } = await pair(env, {
      clientEnv,
      server: { clock },
      client: { clock },
      cut: (left) => Math.min(left, 65_536),
    });
    const upload = po.converse(
      async (co) => {
        await co.sendCode("upload(900000)");
        await co.sendData(new Uint8Array(900_000));
        return co.recvObj();
      },
      { timeoutMs: 200_000 },
    );
    await clock.advance(30_000);
    expect(await upload).toBe("read or discard the earlier body first: the awaited data is behind it");
  });

  it("that passes its deadline is given up: its signal aborts, its conversation fails, its end is waited for", async () => {
    const clock = new ManualClock();
    const env = new HostingEnv();
    let aborted: unknown;
    let end: () => void = () => undefined;
    env.expose("hang", method({ params: {}, result: z.number() }), (_, co) => {
      if ("signal" in co) co.signal.addEventListener("abort", () => (aborted = co.signal.reason));
      return new Promise<number>((resolve) => {
        end = () => resolve(1);
      });
    });
    const { po, server } = await pair(env, { server: { clock } });
    const atRest = clock.timerCount;
    const asked = po.converse(async (co) => {
      await co.sendCode("hang()");
      return co.recvObj();
    });
    const failed = expect(asked).rejects.toMatchObject({ code: "deadline_exceeded", reason: "handler_timeout" });
    await quiet();
    await clock.advance(59_990);
    expect(aborted).toBeUndefined();
    await clock.advance(20);
    await failed;
    expect(aborted).toMatchObject({ code: "deadline_exceeded" });
    expect(server.hosting.liveCount).toBe(1);
    end();
    await quiet();
    expect(server.hosting.liveCount).toBe(0);
    expect(clock.timerCount).toBe(atRest);
  });

  it("is given the poster's deadline when that is shorter", async () => {
    const clock = new ManualClock();
    const env = new HostingEnv().expose(
      "hang",
      method({ params: {}, result: z.number() }),
      () => new Promise(() => undefined),
    );
    const peer = await barePeer(env, { clock });
    expect(await peer.say(conversation("101;x;d=250", "hang()"))).toBe("");
    await clock.advance(249);
    expect(peer.heard()).toBe("");
    await clock.advance(1);
    expect(peer.heard()).toContain(
      'HbiError("deadline_exceeded","the deadline has passed: after 250 ms, of 250 that the caller allowed",None,"handler_timeout")',
    );
    peer.destroy();
  });

  it("that waits for an object fails when the peer sends a script or ends instead", async () => {
    const { env, landed } = exposed();
    const told: string[] = [];
    env.expose("collect", method({ params: {} }), async (_, co) => {
      await co.recvObj().catch((error) => told.push(error.reason));
    });
    const peer = await barePeer(env);
    const script = packet("", "collect()");
    expect(
      await peer.say(packet("co_begin", "101;x") + script + packet("", "note('next')") + packet("co_end", "101")),
    ).toBe(answer("101"));
    expect(await peer.say(packet("co_begin", "102;x") + script + packet("co_end", "102"))).toBe(answer("102"));
    expect(told).toEqual(["bad_state", "no_answer"]);
    expect(landed).toEqual(["next"]);
    peer.destroy();
  });

  it("whose result has no textual form fails alone, also for co_send and asynchronously", async () => {
    const { env, landed } = exposed();
    env.expose("map", method({ params: {}, result: z.unknown() }), () => new WeakMap());
    env.expose("later", method({ params: {} }), async () => new WeakMap());
    const { po } = await pair(env);
    const refusal = { code: "internal", reason: "bad_result" };
    await expect(po.converse((co) => co.getObj("map()"))).rejects.toMatchObject(refusal);
    await expect(po.converse((co) => co.getObj("later()"))).rejects.toMatchObject(refusal);
    const asked = po.converse(async (co) => {
      await co.sendCode("map()");
      return co.recvObj();
    });
    await expect(asked).rejects.toMatchObject(refusal);
    await (await po.notif("note('after')")).waitCompleted();
    expect(landed).toEqual(["after"]);
  });

  it("that passes on an error of another connection ends its own conversation only", async () => {
    const { env, landed } = exposed();
    env.expose("relay", method({ params: {} }), () => {
      throw new HbiError("resource_exhausted", "there", undefined, { reason: "packet_too_big" });
    });
    const { po } = await pair(env);
    await expect((await po.notif("relay()")).waitCompleted()).rejects.toMatchObject({ code: "resource_exhausted" });
    await (await po.notif("note('after')")).waitCompleted();
    expect(landed).toEqual(["after"]);
  });

  it("still answers a peer that has closed its own half, whatever the size of the answer", async () => {
    const { env } = exposed();
    env.expose("big", method({ params: {} }), async (_, co) => {
      await quiet();
      await co.sendData(new Uint8Array(300_000).fill(0x78));
    });
    const peer = await barePeer(env);
    const said = peer.say(conversation("101;x", "big()"));
    peer.end();
    await said;
    await quiet(100);
    expect(peer.heard().length + (await said).length).toBe(answer("101").length + 300_000);
    expect(peer.hasEnded).toBe(true);
    expect(await peer.connection.closed).toBeUndefined();
  });

  it("that answers after the peer has gone is ignored", async () => {
    const { env } = exposed();
    let answerNow: () => void = () => undefined;
    let sent: unknown;
    env.expose("late", method({ params: {} }), async (_, co) => {
      await new Promise<void>((resolve) => {
        answerNow = resolve;
      });
      sent = await co.sendObj(repr(1)).then(
        () => "sent",
        (error) => error.code,
      );
    });
    const peer = await barePeer(env);
    await peer.say(conversation("101;x", "late()"));
    peer.destroy();
    await peer.connection.closed;
    answerNow();
    await quiet();
    expect(sent).toBe("unavailable");
    expect(peer.connection.hosting.liveCount).toBe(0);
  });

  it("that holds the send turn and waits for the same connection learns who holds it", async () => {
    const clock = new ManualClock();
    const env = new HostingEnv();
    env.expose("selfish", method({ params: {}, result: z.string() }), async (_, co) => {
      if ("startSend" in co) await co.startSend();
      const mine = await env.po.co();
      await mine.sendCode("anything()");
      return mine.close().then(
        () => "sent",
        (error) => error.message,
      );
    });
    const { po } = await pair(env, { server: { clock } });
    const asked = po.converse(async (co) => {
      await co.sendCode("selfish()");
      return co.recvObj();
    });
    await clock.advance(30_000);
    expect(await asked).toBe(
      "waited too long for the send turn: held by answer 101; a handler that holds it must not wait for this connection",
    );
  });
});

describe("a poster", () => {
  it("that cancels fails at once, and the other conversations continue", async () => {
    const { env } = exposed();
    let finish: (text: string) => void = () => undefined;
    env.expose("held", method({ params: {}, result: z.string() }), () => new Promise((resolve) => (finish = resolve)));
    const { po, client } = await pair(env);
    const abort = new AbortController();
    const asked = po.converse(
      async (co) => {
        await co.sendCode("held()");
        return co.recvObj();
      },
      { signal: abort.signal, hasNoRawAnswer: true },
    );
    await quiet();
    abort.abort(new Error("changed my mind"));
    await expect(asked).rejects.toMatchObject({
      code: "cancelled",
      cause: expect.objectContaining({ message: "changed my mind" }),
    });
    const other = po.converse(async (co) => {
      await co.sendCode("ask('still here')");
      return co.recvObj();
    });
    expect(await other).toBe("still here");
    finish("too late");
    await quiet();
    expect(client.posting.liveCount).toBe(0);
    expect(po.isConnected).toBe(true);
  });

  it("that gives up before anything was sent leaves nothing on the wire", async () => {
    const { env, landed } = exposed();
    const { po } = await pair(env);
    const abort = new AbortController();
    const co = await po.co({ signal: abort.signal });
    const sent = co.sendCode("note('never')");
    abort.abort();
    await sent;
    await expect(co.waitCompleted()).rejects.toMatchObject({ code: "cancelled" });
    await (await po.notif("note('sent')")).waitCompleted();
    expect(landed).toEqual(["sent"]);
  });

  it("whose wait passes its deadline", async () => {
    const clock = new ManualClock();
    const { env } = exposed();
    env.expose("held", method({ params: {}, result: z.string() }), () => new Promise(() => undefined));
    const { po } = await pair(env, { client: { clock } });
    const co = await po.co();
    await co.sendCode("held()");
    const late = { code: "deadline_exceeded", reason: "timeout" };
    const short = expect(co.recvObj(z.string(), { timeoutMs: 100 })).rejects.toMatchObject(late);
    await clock.advance(100);
    await short;
    const standard = expect(co.recvObj(z.string())).rejects.toMatchObject(late);
    await clock.advance(30_000);
    await standard;
  });

  const breakingOff = (po: PostingEnd, size: number) =>
    po.converse(async (co) => {
      await co.sendCode("ignore(1000000)");
      await co.sendData(
        (function* () {
          yield new Uint8Array(size);
          throw new Error("disk gone");
        })(),
      );
    });

  it("whose raw data breaks off half-way ends the connection: nothing else would be read right", async () => {
    const { env } = exposed();
    const { po, server } = await pair(env);
    await expect(breakingOff(po, 100_000)).rejects.toThrow("disk gone");
    expect(await server.closed).toMatchObject({ reason: "truncated" });
  });

  it("whose raw data breaks off before any of it was sent only gives up the conversation", async () => {
    const { env, landed } = exposed();
    const { po } = await pair(env);
    await expect(breakingOff(po, 100)).rejects.toThrow("disk gone");
    await (await po.notif("note('x')")).waitCompleted();
    expect(landed).toEqual(["x"]);
  });

  it.each([
    [{ rawBytes: 10 }, 9, "cancelled"],
    [{ rawBytes: 10 }, 11, "body_mismatch"],
    [{ hasNoRawData: true }, 1, "body_mismatch"],
  ])("that sends other raw data than it promised is stopped: %j, %i bytes", async (options, size, reason) => {
    const { env, landed } = exposed();
    const { po } = await pair(env);
    const sent = po.converse(async (co) => {
      await co.sendCode("ignore(10)");
      await co.sendData(new Uint8Array(size));
      await co.waitCompleted();
    }, options);
    await expect(sent).rejects.toMatchObject({ reason });
    expect(landed).toEqual([]);
  });

  it("that breaks its promise sends nothing where the host expects raw data: no handler mistakes it for raw data", async () => {
    const bodies: string[] = [];
    const env = new HostingEnv().expose(
      "take",
      method({ params: { n: z.int() }, body: ({ n }) => n }),
      async (_params, co) => {
        const body = new Uint8Array(20);
        await co.recvData(body);
        bodies.push(new TextDecoder().decode(body));
      },
    );
    const { po, server } = await pair(env);
    const sent = po.converse(
      async (co) => {
        await co.sendCode("take(20)");
        await co.sendData(new Uint8Array(5).fill(0x61));
        await new Promise((resolve) => setImmediate(resolve)); // it is on the wire
        await co.waitCompleted();
      },
      { rawBytes: 20 },
    );
    await expect(sent).rejects.toMatchObject({ reason: "cancelled" });
    expect(await server.closed).toMatchObject({ reason: "truncated" });
    expect(bodies).toEqual([]);
  });

  it("ends the connection for an unexpected object, because raw data may follow it", async () => {
    const { env } = exposed();
    const { po, client } = await pair(env, { client: { extension: false } });
    await po.converse((co) => co.sendCode("ask('who wants it?')"));
    expect(await client.closed).toMatchObject({ reason: "bad_state" });
  });

  it("fails alone for an unexpected object, if it is certain that no raw data follows", async () => {
    const { env, landed } = exposed();
    const { po } = await pair(env, { client: { extension: false } });
    const notified = await po.notif("ask('who wants it?')");
    await expect(notified.waitCompleted()).rejects.toMatchObject({ reason: "bad_answer" });
    await (await po.notif("note('after')")).waitCompleted();
    expect(landed).toEqual(["after"]);
  });

  it("misses an object that the answer does not have", async () => {
    const { env } = exposed();
    const { po } = await pair(env);
    const asked = po.converse(async (co) => {
      await co.sendCode("note('x')");
      return co.recvObj();
    });
    await expect(asked).rejects.toMatchObject({ code: "failed_precondition", reason: "no_answer" });
    expect(po.isConnected).toBe(true);
  });

  it("refuses an object that would call a method, and goes on", async () => {
    const clientEnv = exposed();
    const peer = await barePeer(clientEnv.env, { extension: false });
    const co = await peer.connection.posting.co();
    await co.sendCode("give()");
    const refused = expect(co.recvObj()).rejects.toMatchObject({ code: "invalid_argument", reason: "not_a_value" });
    await quiet();
    await peer.say(answer("101", packet("co_recv", "note('run me')")));
    await refused;
    expect(clientEnv.landed).toEqual([]);
    expect(peer.connection.isOpen).toBe(true);
    peer.destroy();
  });

  it("gives up its own conversation, and no other, over a script of an answer that fails", async () => {
    const { env } = exposed();
    env.expose("react", method({ params: {} }), (_, co) => co.sendCode("unheard_of()"));
    const { po, log } = await pair(env);
    const co = await po.notif("react()");
    await expect(co.waitCompleted()).rejects.toMatchObject({ reason: "unknown_name" });
    expect(log.map(({ where }) => where)).toEqual(["answer 101"]);
    await (await po.notif("note('x')")).waitCompleted();
  });

  it.each([
    ["101", "unheard_of(10)", false],
    ["101", "ignore('10')", false],
    ["101", "note(5)", true],
    ["101;n", "unheard_of(10)", true],
    ["101;n", "ignore(10)", false],
    ["101;n", "ignore(10, 5)", false],
  ])(
    "goes on after a failed script of an answer only where the bytes behind it are certain: %s, %s",
    async (id, code, isWhole) => {
      const { env, landed } = exposed();
      const peer = await barePeer(env);
      const co = await peer.connection.posting.notif("react()");
      const failed = expect(co.waitCompleted()).rejects.toBeInstanceOf(HbiError);
      await quiet();
      await peer.say(packet("co_ack_begin", id) + packet("", code));
      expect(peer.connection.isOpen).toBe(isWhole);
      await peer.say(packet("co_ack_end", "101") + conversation("102;x;n", "note('next')"));
      await failed;
      expect(landed).toEqual(isWhole ? ["next"] : []);
      peer.destroy();
    },
  );
});

describe("seed-era posters, who wait before they end", () => {
  it("are answered at once, in the order asked", async () => {
    const env = new HostingEnv();
    const waiting = new Map<string, () => void>();
    env.expose("job", method({ params: { name: z.string() }, result: z.string() }), ({ name }) =>
      name === "b" ? name : new Promise((resolve) => waiting.set(name, () => resolve(name))),
    );
    const peer = await barePeer(env);
    const [first, second] = ["140234567890101", "140234567890202"];
    expect(await peer.say(packet("co_begin", first), packet("", "job('a')"))).toBe("");
    waiting.get("a")?.();
    await quiet();
    expect(peer.heard()).toBe(packet("co_ack_begin", first) + packet("co_recv", '"a"'));
    expect(await peer.say(packet("co_end", first))).toBe(packet("co_ack_end", first));
    // out of order inside, in order on the wire
    await peer.say(conversation(first, "job('c')"), conversation(second, "job('b')"));
    expect(peer.heard()).toBe("");
    waiting.get("c")?.();
    await quiet();
    expect(peer.heard()).toBe(answer(first, packet("co_recv", '"c"')) + answer(second, packet("co_recv", '"b"')));
    peer.destroy();
  });
});

describe("the position in the bytes", () => {
  const env = () => {
    const landed: string[] = [];
    const made = new HostingEnv()
      .expose("note", method({ params: { x: z.unknown() } }), ({ x }) => void landed.push(String(x)))
      .expose("up", method({ params: { n }, body: ({ n }) => n, result: n }), ({ n }) => n)
      .expose("maybe", method({ params: { n: n.optional() }, body: ({ n = 0 }) => n }), () => undefined);
    return { made, landed };
  };
  const smuggled = conversation("102;x", "note('smuggled')");
  it.each([
    `note(up(${smuggled.length}))`,
    `note(x=up(${smuggled.length}))`,
    `note(x=[up(${smuggled.length})])`,
    "note(x=unheard_of(1))",
    `maybe(${smuggled.length}, 'surplus')`,
    `maybe(m=${smuggled.length})`,
  ])("is lost: %s", async (code) => {
    const { made, landed } = env();
    const peer = await barePeer(made);
    const heard = await peer.say(packet("co_begin", "101;x") + packet("", code) + packet("co_end", "101") + smuggled);
    expect(landed).toEqual([]);
    expect(heard).toContain("#err]");
    peer.destroy();
  });
});

it("a conversation that fails here is not delayed by the holder of the send turn", async () => {
  const env = new HostingEnv().expose(
    "take",
    method({ params: { n }, body: ({ n }) => n }),
    () => new Promise(() => undefined),
  );
  const clock = new ManualClock(); // stands still: nothing ends by being late
  const { po } = await pair(env, {
    client: { limits: { sendHighWaterBytes: 10 }, clock },
    server: { limits: { maxBufferedBytes: 10 } },
  });
  const holder = await po.co();
  await holder.sendCode("take(1000000)");
  void holder.sendData(new Uint8Array(1_000_000));
  await quiet();
  await expect(
    po.converse(async (co) => {
      await co.sendCode("take(1)");
      throw new Error("mine");
    }),
  ).rejects.toThrow("mine");
});

it("what a handler throws after it has closed its conversation is in the log", async () => {
  const env = new HostingEnv().expose("early", method({ params: {} }), async (_, co) => {
    await co.close();
    throw new Error("late trouble");
  });
  const { po, log } = await pair(env);
  await (await po.notif("early()")).waitCompleted();
  await quiet();
  expect(log.map(({ error }) => (error.cause as Error).message)).toEqual(["late trouble"]);
});

it("details that the peer could not take stay at home", async () => {
  const deep = JSON.parse(`${'{"a":'.repeat(31)}1${"}".repeat(31)}`);
  for (const details of [{ deep }, { long: "x".repeat(300_000) }]) {
    const env = new HostingEnv().expose("refuse", method({ params: {} }), () => {
      throw new HbiError("not_found", "nope", details);
    });
    const { po } = await pair(env);
    await expect((await po.notif("refuse()")).waitCompleted()).rejects.toMatchObject({
      code: "not_found",
      details: undefined,
    });
    expect(po.isConnected).toBe(true);
  }
});

it("a conversation half sent when the peer has closed ends the connection", async () => {
  const peer = await barePeer(new HostingEnv());
  const { connection } = peer;
  const co = await connection.posting.co();
  void co.sendCode("take(1000000)");
  await peer.say();
  peer.end();
  expect(await connection.closed).toMatchObject({ reason: "disconnected" });
  await expect(co.waitCompleted()).rejects.toMatchObject({ code: "unavailable", mayHaveLanded: true });
});

it("seed-era posters are answered with raw data before they end, in order", async () => {
  const env = new HostingEnv().expose("down", method({ params: { n } }), async ({ n }, co) => {
    await co.sendObj(String(n));
    await co.sendData(new Uint8Array(n).fill(0x78));
  });
  const peer = await barePeer(env);
  const id = "140234567890101";
  const heard = await peer.say(packet("co_begin", id) + packet("", "down(100000)"));
  expect(heard).toBe(packet("co_ack_begin", id) + packet("co_recv", "100000") + "x".repeat(100_000));
  expect(await peer.say(packet("co_end", id))).toBe(packet("co_ack_end", id));
  peer.destroy();
});

describe("exceptions of an application where nothing awaits them", () => {
  const quietly = () => vi.spyOn(console, "error").mockImplementation(() => undefined);
  const bad = () => {
    throw new Error("of the application");
  };

  it("a log that throws keeps no connection from ending, and no conversation from being answered", async () => {
    const said = quietly();
    const peer = await barePeer(exposed().env, { log: bad });
    expect(await peer.say(conversation("101;x;n", "no_such()"))).toContain("#co_ack_end]101");
    expect(await peer.say("nonsense")).toContain("#err]malformed packet header");
    expect(peer.connection.isOpen).toBe(false);
    expect(said).toHaveBeenCalledTimes(2);
    peer.destroy();
    expect(await peer.connection.closed).toMatchObject({ reason: "bad_frame" });
    said.mockRestore();
  });

  it("a throwing onLost is logged, and waiting calls still fail", async () => {
    const { client, po, server, log } = await pair(new HostingEnv(), { client: { onLost: bad } });
    const co = await po.co();
    const waiting = co.recvObj().catch((error: HbiError) => error.code);
    await server.disconnect();
    expect(await waiting).toBe("unavailable");
    await client.closed;
    expect(log.map(({ where, error }) => [where, error.code])).toContainEqual(["onLost", "internal"]);
  });
});
