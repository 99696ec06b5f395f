/**
 * Typed links and services with peers that do not know the extension, as the Python and Go implementations are.
 */
import {
  Connection,
  defineService,
  HostingEnv,
  Link,
  memoryTransportPair,
  method,
  repr,
  ServiceHost,
  script,
} from "hbi";
import { hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

const plain = { extension: false, log: () => undefined } as const;

/** A host on the HBI layer that echoes ids whole. */
async function plainHost(options: { dialect?: "python" } = {}) {
  const heard: string[] = [];
  const env = new HostingEnv();
  env.expose("add", kinds.methods.add, ({ a, b }) => a + b);
  env.expose("echo", method({ params: { value: z.unknown() } }), async ({ value }, co) => {
    await co.sendObj(repr(value, "python"));
  });
  env.expose("note", kinds.methods.note, ({ text }) => void heard.push(text));
  env.expose("download", method({ params: { size: z.int(), fill: z.int() } }), async ({ size, fill }, co) => {
    await co.sendObj(repr({ size, fill }));
    await co.sendData(new Uint8Array(size).fill(fill));
  });
  env.expose("hold", method({ params: { name: z.string() } }), async ({ name }, co) => {
    await co.sendCode(script`told(${`first ${name}`})`);
    await co.sendCode(script`told(${`then ${name}`})`);
    await co.sendObj(repr(name));
  });
  const [near, far] = memoryTransportPair();
  const connection = new Connection(far, () => env, plain);
  const reactions = new Reactions();
  const opened = new Link<Kinds>(kinds, async () => near, reactions.all, { log: () => undefined, ...options }).open();
  await connection.start();
  return { link: await opened, connection, heard, reactions };
}

describe("a typed link", () => {
  it("calls, posts, streams and pings a host without the extension", async () => {
    const { link, heard } = await plainHost();
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    await (await link.post.note({ text: "x" })).waitCompleted();
    expect(heard).toEqual(["x"]);
    const { result, body } = await link.call.download({ size: 100_000, fill: 3 });
    expect(result).toEqual({ size: 100_000, fill: 3 });
    expect((await body.bytes()).every((byte) => byte === 3)).toBe(true);
    expect(await link.ping()).toBeGreaterThan(0);
    await expect(link.describe()).rejects.toMatchObject({ code: "unimplemented" });
    await link.close();
  });

  it("lands scripts that come with an answer, before the result", async () => {
    const { link, reactions } = await plainHost();
    expect(await link.call.hold({ name: "a" })).toBe("a");
    expect(reactions.heard).toEqual(["first a", "then a"]);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    await (await link.post.hold({ name: "b" })).waitCompleted();
    expect(reactions.heard.length).toBe(4);
    await link.close();
  });

  it("writes Python's constants if configured", async () => {
    const seen: string[] = [];
    const [near, far] = memoryTransportPair();
    far.start({
      onData: (chunk) => void seen.push(new TextDecoder().decode(chunk)),
      onDrain() {},
      onEnd() {},
      onClose() {},
    });
    const link = await new Link<Kinds>(kinds, async () => near, new Reactions().all, { dialect: "python" }).open();
    void link.post.echo({ value: [null, true, false] });
    await quiet();
    expect(seen.join("")).toContain("echo([None,True,False])");
    void link.disconnect();
    far.destroy();
  });

  it("gives up a call without telling such a host", async () => {
    const { link } = await plainHost();
    await link.call.add({ a: 1, b: 2 });
    const abort = new AbortController();
    const late = link.call.add({ a: 1, b: 2 }, { signal: abort.signal }).catch((error) => error.code);
    abort.abort();
    expect(await late).toBe("cancelled");
    expect(await link.call.add({ a: 3, b: 4 })).toBe(7);
    await link.close();
  });
});

describe("a typed service", () => {
  it("answers a poster without the extension with Python's constants, and may push to it", async () => {
    const host = new ServiceHost<Kinds, undefined>(kinds, handlersOf(new Work()), { log: () => undefined });
    const [near, far] = memoryTransportPair();
    const told: string[] = [];
    const env = new HostingEnv();
    env.expose("told", kinds.reactions.told, ({ text }) => void told.push(text));
    const client = new Connection(near, () => env, plain);
    const [, peer] = await Promise.all([client.start(), host.accept(far)]);
    const ask = <T>(code: string, raw?: number) =>
      client.posting.converse(async (co) => {
        await co.sendCode(code);
        const object = await co.recvObj();
        const data = new Uint8Array(raw ?? 0);
        if (raw !== undefined) await co.recvData(data);
        return [object as T, data.length] as const;
      });
    expect(await ask("add(1, b=2)")).toEqual([3, 0]);
    expect(await ask("download(70000, 1)", 70_000)).toEqual([{ size: 70_000, fill: 1 }, 70_000]);
    expect(await ask("echo([None, True])")).toEqual([[null, true], 0]);
    await (await peer.post.told({ text: "news" })).waitCompleted();
    expect(told).toEqual(["news"]);
    await expect(ask("fail('hbi')")).rejects.toMatchObject({ code: "not_found" });
    await client.disconnect();
  });
});

it("a poster without the extension receives a refusal in place of the object that it waits for, wherever in its script it occurred", async () => {
  const adding = defineService({
    name: "adding",
    version: "1.0.0",
    methods: { add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }) },
  });
  const { transport, peer } = hostileTransport();
  const host = new ServiceHost(adding, () => ({ add: ({ a, b }) => a + b }), { log: () => undefined });
  await host.accept(transport);
  const ask = async (id: string, code: string) => {
    await peer.play({ say: packet("co_begin", id) + packet("", code) + packet("co_end", id) });
    await quiet();
    return peer.heard();
  };
  expect(await ask("101", "add(1, 'two')")).toContain('HbiError("invalid_argument"');
  expect(await ask("102", "add('one', 1)\nadd(1, 2)")).toContain('HbiError("invalid_argument"');
  expect(await ask("103", "add(1, 2)")).toBe(
    packet("co_ack_begin", "103") + packet("co_recv", "3") + packet("co_ack_end", "103"),
  );
  expect(await ask("104", "no_such_thing()\nadd(1, 2)")).toMatch(/#err\]no such name/); // it may have raw data behind it
  await peer.play("reset");
});
