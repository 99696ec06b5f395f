/**
 * Ledger: what both applications see of every call: when it was made, how it ended, and each run of its handler.
 */
import type { HbiError } from "hbi";
import type { CallPlan, Side } from "./world.ts";

/** One run of a call's handler. */
export interface Landing {
  /** the number of the connection */
  readonly pipe: number;
  /** its number among all landings of calls of that side, from 0 */
  readonly order: number;
  /** Whether its signal has aborted. */
  isTold: boolean;
  isOver: boolean;
  /** Whether the cancellation of the call had been delivered before it began. */
  readonly wasCancelled: boolean;
  /** lets it go on; there while it waits */
  proceed: (() => void) | undefined;
}

export interface Call {
  readonly id: number;
  readonly from: Side;
  readonly plan: CallPlan;
  /** "work(1)" */
  readonly name: string;
  /** undefined for a call that is never given up */
  readonly abort: AbortController | undefined;
  /** its number among the calls of its side, from 0; undefined before it is made */
  order: number | undefined;
  isGivenUp: boolean;
  /** Whether its side had begun to close before it was made. */
  wasClosed: boolean;
  settlements: number;
  value: unknown;
  error: HbiError | undefined;
  /** of a failure with `mayHaveLanded: true`: all that its side had read and written by then */
  knowledge: string | undefined;
  /** the number of the connection on which it was first written */
  writtenAt: number | undefined;
  landings: Landing[];
}

export class Ledger {
  readonly calls: Call[] = [];
  /** exceptions that should never have come out of the library */
  readonly faults: string[] = [];
  readonly #made = { client: 0, server: 0 };
  readonly #begun = { client: 0, server: 0 };

  add(id: number, from: Side, plan: CallPlan): Call {
    const { method = "work" } = plan;
    const call: Call = {
      id,
      from,
      plan,
      name: `${method}(${id})`,
      abort: plan.mayAbort === true ? new AbortController() : undefined,
      order: undefined,
      isGivenUp: false,
      wasClosed: false,
      settlements: 0,
      value: undefined,
      error: undefined,
      knowledge: undefined,
      writtenAt: undefined,
      landings: [],
    };
    this.calls.push(call);
    return call;
  }

  call(id: number): Call | undefined {
    return this.calls.find((call) => call.id === id);
  }

  made(call: Call, wasClosed: boolean): void {
    call.order = this.#made[call.from]++;
    call.wasClosed = wasClosed;
  }

  began(call: Call, pipe: number, wasCancelled: boolean): Landing {
    const order = this.#begun[call.from]++;
    const landing: Landing = { pipe, order, isTold: false, isOver: false, wasCancelled, proceed: undefined };
    call.landings.push(landing);
    return landing;
  }

  get fingerprint(): string {
    return this.calls.map(callFingerprint).join("\n");
  }
}

function callFingerprint(call: Call): string {
  const { order, isGivenUp, wasClosed, settlements, error, knowledge, writtenAt, landings } = call;
  const how = error === undefined ? "" : `${error.code} ${error.reason} ${error.mayHaveLanded} ${knowledge}`;
  const runs = landings.map(({ pipe, order, isTold, isOver, wasCancelled, proceed }) =>
    [pipe, order, isTold, isOver, wasCancelled, proceed !== undefined].map(Number).join(),
  );
  return [order, isGivenUp, wasClosed, settlements, how, writtenAt, runs.join(";")].join(" ");
}
