/**
 * The library's own methods between peers that speak the extension: ping, describe, goaway.
 */
import { describeService, HbiError, HostingEnv, Link } from "hbi";
import { answer, conversation, hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { helloOf } from "../../support/hello.ts";
import { pair } from "../../support/pair.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

async function start(describe?: boolean | "full") {
  const work = new Work();
  const test = await testLink(kinds, handlersOf(work), {
    reactions: new Reactions().all,
    host: { log: () => undefined, ...(describe === undefined ? {} : { describe }) },
  });
  return { ...test, link: test.link, host: test.host, work };
}

async function bare(describe?: boolean | "full") {
  const { host, link } = await start(describe);
  const { transport, peer } = hostileTransport();
  void host.accept(transport);
  return { peer, close: () => Promise.all([peer.play("reset"), link.disconnect()]) };
}

async function linkTo() {
  const { transport, peer } = hostileTransport();
  const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, {
    log: () => undefined,
  }).open();
  return { link, peer };
}

describe("ping", () => {
  it("gives the time of a round trip", async () => {
    const { link } = await start();
    for (let i = 0; i < 2; i++) {
      const ms = await link.ping();
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThan(5_000);
    }
    await link.close();
  });

  it("is the hello to a peer who may not know it, and a call to one who does", async () => {
    const { link, peer } = await linkTo();
    const first = link.ping();
    const hello = helloOf("client", { name: "kinds" });
    expect(await peer.play({ hear: "co_end" })).toBe(`${packet("co_begin", hello)}${packet("co_end", hello)}`);
    await peer.play({ say: answer("100") });
    await first;
    const second = link.ping();
    expect(await peer.play({ hear: "co_end" })).toContain("$hbi.ping()");
    await peer.play({ say: answer("101", packet("co_recv", "null")) });
    await second;
    await peer.play("reset");
  });

  it("is an empty conversation to a peer that has shown that it does not know it", async () => {
    const { link, peer } = await linkTo();
    await peer.play({ hear: "co_end" }, { say: answer(helloOf("client", { name: "kinds" })) });
    await quiet();
    const ping = link.ping();
    expect(await peer.play({ hear: "co_end" })).toBe(conversation("101;x;n"));
    await peer.play({ say: answer("101;x;n") });
    await ping;
    await peer.play("reset");
  });

  it("does not wait behind calls that were made before it", async () => {
    const { link, work } = await start();
    const held = Array.from({ length: 100 }, (_, i) => link.call.hold({ name: `${i}` }));
    await link.ping();
    await work.holding(100);
    await link.ping();
    work.releaseAll();
    await Promise.all(held);
    await link.close();
  });
});

const FORGED = "\u001b[2J\r\nERROR: all is lost\u202e".repeat(100);

describe("describe", () => {
  it("returns names and schemas of callable methods, without texts", async () => {
    const { link } = await start();
    const told = await link.describe();
    const full = describeService(kinds);
    expect(Object.keys(told.methods)).toEqual(Object.keys(full.methods));
    expect(told.methods["add"]?.params).toEqual(full.methods["add"]?.params);
    expect(told.hash).toBe(full.hash);
    expect(told.reactions).toEqual({});
    await link.close();
  });

  it("returns everything if configured", async () => {
    const { link } = await start("full");
    expect(await link.describe()).toEqual(JSON.parse(JSON.stringify(describeService(kinds))));
    await link.close();
  });

  it("returns nothing when disabled, and nothing to peers without the extension", async () => {
    const { link } = await start(false);
    await expect(link.describe()).rejects.toMatchObject({ code: "unimplemented" });
    await link.close();
    const { peer, close } = await bare();
    expect(await peer.play({ say: conversation("101", "$hbi.describe()") }, { hear: "co_ack_end" })).toContain(
      'HbiError("unimplemented"',
    );
    await close();
  });

  const document = (damage: object) => JSON.stringify({ ...describeService(kinds), ...damage });
  const nested = (depth: number) => JSON.parse(`${'{"items":'.repeat(depth)}{}${"}".repeat(depth)}`);
  const member = { params: [], body: "none", resultBody: "none", idempotent: false };

  it.each([
    ["no JSON", "{"],
    ["another document", "{}"],
    ["one that is nested deeper than the stack", document({ $defs: { deep: nested(3_000) } })],
    ["method whose schema is", document({ methods: { f: { ...member, result: nested(3_000) } } })],
    ["a reference to a forged line", document({ methods: { f: { ...member, result: { $ref: FORGED } } } })],
    ["a forged line as a name", document({ methods: { ["\u202e".repeat(64)]: { ...member, body: 1 } } })],
  ])("takes no %s from a service", async (_, text) => {
    const { link, peer } = await linkTo();
    const described = link.describe().catch((error) => error);
    await peer.play({ hear: "co_end" }, { say: answer("100") }, { hear: "describe" });
    await peer.play({ say: answer("101", packet("co_recv", JSON.stringify(text))) });
    const error = await described;
    expect(error).toMatchObject({ code: "internal", reason: "bad_answer" });
    expect(error.cause.message).toMatch(error.cause instanceof HbiError ? /^[\x20-\x7e]{1,512}$/ : /JSON/);
    await peer.play("reset");
  });
});

describe("the library's own names", () => {
  it.each(["$hbi.ping", "$hbi.cancel", "$hbi.x", "a$b", "HbiError"])("%s cannot be exposed", (name) => {
    expect(() => new HostingEnv().expose(name, kinds.methods.nothing, () => undefined)).toThrow("cannot be the name");
  });

  it("do not exist without the extension", async () => {
    const { po, client } = await pair(new HostingEnv(), { server: { extension: false } });
    await expect(
      po.converse(
        async (co) => {
          await co.sendCode("$hbi.ping()");
          return co.recvObj();
        },
        { hasNoRawData: true, hasNoRawAnswer: true },
      ),
    ).rejects.toMatchObject({ reason: "peer_error", message: "peer error: no such name: $hbi.ping" });
    await client.disconnect();
  });

  it.each([
    ["$hbi.cancel()", "bad_argument"],
    ["$hbi.cancel(5)", "bad_argument"],
    [`$hbi.cancel("${"1".repeat(17)}")`, "bad_argument"],
    [`$hbi.goaway("${"x".repeat(513)}")`, "bad_argument"],
    ["$hbi.ping(1)", "bad_argument"],
    ["$hbi.nothing()", "unknown_name"],
  ])("check what they are given: %s", async (code, reason) => {
    const { peer, close } = await bare();
    const said = await peer.play({ say: conversation("101;x;n", code) }, { hear: "co_ack_end" });
    expect(said).toContain(`"${reason}")`);
    await close();
  });
});

describe("goaway", () => {
  it("is not said to a peer without the extension, which is simply finished with", async () => {
    const work = new Work();
    const test = await testLink(kinds, handlersOf(work), { reactions: new Reactions().all });
    const { transport, peer } = hostileTransport();
    const served = test.host.accept(transport);
    await peer.play({ say: conversation("101", "hold('a')") });
    await work.holding(1);
    const drained = (await served).drain("maintenance");
    await quiet();
    work.releaseAll();
    expect(await peer.play({ hear: "co_ack_end" })).toBe(answer("101", packet("co_recv", '"a"')));
    await quiet();
    expect(peer.hasEnded).toBe(true);
    await peer.play("end");
    await drained;
    await test.link.disconnect();
  });

  it("lets everything land that its peer had sent before it heard", async () => {
    const work = new Work();
    const test = await testLink(kinds, handlersOf(work), { reactions: new Reactions().all });
    const { transport, peer } = hostileTransport();
    const served = await test.host.accept(transport);
    await peer.play({ say: conversation("101;x;n", "nothing()") }, { hear: "co_ack_end" });
    const drained = served.drain("back (soon)");
    expect(await peer.play({ hear: "co_end" })).toContain('$hbi.goaway("back (soon)")');
    await peer.play({ say: conversation("102;x;n", "note('just in time')") }, { hear: /co_ack_end\]102/ });
    await peer.play({ say: answer("101") });
    await quiet();
    expect(peer.hasEnded).toBe(true);
    await peer.play("end");
    await drained;
    expect(work.noted).toEqual(["just in time"]);
    await test.link.disconnect();
  });
});
