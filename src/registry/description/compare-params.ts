/**
 * Compares two lists of parameters. Arguments are passed by position, so a moved name is as incompatible as a removed
 * one.
 */
import type { ParamDescription } from "./description.ts";
import type { Differences, Direction } from "./differences.ts";

/** Adds the differences.
 *  @param direction whether the arguments go to the newer list or from it
 *  @param byName whether none of them is passed by position */
export function compareParams(
  differences: Differences,
  path: string,
  older: readonly ParamDescription[],
  newer: readonly ParamDescription[],
  direction: Direction,
  byName = false,
): void {
  const [before, after] = [namesOf(older), namesOf(newer)];
  const isShared = ({ name }: ParamDescription) => before.has(name) && after.has(name);
  const isMoved = byName ? () => false : isShared; // by the one before it
  const moved = newer.filter(isShared);
  let place = 0;
  for (const param of older) {
    const counterpart = after.get(param.name);
    if (counterpart === undefined) continue;
    if (!byName && moved[place]?.name !== param.name) {
      differences.add(`${path}.${param.name}`, "reordered", true, "arguments are passed by position");
    }
    compareParam(differences, `${path}.${param.name}`, param, counterpart, direction);
    place += 1;
  }
  older.forEach((param, i) => {
    if (isShared(param)) return;
    const instead = byName ? undefined : newer[i];
    if (instead !== undefined && !isShared(instead)) {
      const why = `callers by name write ${param.name}, and by position what was meant for it`;
      differences.add(`${path}.${param.name}`, "renamed", true, `${why} arrives as ${instead.name}`);
      return;
    }
    const reason = direction === "to-consumer" ? whyMissed(param, i, older, isMoved) : "callers may still pass it";
    differences.add(`${path}.${param.name}`, "removed", reason !== undefined, reason ?? "it could be omitted before");
  });
  newer.forEach((param, i) => {
    const renamed = byName ? undefined : older[i];
    if (isShared(param) || (renamed !== undefined && !isShared(renamed))) return;
    const reason =
      direction === "to-service" ? whyMissed(param, i, newer, isMoved) : "consumers refuse unknown parameters";
    differences.add(`${path}.${param.name}`, "added", reason !== undefined, reason ?? "callers may omit it");
  });
}

function namesOf(params: readonly ParamDescription[]): ReadonlyMap<string, ParamDescription> {
  return new Map(params.map((param) => [param.name, param]));
}

/** Why omitting this parameter breaks the side whose list has it. */
function whyMissed(
  param: ParamDescription,
  index: number,
  list: readonly ParamDescription[],
  isMoved: (param: ParamDescription) => boolean,
): string | undefined {
  if (param.isRequired) return "it is required, but not passed";
  return list.slice(index).some(isMoved) ? "it moves the parameters after it, which are passed by position" : undefined;
}

function compareParam(
  differences: Differences,
  path: string,
  older: ParamDescription,
  newer: ParamDescription,
  direction: Direction,
): void {
  if (newer.isRequired && !older.isRequired) {
    const isBreaking = direction !== "to-consumer";
    differences.add(path, "required", isBreaking, isBreaking ? "callers may omit it" : "it is passed more often");
  }
  if (older.isRequired && !newer.isRequired) {
    const isBreaking = direction !== "to-service";
    differences.add(
      path,
      "optional",
      isBreaking,
      isBreaking ? "it may be omitted, but is expected" : "all callers pass it",
    );
  }
  differences.compareSchemas(path, older.schema, newer.schema, direction);
}
