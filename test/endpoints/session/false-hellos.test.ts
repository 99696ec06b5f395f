/**
 * Hellos that lie: of limits, lanes and definitions, nearly valid or not, repeated, late, and in any conversation. Each
 * either ends the connection as malformed, or has no effect on what the other side computes, holds and closes.
 */
import { defineService, type HbiError, Link, method, type Reason, ServiceHost } from "hbi";
import { answer, conversation, hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { hearsNothing } from "../../support/ear.ts";

hearsNothing();

const sums = defineService({
  name: "sums",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }),
    note: method({ params: { text: z.string() }, result: z.int() }),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    download: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
  },
  reactions: { told: method({ params: { text: z.string() }, result: z.int() }) },
});

const DEFINITION_KEYS = ["m", "p", "nodes", "depth", "keys", "args", "digits", "calls", "statements", "body", "login"];
const NUMBERS = [...DEFINITION_KEYS, "most", "lanes", "window"];
/** Nearly valid numbers, and whether they are read. */
const COUNTS: readonly (readonly [text: string, isRead: boolean])[] = [
  ["0", false],
  ["1", true],
  ["2147483647", true],
  ["2147483648", true],
  ["4294967296", true],
  ["999999999999999", true],
  ["1000000000000000", false],
  ["-1", false],
  ["+1", false],
  ["1e3", false],
  ["0x10", false],
  ["1.5", false],
  ["NaN", false],
  ["Infinity", false],
  ["", false],
  ["000000000000001", true],
];
const hex = (count: number) => Array.from({ length: count }, (_, i) => (i + 0x10000000).toString(16)).join(".");
/** Fields of a definition, and whether a hello with them is read. What is read and has another form is ignored. */
const DEFINITIONS: readonly (readonly [field: string, isRead: boolean])[] = [
  ["def=sums", true],
  ["def=", true],
  ["def=other.service", true],
  [`def=${"n".repeat(64)}`, true],
  [`def=${"n".repeat(65)}`, true],
  [`def=${"n".repeat(200)}`, true],
  ["def=__proto__", true],
  ["def=constructor", true],
  ["def=a-b", true],
  ["def=\u001b[2J", false],
  ["def=a\r\nERROR", false],
  ["def=\u202e", false],
  ["def=a b", false],
  ["hash=", true],
  ["hash=00000000", true],
  ["hash=0000000", true],
  ["hash=zzzzzzzz", true],
  [`hash=${hex(8)}`, true],
  [`hash=${hex(9)}`, true],
  [`hash=${hex(20)}`, true],
  ["hash=00000000.", true],
  ["hash=__proto__", true],
  ["def=sums;def=sums", false],
  ["def=a;def=b", false],
  ["hash=00000000;hash=11111111", false],
  ["m=1;m=1", false],
  ["future=1", true],
  ["future=x;later", true],
  ["Future=1", false],
];
const HELLOS: readonly (readonly [field: string, isRead: boolean | Reason])[] = [
  ...NUMBERS.flatMap((key) => COUNTS.map(([count, isRead]) => [`${key}=${count}`, isRead] as const)),
  ...DEFINITIONS,
  [NUMBERS.map((key) => `${key}=1`).join(";"), true],
  [NUMBERS.map((key) => `${key}=99999999999`).join(";"), true],
  [NUMBERS.map((key) => `${key}=999999999999`).join(";"), "packet_too_big"], // the id has more than 256 bytes
  ["lanes=1;window=999999999999999", true],
  ["lanes=999999999999999;window=1", true],
  ["lanes=999999999999999;window=999999999999999", true],
];
/** `m` is what makes a token a hello. */
const withM = (field: string) => (/(?:^|;)[mp]=/.test(field) ? field : `m=100;p=262144;${field}`);
const hello = (field: string) => conversation(`100;x;n;${withM(field)}`);

const handlers = () => ({
  add: ({ a, b }: { a: number; b: number }) => a + b,
  note: ({ text }: { text: string }) => text.length,
  upload: () => 1,
  download: ({ size }: { size: number }) => ({ result: size, body: new Uint8Array(size) }),
});

interface Met {
  readonly peer: ReturnType<typeof hostileTransport>["peer"];
  readonly logged: HbiError[];
}

function server(): Met & { readonly host: ServiceHost<typeof sums> } {
  const logged: HbiError[] = [];
  const host = new ServiceHost(sums, handlers, { log: ({ error }) => void logged.push(error) });
  const { transport, peer } = hostileTransport();
  host.accept(transport).catch(() => undefined);
  return { host, peer, logged };
}

const told = ({ text }: { text: string }) => text.length;

async function client(): Promise<Met & { readonly link: Link<typeof sums> }> {
  const logged: HbiError[] = [];
  const { transport, peer } = hostileTransport();
  const options = { reconnect: { maxAttempts: 1, initialDelayMs: 1_000_000 } };
  const link = new Link(
    sums,
    async () => transport,
    { told },
    { ...options, log: ({ error }) => void logged.push(error) },
  );
  await link.open();
  return { link, peer, logged };
}

const isOver = ({ peer }: Met) => peer.hasEnded || peer.isClosed;

describe("a server hears a hello with", () => {
  it.each(HELLOS)("%j", async (field, outcome) => {
    const isRead = outcome === true;
    const met = server();
    met.peer.say(hello(field) + conversation("101;x;n", "add(1, 2)"));
    await quiet(20);
    expect(isOver(met)).toBe(!isRead);
    if (isRead) expect(met.peer.heard()).toMatch(/co_ack_begin\]101.*co_ack_end\]101/s);
    else expect(met.logged.map(({ reason }) => reason)).toEqual([outcome || "bad_token"]);
    for (const { message } of met.logged) expect(message).toMatch(/^[\x20-\x7e]{1,512}$/);
    const closed = met.host.close();
    met.peer.end();
    await closed;
    expect(met.host.connectionCount).toBe(0);
  });
});

describe("a client hears a hello with", () => {
  it.each(HELLOS)("%j", async (field, outcome) => {
    const isRead = outcome === true;
    const met = await client();
    await met.peer.play({ hear: /co_end\]100;/ });
    met.peer.say(hello(field) + answer("100"));
    await quiet(20);
    const settled = met.link.call.add({ a: 1, b: 2 }, { timeoutMs: 1_000 }).catch((thrown: HbiError) => thrown);
    await quiet(20);
    expect(isOver(met)).toBe(!isRead);
    const heard = met.peer.heard();
    const id = /co_begin\](\d+)[^[]*\[\d+#\]add/.exec(heard)?.[1];
    if (id !== undefined) met.peer.say(answer(id, packet("co_recv", "3")));
    else if (isRead)
      expect(await settled).toMatchObject({ code: "resource_exhausted" }); // refused before it is sent
    else expect(met.logged.map(({ reason }) => reason)).toContain(outcome || "bad_token");
    met.peer.end();
    await met.link.disconnect();
    await settled;
    expect(await met.link.closed.then(() => "closed")).toBe("closed");
  });
});

/** What the client asks its service: descriptions, by id. */
function asked(heard: string): string[] {
  return [...heard.matchAll(/co_begin\](\d+);[^[]*\[\d+#\]\$hbi\.describe\(\)/g)].map(([, id = ""]) => id);
}

describe("a service says another hash", () => {
  it("again and again: it is asked for its description once", async () => {
    const met = await client();
    await met.peer.play({ hear: /co_end\]100;/ });
    for (let i = 0; i < 100; i++) met.peer.say(hello(`hash=${(0x10000000 + i).toString(16)}`));
    met.peer.say(answer("100"));
    await met.peer.play({ hear: "describe" });
    await quiet(50);
    met.peer.say(hello("hash=20000000"));
    await quiet(50);
    expect(asked(met.peer.heard())).toHaveLength(0); // but for the one that was awaited
    await ended(met);
  });

  it("in the token of each of its calls: it is asked once", async () => {
    const met = await client();
    await met.peer.play({ hear: /co_end\]100;/ });
    met.peer.say(answer("100"));
    for (let i = 0; i < 20; i++)
      met.peer.say(conversation(`${101 + i};x;n;m=1;hash=${(0x10000000 + i).toString(16)}`, 'told("a")'));
    const heard = await met.peer.play({ hear: /co_ack_end\]120/ }, { hear: "describe" });
    await quiet(50);
    expect(asked(heard + met.peer.heard()).length).toBeLessThan(2);
    await ended(met);
  });

  it("and describes itself with garbage: calls go on", async () => {
    const met = await client();
    await met.peer.play({ hear: /co_end\]100;/ });
    met.peer.say(hello("hash=10000000") + answer("100"));
    const heard = await met.peer.play({ hear: /describe\(\)\[\d+#co_end\]\d/ });
    const [id = ""] = asked(heard);
    met.peer.say(answer(id, packet("co_recv", JSON.stringify("{}"))));
    await quiet(20);
    const sum = met.link.call.add({ a: 1, b: 2 });
    const call = /co_begin\](\d+);[^[]*\[\d+#\]add/.exec(await met.peer.play({ hear: "add(" }))?.[1];
    met.peer.say(answer(call ?? "", packet("co_recv", "3")));
    expect(await sum).toBe(3);
    expect(met.link.mismatch).toBe(undefined);
    await ended(met);
  });
});

async function ended({ peer, link }: Met & { readonly link: Link<typeof sums> }): Promise<void> {
  peer.end();
  await link.disconnect();
}

describe("a client says its hello", () => {
  it("twice, with other numbers: the last ones count", async () => {
    const met = server();
    const text = packet("", `note("${"x".repeat(500)}")`);
    met.peer.say(
      hello("nodes=1") + hello("nodes=1000") + packet("co_begin", "101;x;n") + text + packet("co_end", "101"),
    );
    await quiet(20);
    expect(met.peer.heard()).toContain("[3#co_recv]500");
    met.peer.end();
    await met.host.close();
  });

  it("after calls, and during one", async () => {
    const met = server();
    met.peer.say(conversation("101", "add(1, 2)") + conversation("102;x;n", "add(2, 2)") + hello("def=sums"));
    met.peer.say(packet("co_begin", "103;x;n;m=5;def=sums") + packet("", "add(3, 3)"));
    await quiet(20);
    met.peer.say(packet("co_end", "103;x;n;m=5;def=sums") + hello("def=other"));
    await quiet(20);
    expect(met.peer.heard()).toMatch(/co_recv\]3.*co_recv\]4.*co_recv\]6/s);
    expect([isOver(met), met.logged]).toEqual([false, []]);
    const [peer] = met.host.peers;
    expect(peer?.declares(sums)).toBe(true); // what was said first
    met.peer.end();
    await met.host.close();
  });

  it("ten thousand times: each is answered, and nothing is held", async () => {
    const met = server();
    for (let i = 0; i < 100; i++) {
      met.peer.say(hello(`def=n${i}`).repeat(100));
      await quiet(2);
    }
    await met.peer.play({ say: conversation("101;x;n", "add(1, 2)") }, { hear: /co_ack_end\]101/ });
    expect([isOver(met), met.host.peers.size]).toEqual([false, 1]);
    met.peer.end();
    await met.host.close();
  });

  it("with room for one call: the next push waits, and one more hello lets it go", async () => {
    const met = server();
    met.peer.say(hello("m=1"));
    await quiet();
    const [peer] = met.host.peers;
    const pushes = [1, 2, 3].map((n) => peer?.call.told({ text: `${n}` }).catch((thrown: HbiError) => thrown.code));
    await quiet(20);
    expect(met.peer.heard().match(/told\(/g)).toHaveLength(1);
    met.peer.say(hello("m=999999999999999"));
    await quiet(20);
    expect(met.peer.heard().match(/told\(/g)).toHaveLength(2);
    met.peer.end();
    await met.host.close();
    expect(await Promise.all(pushes)).toEqual(["unavailable", "unavailable", "unavailable"]);
  });
});
