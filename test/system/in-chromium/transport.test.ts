/**
 * The WebSocket of a browser keeps the contract of transports.
 */

import { webSocketPair } from "../../support/carriers-in-page.ts";
import { keepsTheContract } from "../../wire/transport/transport-contract.ts";

keepsTheContract(
  "the WebSocket of a browser at both ends",
  async () => {
    const { dialed, accepted } = await webSocketPair();
    return [dialed, accepted];
  },
  { halfClose: true, pause: true },
);
