/**
 * A buffer is its owner's again as soon as the promise that it was given with has settled, in whatever way: what reaches the peer from then on
 * is what it held before, or nothing.
 */
import { Link, ServiceHost, sendArray } from "hbi";
import { answer, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

const BYTES = 2_000_000;
const silently = { log: () => undefined };

type World = Awaited<ReturnType<typeof deaf>>;

/** What a peer says that takes lanes. */
const TAKES_LANES = `${packet("co_begin", "100;x;n;m=99;p=99000;lanes=9;window=9000000")}${packet("co_end", "100")}`;

/** Both sides of a service, whose peers have stopped reading. */
async function deaf(lanes = false) {
  const clock = new ManualClock();
  const limits = { sendStallTimeoutMs: 1_000_000 };
  const [client, server] = [hostileTransport(), hostileTransport()];
  const dial = async () => client.transport;
  const link = new Link<Kinds>(kinds, dial, new Reactions().all, { clock, limits, lanes, ...silently });
  const host = new ServiceHost<Kinds>(kinds, handlersOf(new Work()), { clock, limits, lanes, ...silently });
  const [, peer] = await Promise.all([link.open(), host.accept(server.transport)]);
  await quiet();
  const far = [client.peer, server.peer];
  if (lanes) for (const it of far) await it.play({ say: TAKES_LANES });
  for (const it of far) await it.play("deaf");
  const abort = new AbortController();
  return { link, peer, clock, far, abort, options: { signal: abort.signal } };
}

const size = BYTES;
const GIVEN: Readonly<Record<string, (world: World, body: Uint8Array) => Promise<unknown>>> = {
  "link.call": ({ link, options }, body) => link.call.upload({ size }, { body, ...options }),
  "link.call behind another": ({ link, options }, body) => {
    void link.post.store({ size }, { body: new Uint8Array(BYTES).fill(1) });
    return link.call.upload({ size }, { body, ...options });
  },
  "link.call with raw data both ways": ({ link, options }, body) => link.call.both_ways({ size }, { body, ...options }),
  "link.post": ({ link, options }, body) => link.post.store({ size }, { body, ...options }),
  "link.post with raw data both ways": ({ link, options }, body) => link.post.both_ways({ size }, { body, ...options }),
  "peer.call": ({ peer, options }, body) => peer.call.given({ size }, { body, ...options }),
  "peer.post": ({ peer, options }, body) => peer.post.given({ size }, { body, ...options }),
  "co.sendData": async ({ link, options }, body) => {
    const co = await link.po.co();
    await co.sendCode(`store(${size})`);
    await co.sendData(body, options);
  },
  "po.notifData": ({ link, options }, body) => link.po.notifData(`store(${size})`, body, options),
  sendArray: async ({ link, options }, body) => sendArray(await link.po.co(), body, [size], options),
};

const SETTLED: Readonly<Record<string, (world: World) => unknown>> = {
  "given up": ({ abort }) => abort.abort(),
  "too late": ({ clock }) => clock.advance(30_000),
  closed: ({ link, peer }) => void [link.disconnect(), peer.disconnect()],
  "closed with a reason": ({ link, peer }) => void [link.disconnect("enough"), peer.disconnect("enough")],
  "taken by the peer": ({ far }) => far.map((it) => it.play("listen")),
};
/** Raw data has no deadline of its own. */
const UNBOUNDED = ["co.sendData", "po.notifData", "sendArray"];

const MODES = [
  ["one lane", false],
  ["lanes", true],
] as const;
const CASES = MODES.flatMap(([mode, lanes]) =>
  Object.entries(GIVEN).map(([name, give]) => [name, mode, give, lanes] as const),
);

describe.each(CASES)("%s, %s", (name, _, give, lanes) => {
  const ways = Object.entries(SETTLED).filter(([how]) => how !== "too late" || !UNBOUNDED.includes(name));

  it.each(ways)("%s: what is sent later is not what the buffer holds then", async (how, settle) => {
    const world = await deaf(lanes);
    const body = new Uint8Array(BYTES).fill(1);
    let isSettled = false;
    const settled = give(world, body).then(
      () => undefined,
      () => undefined,
    );
    void settled.then(() => {
      isSettled = true;
      body.fill(0xff);
    });
    await quiet();
    await settle(world);
    await quiet();
    const goesOn = how === "taken by the peer" || (how === "given up" && name === "po.notifData"); // the host waits for every byte
    if (!goesOn) expect(isSettled).toBe(true);
    for (const it of world.far) await it.play("listen");
    await quiet(200);
    const heard = world.far.map((it) => it.heard()).join("");
    expect(heard).toContain("\u0001");
    expect(heard).not.toContain("\u00ff");
    for (const it of world.far) it.reset();
    await quiet();
  });
});

describe("a post that its host has not looked at goes to the next connection", () => {
  const refusal = packet("co_recv", 'HbiError("unavailable","closing",None,"draining")');

  it.each([
    ["short", 1_000, "store"],
    ["long", 200_000, "store"],
    ["with raw data both ways", 200_000, "both_ways"],
  ] as const)("as it was made: %s", async (_, bytes, name) => {
    const clock = new ManualClock();
    const ends = [hostileTransport(), hostileTransport()];
    const far = ends.map(({ peer }) => peer);
    const link = new Link<Kinds>(
      kinds,
      async () => (ends.shift() as ReturnType<typeof hostileTransport>).transport,
      new Reactions().all,
      { clock, reconnect: { jitter: 0 }, lanes: false, ...silently },
    );
    await link.open();
    const greeted = [{ hear: /co_end\]100/ }, { say: answer("100") }] as const; // until then nothing is sent
    await far[0]?.play(...greeted);
    const body = new Uint8Array(bytes).fill(1);
    await link.post[name]({ size: bytes }, { body });
    body.fill(0xff);
    await far[0]?.play({ hear: /co_end\]101/ }, { say: answer("101", refusal) });
    await clock.advance(1_000);
    const heard = await far[1]?.play(...greeted, { hear: /co_end\]101/ });
    expect(heard).toContain(`${name}(${bytes})`);
    expect(heard).toContain("\u0001".repeat(bytes));
    for (const it of far) it.reset();
    await quiet();
  });
});

it("a call that was written but not sent when its connection closes is sent completely: its caller learns that it may land", async () => {
  const { link, far } = await deaf();
  const calls = Array.from({ length: 100 }, (_, n) =>
    link.call.note({ text: `<${n}>${"x".repeat(4_000)}` }).catch((error) => error.mayHaveLanded as boolean),
  );
  await quiet();
  void link.disconnect();
  const mayHaveLanded = await Promise.all(calls);
  await far[0]?.play("listen");
  await quiet(200);
  const heard = far[0]?.heard() ?? "";
  const landed = calls.map((_, n) => heard.includes(`<${n}>`));
  expect(landed).toContain(true);
  expect(landed.filter((hasLanded, n) => hasLanded && mayHaveLanded[n] !== true)).toEqual([]);
  for (const it of far) it.reset();
  await quiet();
});
