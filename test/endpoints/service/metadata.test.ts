/**
 * Metadata of calls: what a caller gives and its interceptors add, as the other side's interceptors, `authorize` and handlers see it.
 */
import {
  defineService,
  type HostOptions,
  Link,
  type LinkOptions,
  memoryTransportPair,
  method,
  type OutgoingInterceptor,
  type Peer,
  resolveLimits,
  ServiceHost,
} from "hbi";
import { conversation, hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { withoutHello } from "../../support/hello.ts";

const size = z.int().min(0).max(1_000_000);
const tracing = defineService({
  name: "tracing",
  version: "1.0.0",
  methods: {
    seen: method({ params: {}, result: z.record(z.string(), z.string()), idempotent: true }),
    note: method({ params: {} }),
    upload: method({ params: { size }, body: ({ size }) => size, result: z.record(z.string(), z.string()) }),
    download: method({ params: { size }, result: z.strictObject({ size }), resultBody: ({ size }) => size }),
    ask_back: method({ params: {}, result: z.record(z.string(), z.string()) }),
  },
  reactions: { told: method({ params: {}, result: z.record(z.string(), z.string()) }) },
});
type Tracing = typeof tracing;

/** What was seen, by whom. */
class Log {
  readonly entries: [by: string, metadata: object][] = [];

  readonly handlers = (peer: Peer<Tracing, undefined>) => ({
    seen: (_: object, { metadata }: { metadata: Readonly<Record<string, string>> }) => this.#saw("handler", metadata),
    note: (_: object, { metadata }: { metadata: Readonly<Record<string, string>> }) =>
      void this.#saw("handler", metadata),
    upload: async (
      _: object,
      call: { metadata: Readonly<Record<string, string>>; bytes(): Promise<Uint8Array<ArrayBuffer>> },
    ) => {
      await call.bytes();
      return this.#saw("handler", call.metadata);
    },
    download: ({ size }: { size: number }, { metadata }: { metadata: Readonly<Record<string, string>> }) => {
      this.#saw("handler", metadata);
      return { result: { size }, body: new Uint8Array(size) };
    },
    ask_back: (_: object, { metadata }: { metadata: Readonly<Record<string, string>> }) =>
      peer.call.told({}, { metadata }),
  });

  readonly options: HostOptions<Tracing, undefined> = {
    log: () => undefined,
    authorize: ({ metadata }) => {
      this.#saw("authorize", metadata);
      return metadata["tenant"] !== "evil";
    },
    interceptors: [
      ({ metadata }, next) => {
        this.#saw("interceptor", metadata);
        return next();
      },
    ],
  };

  #saw(by: string, metadata: Readonly<Record<string, string>>) {
    this.entries.push([by, { ...metadata }]);
    return { ...metadata };
  }
}

/** A service that is told its bytes by hand. */
async function bytes(options: HostOptions<Tracing, undefined> = {}) {
  const log = new Log();
  const host = new ServiceHost<Tracing>(tracing, log.handlers, { ...log.options, ...options });
  const { transport, peer } = hostileTransport();
  await host.accept(transport);
  const say = async (...pieces: (string | Uint8Array)[]) => {
    for (const piece of pieces) peer.say(piece);
    await quiet();
    return withoutHello(peer.heard());
  };
  return { log, say, peer };
}

describe("a host", () => {
  it("shows metadata to interceptors, to `authorize` and to the handler", async () => {
    const { log, say } = await bytes();
    const heard = await say(conversation("101;x;n;t=traceparent:00-4bf9-01,tenant:a%20b", "seen()"));
    expect(heard).toContain('{"traceparent":"00-4bf9-01","tenant":"a b"}');
    const metadata = { traceparent: "00-4bf9-01", tenant: "a b" };
    expect(log.entries).toEqual([
      ["authorize", metadata],
      ["interceptor", metadata],
      ["handler", metadata],
    ]);
  });

  it("answers by the id alone, and shows nothing where there is nothing", async () => {
    const { log, say } = await bytes();
    const heard = await say(conversation("101;x;n;t=a:b", "note()"), conversation("102;x;n", "note()"));
    expect(heard).toBe("[3#co_ack_begin]101[3#co_ack_end]101[3#co_ack_begin]102[3#co_ack_end]102");
    expect(log.entries.filter(([by]) => by === "handler")).toEqual([
      ["handler", { a: "b" }],
      ["handler", {}],
    ]);
  });

  it("lets `authorize` refuse by it", async () => {
    const { say } = await bytes();
    expect(await say(conversation("101;x;n;t=tenant:evil", "seen()"))).toContain('HbiError("permission_denied"');
  });

  it.each<[string, (token: string) => (string | Uint8Array)[]]>([
    ["a call", (token) => [conversation(`${token};n`, "seen()")]],
    [
      "a call with declared raw data",
      (token) => [packet("co_begin", `${token};b=5`), packet("", "upload(5)"), "12345", packet("co_end", "101")],
    ],
    [
      "a call with raw data that its token does not announce",
      (token) => [packet("co_begin", token), packet("", "upload(5)"), "12345", packet("co_end", "101")],
    ],
  ])("refuses %s above its own limit, and nothing else: N and N + 1", async (_, said) => {
    const { log, say, peer } = await bytes({ limits: { maxMetadataBytes: 12 } });
    await say(...said("101;x;t=tenant:abcde"));
    expect(log.entries.map(([by]) => by)).toEqual(["authorize", "interceptor", "handler"]);
    const heard = await say(...said("101;x;t=tenant:abcdef"));
    expect(log.entries).toHaveLength(3);
    expect(heard).toContain(
      'HbiError("resource_exhausted","metadata too big: 13 bytes, at most 12 (maxMetadataBytes)",None,"metadata_too_big")',
    );
    expect(await say(conversation("103;x;n", "seen()"))).toMatch(/\[3#co_ack_begin\]103\[2#co_recv\]\{\}/);
    expect(peer.isClosed).toBe(false);
  });

  it.each(["t", "t=", "t=a", "t=a:b,a:c", "t=A:b", "t=a:%ff", "t=__proto__:b"])(
    "ends the connection for the malformed %s before anything of the call is looked at",
    async (field) => {
      const { log, say } = await bytes();
      expect(await say(conversation(`101;x;n;${field}`, "seen()"))).toContain("malformed conversation id");
      expect(log.entries).toEqual([]);
    },
  );
});

/** A service and a link to it; what the link sends is recorded. */
async function linked(options: { host?: HostOptions<Tracing, undefined>; link?: Partial<LinkOptions<Tracing>> } = {}) {
  const log = new Log();
  const host = new ServiceHost<Tracing>(tracing, log.handlers, { ...log.options, ...options.host });
  const told: object[] = [];
  const sent: string[] = [];
  let peer: Peer<Tracing, undefined> | undefined;
  const dial = async () => {
    const [near, far] = memoryTransportPair();
    const write = near.write.bind(near);
    near.write = (chunk) => {
      sent.push(typeof chunk === "string" ? chunk : String.fromCharCode(...chunk));
      write(chunk);
    };
    host.accept(far).then(
      (accepted) => {
        peer = accepted;
      },
      () => undefined,
    );
    return near;
  };
  const reactions = {
    told: (_: object, { metadata }: { metadata: Readonly<Record<string, string>> }) => {
      told.push({ ...metadata });
      return { ...metadata };
    },
  };
  const link = await new Link<Tracing>(tracing, dial, reactions, { log: () => undefined, ...options.link }).open();
  return {
    link,
    log,
    told,
    host,
    get peer() {
      return peer as Peer<Tracing, undefined>; // accepted when the link is open
    },
    sent: () => withoutHello(sent.join("")),
    [Symbol.asyncDispose]: () => link.disconnect(),
  };
}

const metadata = { traceparent: "00-4bf9-01", tenant: "é, b" };
const FIELD = "t=traceparent:00-4bf9-01,tenant:%C3%A9%2C%20b";

describe("a caller", () => {
  it.each<[string, (link: Link<Tracing>) => Promise<unknown>]>([
    ["a call", (link) => link.call.seen({}, { metadata })],
    ["a post", async (link) => (await link.post.note({}, { metadata })).waitCompleted()],
    ["a post of a method with a result", async (link) => (await link.post.seen({}, { metadata })).waitCompleted()],
    ["a script", (link) => link.script((s) => s.seen(), { metadata })],
    ["raw data that is there", (link) => link.call.upload({ size: 3 }, { metadata, body: new Uint8Array(3) })],
    ["raw data that is collected", (link) => link.call.upload({ size: 3 }, { metadata, body: [new Uint8Array(3)] })],
    [
      "raw data that streams",
      (link) => link.call.upload({ size: 200_000 }, { metadata, body: [new Uint8Array(1e5), new Uint8Array(1e5)] }),
    ],
    ["raw data behind the result", async (link) => (await link.call.download({ size: 3 }, { metadata })).body.bytes()],
    ["a conversation of the HBI layer", (link) => link.po.converse((co) => co.getObj("seen()"), { metadata })],
    ["a script of the HBI layer", (link) => link.po.converse((co) => co.sendCode("note()"), { metadata })],
  ])("sends it with %s", async (_, run) => {
    await using test = await linked();
    await run(test.link);
    await test.link.ping(); // a post has been landed then
    const handled = test.log.entries.filter(([by]) => by === "handler");
    expect(handled).toEqual([["handler", metadata]]);
    expect(test.sent()).toContain(FIELD);
  });

  it("sends what it always has, byte for byte, where there is none", async () => {
    const talk = async (options: { metadata?: Readonly<Record<string, string>> }) => {
      await using test = await linked({ link: { lanes: false, interceptors: [(_call, next) => next()] } });
      await test.link.call.seen({}, options);
      await (await test.link.post.note({}, options)).waitCompleted();
      await test.link.script((s) => s.seen(), options);
      await test.link.call.upload({ size: 1 }, { body: [new Uint8Array(1)], ...options });
      await test.link.po.converse((co) => co.getObj("seen()"), options);
      return test.sent().replace(/d=\d+/g, "d=30000"); // less where the machine was busy
    };
    const plain = await talk({});
    expect(plain).toBe(
      [
        "[15#co_begin]101;x;n;d=30000[6#]seen()[15#co_end]101;x;n;d=30000",
        "[15#co_begin]102;x;n;d=30000[6#]note()[3#co_end]102",
        "[15#co_begin]103;x;n;d=30000[6#]seen()[3#co_end]103",
        "[17#co_begin]104;x;b=1;d=30000[9#]upload(1)\0[3#co_end]104",
        "[9#co_begin]105;x;n;a[6#co_send]seen()[3#co_end]105",
      ].join(""),
    );
    expect(await talk({ metadata: {} })).toBe(plain);
  });

  it("has what its interceptors add, of a link and of a host, and may pass it on", async () => {
    const add = (key: string): OutgoingInterceptor => {
      return (call, next) => {
        call.metadata[key] = `${call.kind} ${call.name}`;
        return next();
      };
    };
    await using test = await linked({
      host: { outgoing: [add("out")] },
      link: { interceptors: [add("in"), add("in2")] },
    });
    expect(await test.link.call.seen({}, { metadata: { own: "1" } })).toEqual({
      own: "1",
      in: "call seen",
      in2: "call seen",
    });
    expect(await test.link.call.ask_back()).toEqual({ in: "call ask_back", in2: "call ask_back", out: "call told" });
    expect(await test.peer.call.told({}, { metadata: { own: "2" } })).toEqual({ own: "2", out: "call told" });
    await (await test.peer.post.told()).waitCompleted();
    expect(test.told.at(-1)).toEqual({ out: "post told" });
    expect(await test.link.script((s) => s.seen())).toEqual({ in: "script seen", in2: "script seen" });
  });

  it("of the options' object gets a copy: it is not changed", async () => {
    const given = { own: "1" };
    const interceptor: OutgoingInterceptor = (call, next) => {
      call.metadata["more"] = "2";
      return next();
    };
    await using test = await linked({ link: { interceptors: [interceptor] } });
    await test.link.call.seen({}, { metadata: given });
    expect(given).toEqual({ own: "1" });
  });

  it("is told before anything is sent that it is too much, or malformed: N and N + 1", async () => {
    await using test = await linked({ link: { limits: { maxMetadataBytes: 12 } } });
    expect(await test.link.call.seen({}, { metadata: { tenant: "abcde" } })).toEqual({ tenant: "abcde" });
    const before = test.sent();
    const tooMuch = { metadata: { tenant: "abcdef" } };
    const expected = { reason: "metadata_too_big", code: "resource_exhausted" };
    const body = new Uint8Array(1);
    await expect(test.link.call.seen({}, tooMuch)).rejects.toMatchObject(expected);
    await expect(test.link.post.note({}, tooMuch)).rejects.toMatchObject(expected);
    await expect(test.link.script((s) => s.seen(), tooMuch)).rejects.toMatchObject(expected);
    await expect(test.link.call.upload({ size: 1 }, { body, ...tooMuch })).rejects.toMatchObject(expected);
    await expect(test.link.call.download({ size: 1 }, tooMuch)).rejects.toMatchObject(expected);
    await expect(test.link.po.co(tooMuch)).rejects.toMatchObject(expected);
    await expect(test.link.call.seen({}, { metadata: { Tenant: "a" } })).rejects.toMatchObject({
      reason: "bad_option",
    });
    await expect(test.link.call.seen({}, { metadata: { tenant: 1 } as never })).rejects.toMatchObject({
      reason: "bad_option",
    });
    expect(test.sent()).toBe(before);
    expect(await test.link.call.seen()).toEqual({});
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["a number", 5],
    ["a Map", new Map([["tenant", "a"]])],
    ["a list", []],
  ])("is told that %s is no metadata, with interceptors and without", async (_, metadata) => {
    const given = { metadata } as never;
    const body = new Uint8Array(1);
    for (const interceptors of [[], [(_call: unknown, next: () => Promise<unknown>) => next()]]) {
      await using test = await linked({ link: { interceptors } });
      const before = test.sent();
      for (const told of [
        test.link.call.seen({}, given),
        test.link.post.note({}, given),
        test.link.script((s) => s.seen(), given),
        test.link.call.upload({ size: 1 }, { body, metadata: metadata as never }),
        test.link.po.co(given),
      ]) {
        await expect(told).rejects.toMatchObject({ reason: "bad_option" });
      }
      expect(test.sent()).toBe(before);
    }
  });

  it("takes the largest limit, and none above it", async () => {
    await using test = await linked();
    const tenant = "a".repeat(185);
    expect(await test.link.call.seen({}, { metadata: { tenant } })).toEqual({ tenant });
    await expect(test.link.call.seen({}, { metadata: { tenant: `${tenant}a` } })).rejects.toMatchObject({
      reason: "metadata_too_big",
    });
    expect(() => resolveLimits({ maxMetadataBytes: 193 })).toThrow("maxMetadataBytes");
    expect(resolveLimits({ maxMetadataBytes: 192 }).maxMetadataBytes).toBe(192);
  });

  it("sends it again with a call that is sent again", async () => {
    await using test = await linked({ link: { reconnect: { initialDelayMs: 1 }, retries: 1 } });
    await test.link.call.seen();
    test.peer.disconnect();
    expect(await test.link.call.seen({}, { metadata })).toEqual(metadata);
  });
});

describe("a peer without the extension", () => {
  it("never gets it: calls go through without, also the first one", async () => {
    await using test = await linked({ host: { extension: false } });
    expect(await test.link.call.seen({}, { metadata })).toEqual({});
    expect(await test.link.call.upload({ size: 3 }, { metadata, body: [new Uint8Array(3)] })).toEqual({});
    expect(await test.link.po.converse((co) => co.getObj("seen()"), { metadata })).toEqual({});
    expect(test.sent()).not.toContain("tenant");
  });

  it("of a link that has switched it off gets it neither", async () => {
    await using test = await linked({ link: { extension: false } });
    expect(await test.link.call.seen({}, { metadata })).toEqual({});
    expect(test.sent()).not.toContain("tenant");
  });

  it("is known by its answer to the hello: until then a call with metadata waits, and those behind it", async () => {
    const { transport, peer } = hostileTransport();
    const quietly = { log: () => undefined };
    const link = await new Link<Tracing>(tracing, async () => transport, { told: () => ({}) }, quietly).open();
    await link.post.note();
    await quiet();
    const [hello = ""] = /100;x;n;m=\d+;p=\d+/.exec(peer.heard()) ?? [];
    const waiting = [link.post.seen({}, { metadata }), link.post.note()];
    await quiet();
    expect(peer.heard()).toBe("");
    peer.say(packet("co_ack_begin", hello) + packet("co_ack_end", hello)); // as a host that does not know it: the whole id
    await Promise.all(waiting);
    await quiet();
    expect(peer.heard()).toMatch(/^\[\d+#co_begin\]102;x;n;d=\d+\[6#\]seen\(\).*\]103;x;n;d=\d+\[6#\]note\(\)/);
    peer.reset();
  });
});
