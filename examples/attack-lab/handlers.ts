/**
 * What the service under attack does.
 */
import { setTimeout } from "node:timers/promises";
import type { HandlersOf, Peer } from "hbi";
import type { Depot } from "./service.ts";

const CHUNK = new Uint8Array(64 * 1024);

function* zeros(size: number): Generator<Uint8Array> {
  for (let left = size; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, Math.min(left, CHUNK.length));
}

/** Its parameters stay in memory while it runs. */
async function kept(params: { readonly ms: number }, call: { readonly signal: AbortSignal }): Promise<void> {
  await setTimeout(params.ms, undefined, { signal: call.signal });
  Object.freeze(params);
}

/** @param complain told of what must never happen */
export const handlersOf =
  (complain: (complaint: string) => void) =>
  (peer: Peer<Depot, unknown>): HandlersOf<Depot, unknown> => ({
    add: ({ a, b }) => a + b,
    note: () => undefined,
    draw: () => undefined,
    find: ({ size }) => "x".repeat(size),
    work: ({ ms }, call) => setTimeout(ms, ms, { signal: call.signal }),
    ask: (_, call) => peer.call.confirm({ question: "really?" }, { signal: call.signal }),
    async store(_, call) {
      let bytes = 0;
      for await (const chunk of call.body) bytes += chunk.length;
      return bytes;
    },
    pour: async (_, call) => (await call.bytes()).length,
    ignore: () => undefined,
    postpone: (_, call) => setTimeout(120_000, undefined, { signal: call.signal }),
    fetch: ({ size }) => ({ result: { size }, body: zeros(size) }),
    spin({ ms }) {
      const end = performance.now() + ms;
      while (performance.now() < end);
    },
    keep: kept,
    keep_tagged: kept,
    keep_records: kept,
    push({ count, about }) {
      for (let i = 0; i < count; i++) void peer.post.noticed({ about });
    },
    async sip({ size }, call) {
      if (size > 0) await call.co.recvData(new Uint8Array(size));
      return size;
    },
    loot: () => complain("raw data was run as a script"),
  });
