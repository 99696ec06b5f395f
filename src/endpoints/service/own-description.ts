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
  /** as soon as it is made, or has failed */
  result?: { readonly description: ServiceDescription } | { readonly error: unknown };
}

const MAKING = new WeakMap<Service, Making>();

function makingOf(service: Service): Making {
  let making = MAKING.get(service);
  if (making === undefined) {
    making = { steps: describing(service) };
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

/** Undefined for a definition that cannot be described: it says nothing of itself. */
export function ownHash(service: Service): string | undefined {
  try {
    return ownDescription(service).hash;
  } catch {
    return undefined;
  }
}

/** Resolves when the definition and those that it combines are described, or cannot be. */
export async function describedInTurns(service: Service, clock: Clock): Promise<void> {
  for (const one of [service, ...service.parts]) {
    const making = makingOf(one);
    while (making.result === undefined) {
      const beganMs = clock.now();
      do step(making);
      while (making.result === undefined && clock.now() - beganMs < TURN_MS);
      if (making.result === undefined) await new Promise<void>((resolve) => clock.soon(resolve));
    }
  }
}
