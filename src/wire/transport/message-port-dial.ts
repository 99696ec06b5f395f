/**
 * Dials over a message port: waits until somebody answers at its other end. docs/message-port.md.
 */
import { afterHearing, systemClock } from "../../clock.ts";
import { failure, HbiError } from "../../errors.ts";
import { aSignal, aTime, checkOptions, type OptionsOf } from "../../options.ts";
import type { Transport } from "../transport.ts";
import { MESSAGE_PORT_OPTIONS, type MessagePortOptions, MessagePortTransport } from "./message-port.ts";
import type { MessagePortEvent, MessagePortEventType, MessagePortLike } from "./port-events.ts";

export interface MessagePortDialOptions extends MessagePortOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const DIAL_OPTIONS: OptionsOf<MessagePortDialOptions> = {
  ...MESSAGE_PORT_OPTIONS,
  timeoutMs: aTime,
  signal: aSignal,
};

/** Takes over a port, or a worker, and waits for its other end. Called by the `dial` of a link, with a new port or worker
 *  each time.
 *  @throws HbiError unavailable, deadline_exceeded, cancelled; invalid_argument for what is no port */
export function dialMessagePort(port: MessagePortLike, options: MessagePortDialOptions): Promise<Transport> {
  return dialPort(port, options, []);
}

/** What a port has said before the code for it was loaded. */
export type EarlyEvents = readonly (readonly [MessagePortEventType, Partial<MessagePortEvent>])[];

export async function dialPort(
  port: MessagePortLike,
  options: MessagePortDialOptions,
  early: EarlyEvents,
): Promise<Transport> {
  checkOptions(options, "dialMessagePort", DIAL_OPTIONS);
  const { timeoutMs, signal, ...given } = options;
  if (signal?.aborted === true) throw failure("cancelled", "connect", { cause: signal.reason });
  const transport = new MessagePortTransport(port, given, "dialMessagePort");
  for (const [type, event] of early) transport.hear(type, event);
  let givenUp: HbiError | undefined;
  const giveUp = (error: HbiError): void => {
    givenUp = error;
    transport.destroy();
  };
  const onAbort = (): void => giveUp(failure("cancelled", "connect", { cause: signal?.reason }));
  const timer = afterHearing(given.clock ?? systemClock, timeoutMs, () => giveUp(failure("timeout", NOBODY)));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await transport.opened();
    return transport;
  } catch (cause) {
    if (givenUp !== undefined) throw givenUp;
    if (cause instanceof HbiError) throw cause;
    throw failure("connect_failed", (cause as Error).message, { cause }); // `opened` rejects with an Error
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

const NOBODY = "connect over a message port: does a service accept its other end?";
