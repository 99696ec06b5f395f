/**
 * The dial of a link over a message port or a worker. What carries it is loaded on demand: few pages need it.
 */
import type { Clock } from "../../clock.ts";
import { failure } from "../../errors.ts";
import { loaded } from "../../on-demand.ts";
import type { EarlyEvents } from "../../wire/transport/message-port-dial.ts";
import { listenTo, type MessagePortLike } from "../../wire/transport/port-events.ts";
import type { Dial } from "./reconnect.ts";

/** @throws HbiError invalid_argument for a link that reconnects */
export function portDial(port: MessagePortLike, clock: Clock, reconnects: boolean): Dial {
  if (reconnects) throw failure("bad_option", ONCE);
  return async (dialing) => {
    // A worker may fail at once. An error without a listener would end a process of Node.
    const early: EarlyEvents[number][] = [];
    const unlisten = ENDS.map((type) => listenTo(port, type, (event) => early.push([type, event])));
    try {
      const { dialPort } = await loaded(import("../../wire/transport/message-port-dial.ts"), "message ports");
      return await dialPort(port, { ...dialing, clock }, early);
    } finally {
      for (const each of unlisten) each();
    }
  };
}

const ENDS = ["error", "close", "exit"] as const;
const ONCE = "reconnect needs a function that dials: a message port carries one connection only";
