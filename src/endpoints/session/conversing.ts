/**
 * What conversations need beyond calls with a result, on demand: what hosts scripts, and what sends and receives step by
 * step. A client that calls, and to which the service sends only its hello (`peer-hello.ts`), needs none of it.
 */
import { OnDemand } from "../../on-demand.ts";
import type { HoCo } from "./ho-co.ts";
import type { PoAnswer } from "./po-answer.ts";
import type { PoSender } from "./po-sender.ts";

export interface Conversing {
  readonly HoCo: typeof HoCo;
  readonly PoAnswer: typeof PoAnswer;
  readonly PoSender: typeof PoSender;
}

export const CONVERSING: OnDemand<Conversing> = new OnDemand(
  "what conversations need beyond plain calls",
  async () => (await import("./conversing-parts.ts")).conversing,
);

/** After it was waited for. @throws Error before that */
export function conversingNow(): Conversing {
  if (CONVERSING.part === undefined) throw new Error("what conversations need is not loaded");
  return CONVERSING.part;
}
