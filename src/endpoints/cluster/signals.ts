/**
 * The signals of a primary process: how a supervisor or a terminal ends or restarts a server. docs/all-cores.md.
 */
import { ignore } from "../waits.ts";

interface Signalled {
  restart(): Promise<void>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface SignalOptions {
  /** Whether SIGTERM and SIGINT drain, and a second one closes. Default: true */
  readonly signals?: boolean | undefined;
  /** The signal that restarts the worker processes one after the other, such as "SIGHUP". Default: none */
  readonly restartSignal?: NodeJS.Signals | undefined;
}

const ENDING = ["SIGTERM", "SIGINT"] as const;

/** Until the returned function is called. */
export function heedSignals(server: Signalled, { signals = true, restartSignal }: SignalOptions): () => void {
  let isEnding = false;
  const end = (): void => {
    void (isEnding ? server.close() : server.drain());
    isEnding = true;
  };
  const restart = (): void => void server.restart().catch(ignore); // the log has it
  const ending = signals ? ENDING : [];
  for (const signal of ending) process.on(signal, end);
  if (restartSignal !== undefined) process.on(restartSignal, restart);
  return () => {
    for (const signal of ending) process.off(signal, end);
    if (restartSignal !== undefined) process.off(restartSignal, restart);
  };
}
