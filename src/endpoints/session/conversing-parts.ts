/**
 * What `conversing.ts` loads.
 */
import type { Conversing } from "./conversing.ts";
import { HoCo } from "./ho-co.ts";
import { PoAnswer } from "./po-answer.ts";
import { PoSender } from "./po-sender.ts";

export const conversing: Conversing = { HoCo, PoAnswer, PoSender };
