/**
 * Conversations as an application has them: two peers of this library in memory, in whole chunks and byte by byte, and over everything
 * else that carries a connection.
 */
import { Connection, HbiError, HostingEnv, method, recvArray, repr, script, sendArray, value } from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { CARRIERS, closeCarriers } from "../../support/carriers.ts";
import { barePeer, closePairs, type PairOptions, pair } from "../../support/pair.ts";

const { "in memory": _, ...others } = CARRIERS;
const WAYS: Readonly<Record<string, PairOptions>> = {
  "in whole chunks": { cut: (available) => available },
  "byte by byte": { cut: () => 1 },
  ...Object.fromEntries(Object.entries(others).map(([how, carrier]) => [how, { over: () => carrier.pair() }])),
};
afterEach(closePairs);
afterAll(closeCarriers);
const n = z.int().min(0).max(1e8);

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
  [Symbol.for("hbi.repr")]() {
    return `Point(${this.x}, ${this.y})`;
  }
}
const point = value({ params: { x: z.number(), y: z.number() }, make: ({ x, y }) => new Point(x, y) });

function exposed(): HostingEnv {
  const env = new HostingEnv();
  env.expose("add", method({ params: { a: z.number(), b: z.number() }, result: z.number() }), ({ a, b }) => a + b);
  env.expose("later", method({ params: { a: z.number() }, result: z.number() }), async ({ a }) => a);
  env.expose("sum", method({ params: { n }, body: ({ n }) => n, result: z.number() }), async ({ n }, co) => {
    const bytes = new Uint8Array(n);
    await co.recvData(bytes);
    return bytes.reduce((sum, byte) => sum + byte, 0);
  });
  env.slot("my_name", z.string(), "nobody");
  env.expose("who", method({ params: {}, result: z.string() }), () => String(env.get("my_name")));
  env.construct("Point", point);
  env.expose("norm", method({ params: { at: z.instanceof(Point) }, result: z.number() }), ({ at }) => at.x + at.y);
  return env;
}

for (const [how, way] of Object.entries(WAYS)) {
  describe(how, () => {
    it("asks and receives an object, validated", async () => {
      const { po } = await pair(exposed(), way);
      await using co = await po.co();
      await co.sendCode(script`add(${1}, ${2})`);
      expect(await co.recvObj(z.number())).toBe(3);
    });

    it("refuses an object of another kind where it is received", async () => {
      const { po } = await pair(exposed(), way);
      const asked = po.converse(async (co) => {
        await co.sendCode("add(1, 2)");
        return co.recvObj(z.string());
      });
      await expect(asked).rejects.toMatchObject({
        code: "invalid_argument",
        message: "object: argument refused: expected string, got number",
      });
      expect(po.isConnected).toBe(true);
    });

    it("takes arguments by name, in any order", async () => {
      const { po } = await pair(exposed(), way);
      const asked = po.converse(async (co) => {
        await co.sendCode("add(b=2, a=40)");
        return co.recvObj();
      });
      expect(await asked).toBe(42);
    });

    it("runs a call in another call's arguments first, also an asynchronous one", async () => {
      const { po } = await pair(exposed(), way);
      const asked = po.converse(async (co) => {
        await co.sendCode("add(later(1), add(later(2), 3))");
        return co.recvObj();
      });
      expect(await asked).toBe(6);
    });

    it("runs all statements of a packet in order, each with its own raw data", async () => {
      const { po } = await pair(exposed(), way);
      const answers = await po.converse(async (co) => {
        await co.sendCode("sum(3)\nlater(7)\nsum(2)");
        await co.sendData([Uint8Array.of(1, 2, 3), Uint8Array.of(10, 20)]);
        return [await co.recvObj(), await co.recvObj(), await co.recvObj()];
      });
      expect(answers).toEqual([6, 7, 30]);
    });

    it("assigns slots, validated", async () => {
      const env = exposed();
      const { po } = await pair(env, way);
      const name = po.converse(async (co) => {
        await co.sendCode(script`my_name = ${"Ada"}\nwho()`);
        return co.recvObj();
      });
      expect(await name).toBe("Ada");
      const refused = await po.notif("my_name = 5");
      await expect(refused.waitCompleted()).rejects.toMatchObject({ code: "invalid_argument" });
      expect(env.get("my_name")).toBe("Ada");
    });

    it("lands value constructors both ways", async () => {
      const clientEnv = new HostingEnv().construct("Point", point);
      const env = exposed();
      env.expose(
        "mirror",
        method({ params: { at: z.instanceof(Point) }, result: z.instanceof(Point) }),
        ({ at }) => new Point(at.y, at.x),
      );
      const { po } = await pair(env, { ...way, clientEnv });
      const mirrored = await po.converse(async (co) => {
        await co.sendCode(script`mirror(${new Point(1, 2)})`);
        return co.recvObj(z.instanceof(Point));
      });
      expect(mirrored).toEqual(new Point(2, 1));
    });

    it("answers out of order, each its own question", async () => {
      const env = exposed();
      const waiting = new Map<number, (value: number) => void>();
      env.expose(
        "held",
        method({ params: { a: z.number() }, result: z.number() }),
        ({ a }) => new Promise((resolve) => waiting.set(a, resolve)),
      );
      const { po } = await pair(env, way);
      const order: number[] = [];
      const ask = (a: number) =>
        po.converse(async (co) => {
          await co.sendCode(script`held(${a})`);
          const answer = await co.recvObj(z.number());
          order.push(answer);
          return answer;
        });
      const asked = [1, 2, 3].map(ask);
      while (waiting.size < 3) await new Promise(setImmediate);
      await quiet(100); // the last co_end
      for (const a of [3, 1, 2]) waiting.get(a)?.(a);
      expect(await Promise.all(asked)).toEqual([1, 2, 3]);
      expect(order).toEqual([3, 1, 2]);
    });

    it("lets the host post and ask back while it answers", async () => {
      const clientEnv = exposed();
      const env = new HostingEnv();
      env.expose("ask", method({ params: {}, result: z.number() }), () =>
        env.po.converse(async (co) => {
          await co.sendCode("add(20, 22)");
          return co.recvObj(z.number());
        }),
      );
      const { po } = await pair(env, { ...way, clientEnv });
      const asked = po.converse(async (co) => {
        await co.sendCode("ask()");
        return co.recvObj();
      });
      expect(await asked).toBe(42);
    });

    it("sends and receives raw data of any view and any iterable", async () => {
      const env = new HostingEnv();
      const params = { count: n };
      env.expose("double", method({ params, body: ({ count }) => count * 8 }), async ({ count }, co) => {
        const numbers = new Float64Array(count);
        await co.recvData(numbers);
        await co.sendData(numbers.map((x) => x * 2));
      });
      const { po } = await pair(env, way);
      const numbers = Float64Array.from({ length: 100 }, (_, i) => i / 3);
      async function* parts() {
        yield numbers.subarray(0, 30);
        yield new Uint8Array();
        yield numbers.subarray(30);
      }
      const head = new Float64Array(60);
      const tail = new DataView(new ArrayBuffer(320));
      await po.converse(async (co) => {
        await co.sendCode("double(100)");
        await co.sendData(parts());
        await co.recvData([head, tail]);
      });
      expect([...head, ...new Float64Array(tail.buffer)]).toEqual([...numbers].map((x) => x * 2));
    });

    it("needs no await between sending and receiving", async () => {
      const { po } = await pair(exposed(), way);
      for (const size of [3, 50_000]) {
        await using co = await po.co();
        void co.sendCode(`sum(${size})`);
        void co.sendData(new Uint8Array(size).fill(1));
        expect(await co.recvObj()).toBe(size);
      }
    });

    it("hands a body on in chunks", async () => {
      const env = new HostingEnv();
      env.expose("crc", method({ params: { n }, body: ({ n }) => n, result: z.array(z.number()) }), async (_, co) => {
        let [sum, bytes] = [0, 0];
        for await (const chunk of co.recvChunks()) {
          bytes += chunk.length;
          for (const byte of chunk) sum += byte;
        }
        return [sum, bytes];
      });
      const { po } = await pair(env, way);
      const asked = po.converse(async (co) => {
        await co.sendCode("crc(5000)");
        await co.sendData(new Uint8Array(5000).fill(2));
        return co.recvObj();
      });
      expect(await asked).toEqual([10_000, 5_000]);
    });

    it("receives objects and raw data in turn, where the method says manual", async () => {
      const env = new HostingEnv();
      env.expose("mixed", method({ params: {}, body: "manual" }), async (_, co) => {
        const { size } = await co.recvObj(z.object({ size: n }));
        const bytes = new Uint8Array(size);
        await co.recvData(bytes);
        await co.sendObj(repr([...bytes, await co.recvObj()]));
      });
      const { po } = await pair(env, way);
      const asked = po.converse(async (co) => {
        await co.sendCode("mixed()");
        await co.sendObj(repr({ size: 2 }));
        await co.sendData(Uint8Array.of(7, 8));
        await co.sendObj(repr("tail"));
        return co.recvObj();
      });
      expect(await asked).toEqual([7, 8, "tail"]);
    });

    it("sends and receives arrays with their shape", async () => {
      const env = new HostingEnv();
      env.expose("transpose", method({ params: {}, body: "manual" }), async (_, co) => {
        const { shape, data } = await recvArray(co);
        const [rows = 0, columns = 0] = shape;
        const turned = new Float64Array(data.length).map((_x, i) =>
          Number(data[(i % rows) * columns + Math.floor(i / rows)]),
        );
        await sendArray(co, turned, [columns, rows]);
      });
      const { po } = await pair(env, way);
      const turned = await po.converse(async (co) => {
        await co.sendCode("transpose()");
        await sendArray(co, Float64Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
        return recvArray(co);
      });
      expect(turned).toEqual({ shape: [3, 2], dtype: "float64", data: Float64Array.of(1, 4, 2, 5, 3, 6) });
    });

    it("asks for a value by getObj", async () => {
      const { po } = await pair(exposed(), way);
      expect(await po.converse((co) => co.getObj("add(1, 2)", z.number()))).toBe(3);
      expect(await po.converse((co) => co.getObj("[1, 'two']"))).toEqual([1, "two"]);
      const { po: plain } = await pair(exposed(), { ...way, client: { extension: false } });
      expect(await plain.converse((co) => co.getObj("add(1, 2)", z.number()))).toBe(3);
    });

    it("lands scripts of an answer in the poster's environment, or in that of the conversation", async () => {
      const landed: string[] = [];
      const listening = (name: string) =>
        new HostingEnv().expose(
          "done",
          method({ params: { what: z.string() } }),
          ({ what }) => void landed.push(`${name}: ${what}`),
        );
      const env = new HostingEnv();
      env.expose("work", method({ params: { what: z.string() } }), ({ what }, co) =>
        co.sendCode(script`done(${what})`),
      );
      const { po } = await pair(env, { ...way, clientEnv: listening("connection") });
      await (await po.notif("work('a')")).waitCompleted();
      await (await po.notif("work('b')", { env: listening("conversation") })).waitCompleted();
      expect(landed).toEqual(["connection: a", "conversation: b"]);
    });

    it("lands the packets of a hosted conversation in another environment from the next one on", async () => {
      const env = new HostingEnv();
      const inner = new HostingEnv().expose("secret", method({ params: {}, result: z.string() }), () => "opened");
      env.expose("open", method({ params: {} }), (_, co) => {
        if ("startSend" in co) co.env = inner;
      });
      const { po } = await pair(env, way);
      const asked = po.converse(async (co) => {
        await co.sendCode("open()");
        await co.sendCode("secret()");
        return co.recvObj();
      });
      expect(await asked).toBe("opened");
      const refused = await po.notif("secret()");
      await expect(refused.waitCompleted()).rejects.toMatchObject({ reason: "unknown_name" });
    });

    it("sends as it goes after startSend, and in one piece without", async () => {
      const env = new HostingEnv();
      let go: () => void = () => undefined;
      env.expose("stream", method({ params: {} }), async (_, co) => {
        if (!("startSend" in co)) return;
        await co.startSend();
        await co.sendObj("1");
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        await co.sendObj("2");
      });
      const { po } = await pair(env, way);
      const objects = await po.converse(async (co) => {
        await co.sendCode("stream()");
        const first = await co.recvObj();
        go();
        return [first, await co.recvObj()];
      });
      expect(objects).toEqual([1, 2]);
    });

    it("knows the present conversation as ho.co until the handler waits", async () => {
      const env = new HostingEnv();
      const seen: (string | undefined)[] = [];
      env.expose("look", method({ params: {} }), async () => {
        seen.push(env.ho.co?.coSeq);
        await undefined;
        seen.push(env.ho.co?.coSeq);
      });
      const { po } = await pair(env, way);
      await (await po.notif("look()")).waitCompleted();
      expect(seen).toEqual(["101", undefined]);
    });
  });
}

describe("connecting and parting", () => {
  it("init hooks run before anything is landed, on both sides; cleanup hooks once, at the end", async () => {
    const events: string[] = [];
    const env = (name: string) => {
      const made = exposed();
      made.onInit(async (po) => {
        await po.notif("hello()");
        events.push(`${name} init`);
      });
      made.expose("hello", method({ params: {} }), () => void events.push(`${name} was greeted`));
      made.onCleanup((_po, _ho, reason) => void events.push(`${name} cleanup ${reason?.message ?? "in peace"}`));
      return made;
    };
    const { client, server } = await pair(env("server"), { clientEnv: env("client") });
    await (await client.posting.notif("my_name = 'Ada'")).waitCompleted();
    await client.disconnect();
    await server.closed;
    expect(events.slice(0, 2).sort()).toEqual(["client init", "server init"]);
    expect(events.slice(2, 4).sort()).toEqual(["client was greeted", "server was greeted"]);
    expect(events.slice(4).sort()).toEqual(["client cleanup in peace", "server cleanup in peace"]);
  });

  it("a failing init ends the connection, and the peer learns of it", async () => {
    const env = exposed().onInit(() => {
      throw new Error("no database at 10.0.0.7");
    });
    await expect(pair(env)).rejects.toMatchObject({
      code: "internal",
      message: expect.stringMatching(/^init failed: reference \w{8}$/),
    });
  });

  it("a reason reaches the other side in one printable line", async () => {
    const { client, server } = await pair(exposed());
    await client.disconnect("bye\n\u001b[31mred");
    expect((await server.closed)?.message).toBe("peer error: bye\\n\\u{1b}[31mred");
  });

  it("drain lets what is in flight finish, and begins nothing", async () => {
    const env = exposed();
    let finish: (value: number) => void = () => undefined;
    env.expose("held", method({ params: {}, result: z.number() }), () => new Promise((resolve) => (finish = resolve)));
    const { client, server, po } = await pair(env);
    const asked = po.converse(async (co) => {
      await co.sendCode("held()");
      return co.recvObj();
    });
    while (server.hosting.liveCount === 0) await new Promise(setImmediate);
    const drained = client.drain();
    await expect(po.co()).rejects.toMatchObject({ code: "unavailable", reason: "draining" });
    finish(5);
    expect(await asked).toBe(5);
    await drained;
    expect(await server.closed).toBeUndefined();
  });

  it("everything that waits fails when the connection is lost, and says whether it may have landed", async () => {
    const env = exposed();
    env.expose("never", method({ params: {}, result: z.number() }), () => new Promise(() => undefined));
    const { client, server, po } = await pair(env);
    const asked = await po.co();
    await asked.sendCode("never()");
    const answers = [asked.recvObj(), asked.waitCompleted()];
    const unsent = await po.co();
    while (server.hosting.liveCount === 0) await new Promise(setImmediate);
    const lost = server.disconnect();
    for (const answer of answers) {
      await expect(answer).rejects.toMatchObject({ code: "unavailable", mayHaveLanded: true });
    }
    await expect(unsent.waitCompleted()).rejects.toMatchObject({ code: "unavailable" });
    await expect(po.co()).rejects.toMatchObject({ code: "unavailable" });
    await lost;
    await client.closed;
    expect(client.waits.size).toBe(0);
    expect([client.posting.liveCount, server.hosting.liveCount]).toEqual([0, 1]); // its handler has not ended
  });

  it("an environment serves one connection at a time", async () => {
    const env = exposed();
    await pair(env);
    await expect(pair(env)).rejects.toMatchObject({ reason: "wrong_stage" });
    expect(HbiError).toBeDefined();
  });
});

it("an aborted signal leaves nothing behind, and a notification reports it", async () => {
  const { po, client } = await pair(new HostingEnv());
  const signal = AbortSignal.abort();
  await expect(po.notif("note()", { signal })).rejects.toMatchObject({ code: "cancelled" });
  await expect((await po.co({ signal })).sendCode("x()")).rejects.toMatchObject({ code: "cancelled" });
  expect(client.posting.liveCount).toBe(0);
});

it("getObj takes the value that a peer of the reference gives before it has read all that was asked", async () => {
  const { transport, peer } = hostileTransport();
  const limits = { sendHighWaterBytes: 1_000 };
  const connection = new Connection(transport, () => new HostingEnv(), { limits });
  await connection.start();
  await peer.play("deaf");
  const co = await connection.posting.co();
  void co.sendCode(`note("${"x".repeat(70_000)}")`);
  const asked = co.getObj("f()", z.number());
  await quiet();
  expect(connection.wire.isAboveHighWater).toBe(true);
  await peer.play({ say: packet("co_recv", "5") }, "listen");
  expect(await asked).toBe(5);
  await peer.play({ say: packet("co_recv", "6") }); // not requested
  expect((await connection.closed)?.reason).toBe("bad_state");
});

it("an object that was asked for and could not be sent is not the next one's", async () => {
  const peer = await barePeer(new HostingEnv());
  await peer.say(conversation("100;x;n;m=100;p=1000"));
  const [first, second] = [await peer.connection.posting.co(), await peer.connection.posting.co()];
  await first.sendCode("note()");
  await expect(first.getObj(`f("${"x".repeat(1_000)}")`)).rejects.toMatchObject({ reason: "packet_too_big" });
  const asked = second.getObj("f()", z.number());
  await first.close(); // it has the turn
  await quiet();
  await peer.say(packet("co_recv", "5"));
  expect(await asked).toBe(5);
  peer.destroy();
});

describe("a conversation of several scripts", () => {
  const begin = packet("co_begin", "101;x");
  const end = packet("co_end", "101;x");
  const raw = (text: string) => packet("", `take(${text.length})`) + text;
  const taking = () => {
    const taken: string[] = [];
    const env = new HostingEnv()
      .expose("take", method({ params: { n: z.number() }, body: ({ n }) => n }), async ({ n }, co) => {
        const bytes = new Uint8Array(n);
        await co.recvData(bytes);
        taken.push(new TextDecoder().decode(bytes));
      })
      .expose("skip", method({ params: { n: z.number() }, body: ({ n }) => n }), () => void taken.push("skipped"))
      .expose("refuse", method({ params: {} }), () => {
        throw new HbiError("not_found", "no such thing");
      });
    return { env, taken };
  };
  it.each([
    ["each with raw data of its own", raw("abc") + raw("defgh") + raw("i"), ["abc", "defgh", "i"], false],
    ["the first of which leaves its own unread", `${packet("", "skip(3)")}abc${raw("de")}`, ["skipped", "de"], false],
    ["the second of which leaves its own unread", `${raw("ab")}${packet("", "skip(3)")}cde`, ["ab", "skipped"], false],
    ["the first of which fails", packet("", "refuse()") + raw("ab"), [], true],
    ["the second of which fails", raw("ab") + packet("", "refuse()") + raw("cd"), ["ab"], true],
    ["the second of which has an argument too many", raw("ab") + packet("", "refuse(1)"), ["ab"], true],
  ])("%s, whole and byte by byte", async (_, scripts, expected, fails) => {
    for (const isWhole of [true, false]) {
      const { env, taken } = taking();
      const peer = await barePeer(env);
      const said = begin + scripts + end + begin.replace("101", "102") + raw("next") + end.replace("101", "102");
      let answered = "";
      for (const piece of isWhole ? [said] : said) answered += await peer.say(piece);
      expect([taken, answered.match(/HbiError\(/g)?.length ?? 0]).toEqual([[...expected, "next"], fails ? 1 : 0]);
      expect(answered).toContain("co_ack_end]102");
      expect(Object.values(peer.connection.held).filter((held) => held !== 0)).toEqual([]);
      peer.destroy();
    }
  });
});

describe("raw data that is none, of a conversation that needs no answer", () => {
  it.each([
    ["a number", 5],
    ["a text", "text"],
    ["nothing", null],
    ["an ArrayBuffer", new ArrayBuffer(5)],
  ])("%s: it is refused, and the conversation has ended", async (_, data) => {
    const { client, po } = await pair(exposed(), { client: { clock: new ManualClock() } });
    await expect(po.notifData("add(1, 2)", data as never)).rejects.toMatchObject({ reason: "bad_option" });
    expect(await po.converse((co) => co.getObj("add(1, 2)", z.number()))).toBe(3);
    await client.drain(); // waits for no deadline
    await client.closed;
  });
});
