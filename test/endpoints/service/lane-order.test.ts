/**
 * Order across lanes: calls begin in the order in which they are made, and an answer does not pass what was pushed before
 * it, whatever lane each of them has. docs/lanes.md, "Order".
 */
import { defineService, type LimitOptions, method, ServiceHost } from "hbi";
import { conversation, hostileTransport, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    put: method({ params: { n: z.int(), size: z.int() }, body: ({ size }) => size, result: z.int() }),
    get: method({
      params: { n: z.int(), size: z.int() },
      result: z.object({ n: z.int(), size: z.int() }),
      resultBody: ({ size }) => size,
    }),
    commit: method({ params: { n: z.int() }, result: z.int() }),
    hold: method({ params: { n: z.int(), size: z.int() }, body: ({ size }) => size }),
  },
  reactions: { progress: method({ params: { n: z.int(), text: z.string() } }) },
});

/** More than one is handled in a turn. */
const PUSHES = 5;
const TEXT = "x".repeat(1_000);

async function start(limits: LimitOptions = {}, latency = (available: number) => available) {
  const begun: string[] = [];
  const pushed: number[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const test = await testLink(
    store,
    (peer) => {
      const push = (n: number): void => {
        for (let i = 0; i < PUSHES; i++) void peer.post.progress({ n, text: TEXT });
      };
      return {
        async put({ n }, call) {
          begun.push(`put ${n}`);
          await call.bytes();
          push(n);
          return n;
        },
        get({ n, size }) {
          begun.push(`get ${n}`);
          push(n);
          return { result: { n, size }, body: new Uint8Array(size) };
        },
        commit({ n }) {
          begun.push(`commit ${n}`);
          return n;
        },
        async hold({ n }, call) {
          begun.push(`hold ${n}`);
          await held; // its body is unread until then
          await call.bytes();
        },
      };
    },
    {
      reactions: { progress: ({ n }) => void pushed.push(n) },
      host: { limits },
      link: { limits },
      memory: { cut: latency },
    },
  );
  await test.link.call.put({ n: -1, size: 2_000_000 }, { body: new Uint8Array(2_000_000) }); // then both sides know each other
  await quiet(50); // the pushes
  begun.length = 0;
  pushed.length = 0;
  return { ...test, link: test.link, begun, pushed, release };
}

const MIB = 1024 * 1024;
const SIZES = [0, 1_000, MIB, MIB + 1, 900_000, 70_000, 3_000_000, 10, 1_200_000];
const CUTS: readonly (readonly [string, (available: number) => number, LimitOptions])[] = [
  ["as it comes", (available) => available, {}],
  ["in pieces of 1,000 bytes", (available) => Math.min(available, 1_000), {}],
  ["in pieces of 70,000 bytes", (available) => Math.min(available, 70_000), {}],
  ["at sides that handle one packet in a turn", (available) => available, { maxTurnPackets: 1 }],
];

describe.each(CUTS)("calls that arrive %s", (_, latency, limits) => {
  it("begin as they were made, small ones between large ones", async () => {
    const { link, begun, close } = await start(limits, latency);
    const calls = SIZES.flatMap((size, n) => [
      link.call.put({ n, size }, { body: new Uint8Array(size) }),
      link.call.commit({ n }),
      link.call.get({ n, size }).then(({ body }) => body.bytes()),
      link.call.commit({ n }),
    ]);
    await Promise.all(calls);
    expect(begun).toEqual(SIZES.flatMap((_size, n) => [`put ${n}`, `commit ${n}`, `get ${n}`, `commit ${n}`]));
    await close();
  });

  it("posts as well", async () => {
    const { link, begun, close } = await start(limits, latency);
    const posts = SIZES.flatMap((size, n) => [
      link.post.put({ n, size }, { body: new Uint8Array(size) }),
      link.post.commit({ n }),
    ]);
    await Promise.all((await Promise.all(posts)).map((posted) => posted.waitCompleted()));
    expect(begun).toEqual(SIZES.flatMap((_size, n) => [`put ${n}`, `commit ${n}`]));
    await close();
  });

  it("are answered behind what was pushed before", async () => {
    const { link, pushed, close } = await start(limits, latency);
    for (const [n, size] of SIZES.entries()) {
      expect(await link.call.put({ n, size }, { body: new Uint8Array(size) })).toBe(n);
      expect(pushed.splice(0)).toEqual(Array(PUSHES).fill(n));
      const { result, body } = await link.call.get({ n: n + 100, size });
      expect(result.n).toBe(n + 100);
      expect(pushed.splice(0)).toEqual(Array(PUSHES).fill(n + 100));
      body.discard();
    }
    await close();
  });
});

describe("a call with a lane begins at its place", () => {
  const MANY = 20; // more packets than are handled in a turn
  it.each([
    ["while lane 0 is handled in turns", { maxTurnPackets: 1 }],
    ["while lane 0 is handled in turns and does not read", { maxTurnPackets: 1, maxBufferedBytes: 600 }],
  ])("%s", async (_, limits) => {
    const { link, begun, close } = await start(limits, (available) => Math.min(available, 1_000));
    const body = new Uint8Array(MIB + 1);
    let n = 0;
    const expected: string[] = [];
    const calls: Promise<unknown>[] = [];
    const commits = (): void => {
      for (let i = 0; i < MANY; i++, n++) {
        expected.push(`commit ${n}`);
        calls.push(link.call.commit({ n }));
      }
    };
    const put = (): void => {
      expected.push(`put ${n}`);
      calls.push(link.call.put({ n, size: body.length }, { body }));
    };
    for (const make of [commits, put, commits, put, put, commits, put]) make();
    await Promise.all(calls);
    expect(begun).toEqual(expected);
    await close();
  });
});

it("conversations that arrive while lane 0 stands begin in the order in which they arrived", async () => {
  const begun: number[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const began = ({ n }: { readonly n: number }): number => {
    begun.push(n);
    return n;
  };
  const host = new ServiceHost(
    store,
    () => ({
      put: began,
      get: ({ n, size }) => ({ result: { n: began({ n }), size }, body: new Uint8Array(size) }),
      commit: began,
      async hold({ n }) {
        began({ n });
        await held;
      },
    }),
    { limits: { maxInFlight: 1, maxHostedWaiting: 1 }, log: () => undefined },
  );
  const { transport, peer } = hostileTransport();
  void host.accept(transport);
  const said = (lane: number, n: number, name: string): string => {
    const text = conversation(`${100 + n};x;n`, `${name}(${n}${name === "commit" ? "" : ",0"})`);
    return `[${text.length}#${lane}]${text}`;
  };
  peer.say(`${conversation("100;x;n;m=100;p=262144;lanes=4;window=100000")}[1#lanes]1[1#open]1[1#open]3`);
  const order = [
    [0, "hold"],
    [0, "commit"],
    [0, "commit"], // there is no room for it: lane 0 stands
    [1, "put"],
    [0, "commit"],
    [3, "get"],
    [0, "commit"],
  ] as const;
  for (const [i, [lane, name]] of order.entries()) {
    peer.say(said(lane, i + 1, name));
    await quiet(10);
  }
  expect(begun).toEqual([1]);
  release();
  await quiet(100);
  expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  peer.reset();
});

it("an answer with a lane is behind what was pushed before it, however long that is", async () => {
  const pushed: number[] = [];
  const text = "x".repeat(200_000); // in several frames
  const test = await testLink(
    store,
    (peer) => ({
      async put({ n }, call) {
        await call.bytes();
        if (n >= 0) void peer.post.progress({ n, text });
        return n;
      },
      get({ n, size }) {
        void peer.post.progress({ n, text });
        return { result: { n, size }, body: new Uint8Array(size) };
      },
      commit: () => 0,
      hold: () => undefined,
    }),
    { reactions: { progress: ({ n }) => void pushed.push(n) } },
  );
  const { link } = test;
  await link.call.put({ n: -1, size: 2_000_000 }, { body: new Uint8Array(2_000_000) });
  await quiet(50); // both sides know each other
  for (const [n, size] of [10, 100_000, 2_000_000].entries()) {
    const { body } = await link.call.get({ n, size });
    expect(pushed.splice(0)).toEqual([n]);
    expect((await body.bytes()).length).toBe(size);
    await link.call.put({ n, size }, { body: [new Uint8Array(size)] });
    expect(pushed.splice(0)).toEqual([n]);
  }
  await test.close();
});

it("a small call need not wait for the bytes of a large one that is not read", async () => {
  const { link, begun, release, close } = await start();
  const large = link.call.hold({ n: 0, size: 3_000_000 }, { body: new Uint8Array(3_000_000) });
  expect(await link.call.commit({ n: 1 })).toBe(1);
  expect(begun).toEqual(["hold 0", "commit 1"]);
  release();
  await large;
  await close();
});

it("calls that wait for one of maxLanes lanes are passed by those that need none", async () => {
  const { link, begun, release, close } = await start({ maxLanes: 1 });
  const body = new Uint8Array(2_000_000);
  const calls = [
    link.call.hold({ n: 0, size: body.length }, { body }),
    link.call.put({ n: 1, size: body.length }, { body }),
  ];
  expect(await link.call.commit({ n: 2 })).toBe(2);
  expect(begun).toEqual(["hold 0", "commit 2"]);
  release();
  await Promise.all(calls);
  expect(begun).toEqual(["hold 0", "commit 2", "put 1"]);
  await close();
});
