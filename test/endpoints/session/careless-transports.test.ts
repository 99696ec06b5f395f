/**
 * Transports that break their contract: counts that are no numbers, or do not grow; events inside a call to the transport.
 * A connection continues if possible, otherwise ends like a lost one, and holds nothing afterwards.
 */
import {
  Connection,
  type ConnectionOptions,
  HostingEnv,
  type LogEntry,
  memoryTransportPair,
  method,
  ProcessLoad,
  type Transport,
  type TransportSink,
} from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { hearsNothing } from "../../support/ear.ts";

hearsNothing();

const lengths = () =>
  new HostingEnv()
    .expose("len", method({ params: { s: z.string() }, result: z.int() }), ({ s }) => s.length)
    .expose("text", method({ params: { n: z.int() }, result: z.string() }), ({ n }) => "x".repeat(n));
const limits = {
  keepaliveMs: Number.POSITIVE_INFINITY,
  maxPacketBytes: 1024 * 1024,
  maxBufferedBytes: 4 * 1024 * 1024,
} as const;
const BIG = 300_000; // several pieces on the wire

/** A transport that changes another one. */
class Changed implements Transport {
  readonly localAddress = "here";
  readonly remoteAddress = "there";
  protected readonly inner: Transport;
  protected sink: TransportSink | undefined;

  constructor(inner: Transport) {
    this.inner = inner;
  }
  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }
  get takenBytes(): number | undefined {
    return this.inner.takenBytes;
  }
  start(sink: TransportSink): void {
    this.sink = sink;
    this.inner.start(sink);
  }
  write(chunk: Uint8Array | string): void {
    this.inner.write(chunk);
  }
  pause(): void {
    this.inner.pause();
  }
  resume(): void {
    this.inner.resume();
  }
  end(): void {
    this.inner.end();
  }
  destroy(): void {
    this.inner.destroy();
  }
}

class Counting extends Changed {
  readonly counts: { readonly buffered?: () => unknown; readonly taken?: () => unknown };
  constructor(inner: Transport, counts: Counting["counts"]) {
    super(inner);
    this.counts = counts;
  }
  override get bufferedBytes(): number {
    return (this.counts.buffered?.() ?? super.bufferedBytes) as number;
  }
  override get takenBytes(): number | undefined {
    return (this.counts.taken?.() ?? super.takenBytes) as number | undefined;
  }
}

function calling(transport: Transport, options: ConnectionOptions = {}) {
  const connection = new Connection(transport, () => new HostingEnv(), { limits, log: () => undefined, ...options });
  const call = (code: string): Promise<unknown> =>
    connection.posting.call({ name: "it", code, results: [undefined], wantsResults: true, timeoutMs: 3_600_000 })
      .promise;
  return { call, connection };
}

const kept = ({ held }: Connection) => Object.entries(held).filter(([, count]) => count !== 0);

describe("counts", () => {
  it.each([
    ["bufferedBytes", { buffered: () => Number.NaN }],
    ["bufferedBytes", { buffered: () => Number.POSITIVE_INFINITY }],
    ["bufferedBytes", { buffered: () => -1 }],
    ["bufferedBytes", { buffered: () => "1" }],
    ["takenBytes", { taken: () => Number.NaN }],
    ["takenBytes", { taken: () => -1 }],
  ])(
    "%s that is no number of bytes ends its connection, and changes no count of the process: %s",
    async (_, counts) => {
      const load = new ProcessLoad();
      const log: LogEntry[] = [];
      const [near, far] = memoryTransportPair();
      const server = new Connection(far, lengths, { limits, log: () => undefined });
      const { call, connection } = calling(new Counting(near, counts), { load, log: (entry) => void log.push(entry) });
      await Promise.all([connection.start(), server.start()]);
      await expect(call(`len("${"y".repeat(BIG)}")`)).rejects.toMatchObject({ code: "unavailable" });
      await connection.closed;
      expect(log.map(({ where }) => where)).toContain("transport");
      expect([load.unsent.bytes, kept(connection)]).toEqual([0, []]);
    },
  );

  it.each([
    ["stands still", () => 1_000_000],
    ["goes backwards", (i: number) => 1_000_000 - i],
    ["goes back and forth", (i: number) => i % 2],
  ])("takenBytes that %s is no progress", async (_, taken) => {
    const clock = new ManualClock();
    const [near, far] = memoryTransportPair();
    far.start({ onData: () => undefined, onDrain: () => undefined, onEnd: () => undefined, onClose: () => undefined });
    far.pause();
    let i = 0;
    const transport = new Counting(near, { taken: () => taken(i++) });
    const options = { clock, limits: { ...limits, sendStallTimeoutMs: 1_000 } };
    const { call, connection } = calling(transport, options);
    await connection.start();
    const answer = call(`len("${"y".repeat(BIG)}")`);
    answer.catch(() => undefined);
    for (let waited = 0; waited < 60_000 && connection.isOpen; waited += 1_000) await clock.advance(1_000);
    await expect(answer).rejects.toMatchObject({ cause: { reason: "slow_reader" } });
    near.destroy();
    await connection.closed;
  });
});

describe("events inside a call", () => {
  /** Reports an event inside a write. */
  class Telling extends Changed {
    readonly tell: (sink: TransportSink, write: number) => void;
    writes = 0;
    constructor(inner: Transport, tell: Telling["tell"]) {
      super(inner);
      this.tell = tell;
    }
    override write(chunk: Uint8Array | string): void {
      super.write(chunk);
      this.writes += 1;
      if (this.sink !== undefined) this.tell(this.sink, this.writes);
    }
  }

  const second = (event: (sink: TransportSink) => void) => (sink: TransportSink, write: number) => {
    if (write === 2) event(sink);
  };
  it.each([
    ["onDrain", (sink: TransportSink) => sink.onDrain(), BIG],
    ["onEnd", second((sink) => sink.onEnd()), "unavailable"],
    ["onClose", second((sink) => sink.onClose()), "unavailable"],
    ["onClose with an error", second((sink) => sink.onClose(new Error("gone"))), "unavailable"],
    ["malformed data", second((sink) => sink.onData(new TextEncoder().encode("]"))), "aborted"],
  ])("%s in write", async (_, tell, outcome) => {
    const [near, far] = memoryTransportPair();
    const server = new Connection(far, lengths, { limits, log: () => undefined });
    const { call, connection } = calling(new Telling(near, tell));
    await Promise.all([connection.start(), server.start()]);
    const told = await call(`len("${"y".repeat(BIG)}")`).catch(({ code }) => code);
    expect(typeof outcome === "number" ? told : String(told)).toBe(outcome === "aborted" ? "unavailable" : outcome);
    near.destroy();
    await Promise.all([connection.closed, server.closed]);
    await quiet();
    expect([kept(connection), kept(server)]).toEqual([[], []]);
  });

  /** Delivers at once: every write is received, and answered, inside the call. */
  class Direct implements Transport {
    readonly localAddress = "here";
    readonly remoteAddress = "there";
    readonly bufferedBytes = 0;
    readonly canPause = false;
    other: Direct | undefined;
    #sink: TransportSink | undefined;
    #early: Uint8Array[] = [];
    #hasEnded = false;
    #isClosed = false;

    start(sink: TransportSink): void {
      this.#sink = sink;
      for (const chunk of this.#early.splice(0)) sink.onData(chunk);
    }
    receive(chunk: Uint8Array): void {
      if (this.#sink === undefined) this.#early.push(chunk);
      else this.#sink.onData(chunk);
    }
    write(chunk: Uint8Array | string): void {
      this.other?.receive(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk.slice());
      this.#sink?.onDrain();
    }
    pause(): void {}
    resume(): void {}
    end(): void {
      this.#hasEnded = true;
      const { other } = this;
      other?.ended();
      if (other?.hasEnded === true) this.destroy();
    }
    get hasEnded(): boolean {
      return this.#hasEnded;
    }
    ended(): void {
      this.#sink?.onEnd();
    }
    destroy(): void {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#sink?.onClose();
      this.other?.destroy();
    }
  }

  it("a transport that delivers at once serves calls of any size, and parts in peace", async () => {
    const [near, far] = [new Direct(), new Direct()];
    near.other = far;
    far.other = near;
    const server = new Connection(far, lengths, { limits, log: () => undefined });
    const { call, connection } = calling(near);
    await Promise.all([connection.start(), server.start()]);
    for (let i = 0; i < 3; i++) {
      expect(await call('len("ab")')).toBe(2);
      expect(await call(`len("${"y".repeat(BIG)}")`)).toBe(BIG);
      expect(await call(`text(${BIG})`)).toHaveLength(BIG);
      const several = await Promise.all([call('len("a")'), call(`text(${BIG})`), call('len("abc")')]);
      expect(several).toEqual([1, "x".repeat(BIG), 3]);
    }
    expect([kept(connection), kept(server)]).toEqual([[], []]);
    await connection.drain();
    await server.closed;
    expect([kept(connection), kept(server)]).toEqual([[], []]);
  });
});
