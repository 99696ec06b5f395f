/**
 * A process of the growth job: a server and a client that exchange texts and bodies of any size, and a host that is fed
 * in chunks.
 */
import {
  Connection,
  defineService,
  HostingEnv,
  type LimitOptions,
  method,
  type Transport,
  type TransportSink,
} from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";
import type { Requests } from "../harness/child.ts";

const MIB = 1024 ** 2;
const limits: LimitOptions = {
  preset: "trusted",
  maxPacketBytes: 80 * MIB,
  maxBodyBytes: 80 * MIB,
  maxSendBufferBytes: 256 * MIB,
};

const service = defineService({
  name: "growth",
  version: "1.0.0",
  methods: {
    measure_text: method({ params: { text: z.string() }, result: z.int() }),
    measure_body: method({ params: { size: z.int().min(1) }, body: ({ size }) => size, result: z.int() }),
  },
});

type Measure = (kind: "packets" | "bodies", size: number) => Promise<number>;
let measure: Measure | undefined;

export interface Move {
  readonly kind: "packets" | "bodies";
  readonly size: number;
  readonly count: number;
}

export interface Feed {
  readonly size: number;
  readonly chunkBytes: number;
}

export const requests = {
  async serve(): Promise<string> {
    const handlers = () => ({
      measure_text: ({ text }: { text: string }) => text.length,
      async measure_body(_params: unknown, call: { readonly body: AsyncIterable<Uint8Array> }) {
        let bytes = 0;
        for await (const chunk of call.body) bytes += chunk.length;
        return bytes;
      },
    });
    return (await serve(service, "127.0.0.1:0", handlers, { limits })).address;
  },

  async connect(address: string): Promise<void> {
    const link = await connect(service, address, {}, { limits });
    const text = "a".repeat(64 * MIB);
    const body = new Uint8Array(64 * MIB).fill(7);
    measure = (kind, size) =>
      kind === "packets"
        ? link.call.measure_text({ text: text.slice(0, size) })
        : link.call.measure_body({ size }, { body: body.subarray(0, size) });
  },

  /** Nanoseconds per byte, with several calls at a time. */
  async move({ kind, size, count }: Move): Promise<number> {
    if (measure === undefined) throw new Error("not connected");
    const one = measure;
    let begun = 0;
    const start = performance.now();
    const worker = async (): Promise<void> => {
      while (begun < count) {
        begun += 1;
        const bytes = await one(kind, size);
        if (bytes !== size) throw new Error(`${kind} of ${size} bytes: ${bytes} landed`);
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    return ((performance.now() - start) * 1e6) / (count * size);
  },

  /** Nanoseconds per byte of one script that arrives in pieces, without a network. */
  async feed({ size, chunkBytes }: Feed): Promise<number> {
    const { promise, resolve } = withResolvers<number>();
    const env = new HostingEnv();
    env.expose("take", method({ params: { text: z.string() } }), ({ text }) => resolve(text.length));
    const transport = new FedTransport();
    const connection = new Connection(transport, () => env, { limits });
    await connection.start();
    const code = `take("${"a".repeat(size)}")`;
    const bytes = Buffer.from(`[1#co_begin]1[${code.length}#]${code}[1#co_end]1`);
    const start = performance.now();
    await transport.feed(bytes, chunkBytes);
    const landed = await promise;
    const nanos = ((performance.now() - start) * 1e6) / size;
    if (landed !== size) throw new Error(`fed ${size} bytes, ${landed} landed`);
    void connection.disconnect();
    transport.destroy();
    return nanos;
  },
} satisfies Requests;

/** Delivers what it is fed, and respects `pause`. */
class FedTransport implements Transport {
  readonly localAddress = "fed";
  readonly remoteAddress = "fed";
  readonly bufferedBytes = 0;
  #sink: TransportSink | undefined;
  #isPaused = false;
  #resumed: () => void = () => undefined;

  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  async feed(bytes: Uint8Array, chunkBytes: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      if (this.#isPaused) {
        await new Promise<void>((resolve) => {
          this.#resumed = resolve;
        });
      }
      this.#sink?.onData(bytes.subarray(at, at + chunkBytes));
    }
  }

  write(): void {}

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resumed();
  }

  end(): void {}

  destroy(): void {
    queueMicrotask(() => this.#sink?.onClose());
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
