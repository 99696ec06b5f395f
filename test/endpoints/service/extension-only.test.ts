/**
 * What only a peer of this implementation reads is not sent to another: the call waits until it is known which it is, and what the other would
 * end the connection for fails here.
 */
import {
  defineService,
  HbiError,
  Link,
  type LinkOptions,
  type LogEntry,
  method,
  type Peer,
  ServiceHost,
  script,
} from "hbi";
import { answer, conversation, hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { helloOf, helloOfServer } from "../../support/hello.ts";

const service = defineService({
  name: "values",
  version: "1.0.0",
  methods: {
    take: method({ params: { value: z.unknown() } }),
    upload: method({ params: { value: z.unknown() }, body: () => 3 }),
    give: method({ params: { what: z.string() }, result: z.unknown() }),
  },
  reactions: { note: method({ params: { value: z.unknown() } }) },
});

const FORMS: readonly [name: string, value: unknown, what: string][] = [
  ["infinity", { a: [Number.POSITIVE_INFINITY] }, "value.a[0] is infinite"],
  ["less than all", Number.NEGATIVE_INFINITY, "value is infinite"],
  ["a NUL character", ["a\0"], "value[0] has a NUL character"],
  ["a NUL character in a key", { "a\0": 1 }, "value.a\\u{0} has a NUL character"],
  ["half a surrogate pair", { a: "\ud800" }, "value.a has an unpaired surrogate"],
  ["bytes", { a: new Uint8Array(3) }, "value.a is bytes"],
  ["a small bigint", 5n, "value is a small bigint"],
  ["more than 64 bits", 2n ** 63n, "value is an integer of more than 64 bits"],
];
const HELLO = helloOf("client", { name: "values" });

async function talking(options: Partial<LinkOptions<typeof service>> = {}) {
  const { transport, peer } = hostileTransport();
  const reactions = { note: () => undefined };
  const link = await new Link(service, async () => transport, reactions, { log: () => undefined, ...options }).open();
  await quiet();
  const hello = peer.heard();
  return { link, peer, hello };
}

const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => "sent",
    (thrown: unknown) => thrown,
  );

describe.each(FORMS)("%s", (_, value, what) => {
  const refused = expect.objectContaining({
    code: "invalid_argument",
    reason: "not_representable",
    message: expect.stringContaining(what) as string,
  });

  it("is refused for a peer that turns out to be another's, and the connection goes on", async () => {
    const { link, peer, hello } = await talking();
    expect(hello).toContain(HELLO);
    const calls = [link.call.take({ value }), link.call.upload({ value }, { body: new Uint8Array(3) })].map(caught);
    const script = caught(link.script((s) => s.take({ value })));
    await quiet();
    expect(peer.heard()).toBe(""); // not before it is known
    peer.say(answer(HELLO)); // repeats what it does not read
    for (const call of [...calls, script]) expect(await call).toEqual(refused);
    expect(await caught(link.call.take({ value }))).toEqual(refused); // and at once from now on
    await quiet();
    expect(peer.heard()).toBe("");
    const plain = caught(link.call.take({ value: 1 }));
    await quiet();
    const [id] = /\d+;x[^\]]*?(?=\[)/.exec(peer.heard()) as RegExpExecArray;
    peer.say(answer(id));
    expect(await plain).toBe("sent");
    peer.reset();
    await link.disconnect();
  });

  it("is sent to one of ours, when that is known", async () => {
    const { link, peer } = await talking();
    const call = caught(link.call.take({ value }));
    await quiet();
    expect(peer.heard()).toBe("");
    peer.say(answer("100"));
    await quiet();
    expect(peer.heard()).toContain("take(");
    peer.say(answer("101"));
    expect(await call).toBe("sent");
    peer.reset();
    await link.disconnect();
  });

  it("is refused at once where the extension is switched off", async () => {
    const { link, peer } = await talking({ extension: false });
    expect(await caught(link.call.take({ value }))).toEqual(refused);
    expect(peer.heard()).toBe("");
    peer.reset();
    await link.disconnect();
  });

  it("goes both ways between peers of ours", async () => {
    const noted: unknown[] = [];
    const taken: unknown[] = [];
    const test = await testLink(
      service,
      () => ({
        take: (params) => void taken.push(params.value),
        upload: (params) => void taken.push(params.value),
        give: () => value,
      }),
      { reactions: { note: (params) => void noted.push(params.value) } },
    );
    await test.link.call.take({ value });
    await test.link.call.upload({ value }, { body: new Uint8Array(3) });
    expect(await test.link.call.give({ what: "" })).toEqual(value);
    await test.peer.call.note({ value });
    expect(taken).toEqual([value, value]);
    expect(noted).toEqual([value]);
    await test.link.disconnect();
  });

  it("is refused in a call-back to a peer that has not introduced itself", async () => {
    const { transport, peer } = hostileTransport();
    const log: LogEntry[] = [];
    let consumer: Peer<typeof service, undefined> | undefined;
    const host = new ServiceHost(
      service,
      (made) => {
        consumer = made;
        return { take: () => undefined, upload: () => undefined, give: () => value };
      },
      { log: (entry: LogEntry) => void log.push(entry) },
    );
    await host.accept(transport);
    const call = caught((consumer as NonNullable<typeof consumer>).call.note({ value }));
    await quiet();
    const hello = helloOfServer(service);
    expect(peer.heard()).toBe(packet("co_begin", hello) + packet("co_end", hello));
    peer.say(answer(hello));
    expect(await call).toEqual(refused);
    peer.reset();
  });
});

describe("an answer that the peer cannot read fails here", () => {
  it.each<[string, unknown]>([
    ["infinity", Number.POSITIVE_INFINITY],
    ["NaN", { a: Number.NaN }],
  ])("%s", async (_, value) => {
    const { transport, peer } = hostileTransport();
    const log: LogEntry[] = [];
    const handlers = { take: () => undefined, upload: () => undefined, give: () => value };
    const host = new ServiceHost(service, () => handlers, { log: (entry: LogEntry) => void log.push(entry) });
    await host.accept(transport);
    peer.say(conversation("101", 'give("")'));
    await quiet();
    expect(peer.heard()).toMatch(/^\[3#co_ack_begin\]101\[\d+#co_recv\]HbiError\("internal",.*\[3#co_ack_end\]101$/s);
    expect(log[0]?.error.cause).toBeInstanceOf(HbiError);
    expect(log[0]?.error.cause).toMatchObject({ reason: "not_representable" });
    peer.say(conversation("102", "take(1)"));
    await quiet();
    expect(peer.heard()).toContain("[3#co_ack_end]102");
    peer.reset();
  });
});

describe("a script on the HBI layer", () => {
  const refused = expect.objectContaining({
    reason: "not_representable",
    message: expect.stringContaining("is bytes") as string,
  });
  const code = script`take(${[Uint8Array.of(1)]})`;
  const take = (link: Link<typeof service>, first?: string) =>
    caught(
      link.po.converse(
        async (co) => {
          if (first !== undefined) {
            await co.sendCode(first);
            await quiet(); // it is on the wire
          }
          await co.sendCode(code);
          await co.waitCompleted();
        },
        { hasNoRawData: true },
      ),
    );

  it("waits, and is refused for a peer of another kind", async () => {
    const { link, peer } = await talking();
    const call = take(link);
    await quiet();
    expect(peer.heard()).toBe("");
    peer.say(answer(HELLO));
    expect(await call).toEqual(refused);
    expect(await take(link)).toEqual(refused);
    expect(peer.heard()).toBe("");
    peer.reset();
    await link.disconnect();
  });

  it("is sent to one of ours", async () => {
    const { link, peer } = await talking();
    const call = take(link);
    await quiet();
    peer.say(answer("100"));
    await quiet();
    expect(peer.heard()).toContain("take([b'\\x01'])");
    peer.say(answer("101"));
    expect(await call).toBe("sent");
    peer.reset();
    await link.disconnect();
  });

  it("is refused behind another while the peer is not known", async () => {
    const { link, peer } = await talking();
    const call = take(link, "take(1)");
    await quiet();
    expect(await call).toEqual(refused);
    expect(peer.heard()).not.toContain("b'");
    peer.reset();
    await link.disconnect();
  });

  it("is refused in the answer to a poster of another kind", async () => {
    const { transport, peer } = hostileTransport();
    const failures: unknown[] = [];
    const take = async (_: unknown, { co }: { co: { sendCode(text: typeof code): Promise<void> } }) => {
      failures.push(await caught(co.sendCode(code)));
    };
    const handlers = { take, upload: () => undefined, give: () => 1 };
    const host = new ServiceHost(service, () => handlers as never, { log: () => undefined });
    await host.accept(transport);
    peer.say(conversation("101", "take(1)"));
    await quiet();
    expect(failures).toEqual([refused]);
    expect(peer.heard()).toBe("[3#co_ack_begin]101[3#co_ack_end]101");
    peer.reset();
  });
});
