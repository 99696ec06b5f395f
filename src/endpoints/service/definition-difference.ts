/**
 * What differs between the definition of a link and that of its service.
 */
import { FAILURES, HbiError, oneLine } from "../../errors.ts";
import { briefDescription } from "../../registry/description/brief-description.ts";
import { compareServices } from "../../registry/description/compare.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import type { Mismatch } from "./definition-check.ts";

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
