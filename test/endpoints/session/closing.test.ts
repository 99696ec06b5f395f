/**
 * How clients and servers of the HBI layer end: `await using` and `drain` let what is in flight finish, `disconnect` and `close` don't,
 * and whatever happens meanwhile is reported or ignored, but never ends the process.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type HbiError, HostingEnv, method, script } from "hbi";
import { HBIC, HBIS } from "hbi/node";
import { ManualClock, quiet } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const n = z.int();
const quietly = { log: () => undefined };

/** Jobs that are done when the test lets them. */
class Jobs {
  readonly env: () => HostingEnv;
  readonly #held: (() => void)[] = [];
  #hold = true;

  constructor(answer: "in the conversation" | "in one of its own" = "in the conversation") {
    this.env = () => {
      const env = new HostingEnv();
      env.expose("do_job", method({ params: { n } }), async ({ n }, co) => {
        if (this.#hold) await new Promise<void>((resolve) => this.#held.push(resolve));
        const done = script`job_done(${n})`;
        if (answer === "in one of its own") await env.po.notif(done);
        else if ("sendCode" in co) await co.sendCode(done);
      });
      return env;
    };
  }

  async held(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise(setImmediate);
  }

  releaseAll(): void {
    this.#hold = false;
    for (const release of this.#held.splice(0)) release();
  }
}

const consumer = (done: number[]): HostingEnv =>
  new HostingEnv().expose("job_done", method({ params: { n } }), ({ n }) => void done.push(n));

const unheard: unknown[] = [];
const hear = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(async () => {
  await quiet();
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});

describe("await using", () => {
  it.each(["in the conversation", "in one of its own"] as const)(
    "of a client waits for what it has posted: 90 jobs have 90 answers, %s",
    async (how) => {
      const jobs = new Jobs(how);
      const server = new HBIS("127.0.0.1:0", jobs.env, quietly);
      await server.listen();
      const done: number[] = [];
      {
        await using client = new HBIC(server.address, consumer(done), quietly);
        const { po } = await client.connect();
        await po.learnExtension();
        for (let i = 0; i < 90; i++) await po.notif(script`do_job(${i})`);
        void jobs.held(90).then(() => jobs.releaseAll());
      }
      expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 90 }, (_, i) => i));
      await server.close();
    },
  );

  it("of a server waits for the jobs that it has", async () => {
    const jobs = new Jobs();
    const done: number[] = [];
    const clock = new ManualClock();
    let client: HBIC;
    {
      await using server = new HBIS("127.0.0.1:0", jobs.env, { ...quietly, clock });
      await server.listen();
      client = new HBIC(server.address, consumer(done), quietly);
      const { po } = await client.connect();
      for (let i = 0; i < 50; i++) void po.notif(script`do_job(${i})`);
      await jobs.held(50);
      void quiet().then(() => jobs.releaseAll());
    }
    expect(done).toHaveLength(50);
    expect(await client.closed).toBeUndefined();
  });

  it("of a client whose jobs never end takes handlerTimeoutMs", async () => {
    const jobs = new Jobs();
    const server = new HBIS("127.0.0.1:0", jobs.env, quietly);
    await server.listen();
    const clock = new ManualClock();
    const client = new HBIC(server.address, consumer([]), { ...quietly, clock, limits: { handlerTimeoutMs: 3_000 } });
    const { po } = await client.connect();
    void po.notif("do_job(1)", { timeoutMs: Number.POSITIVE_INFINITY });
    await jobs.held(1);
    let isOver = false;
    const disposed = client[Symbol.asyncDispose]().then(() => {
      isOver = true;
    });
    await clock.advance(2_999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    jobs.releaseAll(); // the server closes its half when the handler has ended
    await disposed;
    expect(client.isConnected).toBe(false);
    await server.close();
  });

  it("of a client that disconnects in the block has lost what was in flight", async () => {
    const jobs = new Jobs();
    await using server = new HBIS("127.0.0.1:0", jobs.env, quietly);
    await server.listen();
    const done: number[] = [];
    await using client = new HBIC(server.address, consumer(done), quietly);
    const { po } = await client.connect();
    const asked = po.converse((co) => co.getObj("do_job(1)")).catch((error: HbiError) => error.code);
    await jobs.held(1);
    const gone = client.disconnect();
    expect(await asked).toBe("unavailable");
    jobs.releaseAll(); // until then the server has not ended its half
    await gone;
    expect(done).toEqual([]);
  });

  it.each(["drain", "disconnect"] as const)("of a client that dials gives it up, as %s does", async (how) => {
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => void sockets.add(socket)); // TLS never begins
    await once(mute.listen(0, "127.0.0.1"), "listening");
    const address = mute.address() as { readonly port: number };
    const dial = () => new HBIC({ host: "127.0.0.1", port: address.port }, new HostingEnv(), { tls: {} });
    const client = dial();
    const dialed = client.connect().catch((error: HbiError) => error.code);
    await client[how]();
    expect(await dialed).toBe("cancelled");
    const disposed = dial();
    const again = disposed.connect().catch((error: HbiError) => error.code);
    await disposed[Symbol.asyncDispose]();
    expect(await again).toBe("cancelled");
    mute.close();
    for (const socket of sockets) socket.destroy();
  });

  it("of a server that can't have its address ends at once", async () => {
    await using first = new HBIS("127.0.0.1:0", () => new HostingEnv());
    await first.listen();
    const second = new HBIS(first.address, () => new HostingEnv());
    await expect(second.listen()).rejects.toMatchObject({ reason: "listen_failed" });
    await second[Symbol.asyncDispose]();
    await second.closed;
    await expect(second.listen()).rejects.toMatchObject({ reason: "wrong_stage" });
  });

  it("of a server while it begins to listen leaves no listener", async () => {
    const server = new HBIS("127.0.0.1:0", () => new HostingEnv());
    const listening = server.listen();
    await server[Symbol.asyncDispose]();
    await listening;
    expect(() => server.address).toThrow(expect.objectContaining({ reason: "wrong_stage" }));
  });
});

it("a handler may post to a client that drains, more than it waits for: each is landed or refused, and none hangs", async () => {
  let isHeld = false;
  let release: () => void = () => undefined;
  const outcomes: Promise<string>[] = [];
  const server = new HBIS(
    "127.0.0.1:0",
    () => {
      const env = new HostingEnv();
      env.expose("do_job", method({ params: { n } }), async ({ n }) => {
        await new Promise<void>((resolve) => {
          release = resolve;
          isHeld = true;
        });
        for (let i = 0; i < n; i++) {
          const landed = env.po.notif(script`job_done(${i})`).then((co) => co.waitCompleted());
          outcomes.push(
            landed.then(
              () => "landed",
              (error: HbiError) => error.code,
            ),
          );
        }
      });
      return env;
    },
    { ...quietly, limits: { maxPostedInFlight: 10 } },
  );
  await server.listen();
  const done: number[] = [];
  const client = new HBIC(server.address, consumer(done), quietly);
  const { po } = await client.connect();
  await po.notif("do_job(50)");
  while (!isHeld) await new Promise(setImmediate);
  const drained = client.drain();
  await quiet();
  release();
  await drained;
  const settled = await Promise.all(outcomes);
  expect(settled).toHaveLength(50);
  expect(settled.filter((outcome) => outcome === "landed").length).toBe(done.length);
  expect(new Set(settled)).toEqual(new Set(["landed", "unavailable"]));
  await server.close();
});

it("a client that has drained connects again", async () => {
  const jobs = new Jobs();
  jobs.releaseAll();
  await using server = new HBIS("127.0.0.1:0", jobs.env, quietly);
  await server.listen();
  const done: number[] = [];
  const client = new HBIC(server.address, consumer(done), quietly);
  for (let i = 0; i < 3; i++) {
    const { po } = await client.connect();
    await po.notif(script`do_job(${i})`);
    await client.drain();
    expect(done.at(-1)).toBe(i);
  }
});

it("a client whose environment can't be made leaves no connection behind", async () => {
  await using server = new HBIS("127.0.0.1:0", () => new HostingEnv(), quietly);
  await server.listen();
  const client = new HBIC(server.address, () => {
    throw new Error("no environment");
  });
  await expect(client.connect()).rejects.toThrow("no environment");
  expect(client.isConnected).toBe(false);
  while (server.connectionCount > 0) await new Promise(setImmediate);
});

describe("a server", () => {
  it("informs a peer whose environment cannot be created, and serves the others", async () => {
    const log: HbiError[] = [];
    const one = new HostingEnv();
    const makers = [
      () => {
        throw new Error("secret");
      },
      () => one,
      () => one, // serves another connection already
      () => new HostingEnv(),
    ];
    await using server = new HBIS("127.0.0.1:0", () => (makers.shift() as () => HostingEnv)(), {
      log: ({ error }) => void log.push(error),
    });
    await server.listen();
    const clients = Array.from({ length: 4 }, () => new HBIC(server.address, new HostingEnv(), quietly));
    const closings: Promise<HbiError | undefined>[] = [];
    for (const client of clients) {
      await client.connect();
      closings.push(client.closed);
      const { po } = await client.connect();
      await po.learnExtension().catch(() => undefined); // until it has been accepted
    }
    expect((await closings[0])?.message).toMatch(/internal error: reference [a-z0-9]{8}$/);
    await closings[2];
    expect(clients.map(({ isConnected }) => isConnected)).toEqual([false, true, false, true]);
    expect(log.map(({ reason }) => reason)).toEqual(["handler", "wrong_stage"]);
    expect(server.connectionCount).toBe(2);
    await Promise.all(clients.map((client) => client.disconnect()));
  });

  it("continues when the ends of its connections are ignored", async () => {
    const jobs = new Jobs();
    const server = new HBIS("127.0.0.1:0", jobs.env, quietly);
    await server.listen();
    const clients = Array.from({ length: 3 }, () => new HBIC(server.address, new HostingEnv(), quietly));
    for (const client of clients) {
      const { po } = await client.connect();
      void po.notif("do_job(1)");
    }
    await jobs.held(3);
    void clients[0]?.drain();
    void clients[1]?.disconnect();
    void server.drain();
    void server.close("closing");
    await server.closed;
    for (const client of clients) void client[Symbol.asyncDispose]();
    await quiet();
    expect(unheard).toEqual([]);
  });
});
