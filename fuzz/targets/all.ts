/**
 * All targets, by name.
 */
import type { Target } from "../engine/target.ts";
import { connection } from "./connection.ts";
import { fastPath } from "./fast-path.ts";
import { header } from "./header.ts";
import { operations } from "./operations.ts";
import { schemas } from "./schemas.ts";
import { script } from "./script.ts";
import { service } from "./service.ts";

export const TARGETS: ReadonlyMap<string, Target> = new Map(
  [header, script, fastPath, schemas, connection, operations, service].map((target) => [target.name, target]),
);
