/**
 * What carries a connection in a page, instead of `carriers.ts`: its own WebSocket at both ends, which a server in Node joins.
 */
import { dialWebSocket, memoryTransportPair, type Transport } from "hbi";
import { inject } from "vitest";
import type { Carrier, Ends } from "./carriers.ts";

let pairs = 0;

/** Both dial; the server lets what one sends through to the other. */
export async function webSocketPair(): Promise<Ends<Transport, Transport>> {
  pairs += 1;
  const url = `${inject("relay")}/${crypto.randomUUID()}-${pairs}`;
  const [dialed, accepted] = await Promise.all([
    dialWebSocket(url, { timeoutMs: 10_000 }),
    dialWebSocket(url, { timeoutMs: 10_000 }),
  ]);
  return { dialed, accepted };
}

export const CARRIERS: Readonly<Record<string, Pick<Carrier, "canHalfClose" | "pair">>> = {
  "in memory": {
    canHalfClose: true,
    async pair() {
      const [dialed, accepted] = memoryTransportPair();
      return { dialed, accepted };
    },
  },
  "over the WebSocket of the browser": { canHalfClose: false, pair: webSocketPair },
};

export async function closeCarriers(): Promise<void> {
  // their connections are closed by who has made them
}
