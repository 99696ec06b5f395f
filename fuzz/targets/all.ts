/**
 * All targets, by name.
 */
import type { Target } from "../engine/target.ts";
import { answers } from "./answers.ts";
import { connection } from "./connection.ts";
import { definition } from "./definition.ts";
import { description } from "./description.ts";
import { fastPath } from "./fast-path.ts";
import { frames } from "./frames.ts";
import { header } from "./header.ts";
import { lanes } from "./lanes.ts";
import { operations } from "./operations.ts";
import { raw } from "./raw.ts";
import { schemas } from "./schemas.ts";
import { script } from "./script.ts";
import { service } from "./service.ts";
import { token } from "./token.ts";
import { values } from "./values.ts";

export const TARGETS: ReadonlyMap<string, Target> = new Map(
  [
    header,
    frames,
    lanes,
    token,
    script,
    fastPath,
    schemas,
    values,
    connection,
    raw,
    answers,
    definition,
    description,
    operations,
    service,
  ].map((target) => [target.name, target]),
);
