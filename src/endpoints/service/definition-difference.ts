/**
 * What is needed only where definitions are compared: the description of one, its hash, and what differs. A bundle of a
 * client keeps it apart from what the first call needs.
 */
import { FAILURES, HbiError, oneLine } from "../../errors.ts";
import { briefDescription } from "../../registry/description/brief-description.ts";
import { compareServices } from "../../registry/description/compare.ts";
import { describeService } from "../../registry/description/describe.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import type { Service } from "../../registry/service.ts";
import type { Mismatch } from "./definition-check.ts";

const DESCRIPTIONS = new WeakMap<Service, ServiceDescription | undefined>();

/** Its description, made once; undefined for a definition that cannot be described. */
export function descriptionOf(service: Service): ServiceDescription | undefined {
  if (!DESCRIPTIONS.has(service)) {
    let description: ServiceDescription | undefined;
    try {
      description = describeService(service);
    } catch {
      // it says nothing of itself
    }
    DESCRIPTIONS.set(service, description);
  }
  return DESCRIPTIONS.get(service);
}

const HASH_CHARS = 8;
const MOST_HASHES = 8;

/** The hash as a hello has it. */
export function shortHash({ hash }: ServiceDescription): string {
  return hash.slice(0, HASH_CHARS);
}

/** What a server says of a definition and those that it combines. */
export function hashesOf(service: Service): readonly string[] | undefined {
  if (service.parts.length >= MOST_HASHES) return undefined;
  const descriptions = [service, ...service.parts].map(descriptionOf);
  const hashes = descriptions.filter((description) => description !== undefined).map(shortHash);
  return hashes.length > service.parts.length ? hashes : undefined;
}

/** A service usually describes only what may be called. A server of several definitions has another name and more
 *  reactions. */
export function differenceOf(mine: ServiceDescription, told: ServiceDescription, isCombined: boolean): Mismatch {
  const isBrief = Object.keys(told.reactions).length === 0;
  const all = compareServices(isBrief ? briefDescription(mine) : mine, told);
  const changes = all.filter(({ path, kind }) => {
    const isOfOthers = path === "name" || (path.startsWith("reactions.") && kind === "added");
    return kind !== "text" && !(isCombined && isOfOthers);
  });
  const { name, version } = told;
  return { name, version, changes, isBreaking: changes.some((change) => change.isBreaking) };
}

const MOST_SHOWN = 3;

export function errorOf({ name, version, changes }: Mismatch): HbiError {
  const breaking = changes.filter(({ isBreaking }) => isBreaking);
  const shown = breaking.slice(0, MOST_SHOWN).map(({ path, kind, why }) => `${path} ${kind} (${why})`);
  const more = breaking.length > MOST_SHOWN ? `; and ${breaking.length - MOST_SHOWN} more` : "";
  const { code, text } = FAILURES.other_definition;
  const message = oneLine(`${text}: ${name} ${version}: ${shown.join("; ")}${more}`);
  return new HbiError(
    code,
    message,
    { changes: breaking.map((change) => ({ ...change })) },
    {
      reason: "other_definition",
    },
  );
}
