/**
 * The description of a definition, which both sides of a connection need: made once, and in turns of the event loop, because
 * that of hundreds of methods takes seconds.
 */
import type { Clock } from "../../clock.ts";
import { describing } from "../../registry/description/describe.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import type { Service } from "../../registry/service.ts";

/** the longest time of one turn, but for the last step that began in it */
const TURN_MS = 5;

/** Being made, or made. */
interface Making {
  readonly steps: Iterator<void, ServiceDescription>;
  /** of those who wait for it, by their clock */
  readonly inTurns: WeakMap<Clock, Promise<void>>;
  /** as soon as it is made, or has failed */
  result?: { readonly description: ServiceDescription } | { readonly error: unknown };
}

const MAKING = new WeakMap<Service, Making>();

function makingOf(service: Service): Making {
  let making = MAKING.get(service);
  if (making === undefined) {
    making = { steps: describing(service), inTurns: new WeakMap() };
    MAKING.set(service, making);
  }
  return making;
}

function step(making: Making): void {
  try {
    const { done, value } = making.steps.next();
    if (done === true) making.result = { description: value };
  } catch (error) {
    making.result = { error };
  }
}

/** At once, also if it is being made in turns. @throws HbiError bad_option for a definition that cannot be described */
export function ownDescription(service: Service): ServiceDescription {
  const making = makingOf(service);
  while (making.result === undefined) step(making);
  if ("error" in making.result) throw making.result.error;
  return making.result.description;
}

const HASH_CHARS = 8;
const MOST_HASHES = 8;

/** The beginning of its hash, as a hello has it; undefined for a definition that cannot be described, which says nothing
 *  of itself. */
export function ownHash(service: Service): string | undefined {
  try {
    return ownDescription(service).hash.slice(0, HASH_CHARS);
  } catch {
    return undefined;
  }
}

/** What a server says of a definition and those that it combines. */
export function hashesOf(service: Service): readonly string[] | undefined {
  if (service.parts.length >= MOST_HASHES) return undefined;
  const hashes = [service, ...service.parts].map(ownHash).filter((hash) => hash !== undefined);
  return hashes.length > service.parts.length ? hashes : undefined;
}

/** Resolves when the definition and those that it combines are described, or cannot be. */
export async function describedInTurns(service: Service, clock: Clock): Promise<void> {
  for (const one of [service, ...service.parts]) {
    const making = makingOf(one);
    if (isMadeInThisTurn(making, clock)) continue;
    let made = making.inTurns.get(clock);
    if (made === undefined) {
      made = goingOn(making, clock);
      making.inTurns.set(clock, made); // many connections that wait share its turns
    }
    await made;
  }
}

/** Whether they are described after this turn of the event loop, in which all of a small definition is. */
export function isDescribedSoon(service: Service, clock: Clock): boolean {
  return [service, ...service.parts].every((one) => isMadeInThisTurn(makingOf(one), clock));
}

async function goingOn(making: Making, clock: Clock): Promise<void> {
  do await new Promise<void>((resolve) => clock.soon(resolve));
  while (!stepsOn(making, clock));
}

function isMadeInThisTurn(making: Making, clock: Clock): boolean {
  if (making.result !== undefined) return true;
  if (making.inTurns.has(clock)) return false; // others wait for it
  return stepsOn(making, clock);
}

/** @returns whether it is made */
function stepsOn(making: Making, clock: Clock): boolean {
  const beganMs = clock.now();
  while (making.result === undefined) {
    step(making);
    if (clock.now() - beganMs >= TURN_MS) break;
  }
  return making.result !== undefined;
}
