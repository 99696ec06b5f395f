/**
 * Collects the changes between two definitions, and classifies changed schemas: the direction of the values decides
 * what breaks.
 */
import { oneLine } from "../../errors.ts";
import { whyNotWithin } from "./compare-schema.ts";
import { canonical, DEFAULT_KEYWORD, type Definitions, isObject, type JsonSchema, sortedText } from "./json-schema.ts";

/** `narrowed`: accepts less. `changed`: neither wider nor narrower is proven, or the term does not apply. `text`: only
 *  documentation or equivalent notation differs. */
export type ChangeKind =
  | "added"
  | "removed"
  | "renamed"
  | "reordered"
  | "required"
  | "optional"
  | "narrowed"
  | "widened"
  | "changed"
  | "default"
  | "text";

export interface Change {
  /** "methods.do_job.params.dataLen" */
  readonly path: string;
  readonly kind: ChangeKind;
  readonly isBreaking: boolean;
  /** one sentence */
  readonly why: string;
}

/** Who receives the values: the newer service from older consumers, older consumers from the newer service, or both. */
export type Direction = "to-service" | "to-consumer" | "both-ways";

const TEXTS_TOO: ReadonlySet<string> = new Set();

export class Differences {
  readonly #changes: Change[] = [];
  readonly #older: Definitions;
  readonly #newer: Definitions;

  constructor(older: Definitions, newer: Definitions) {
    this.#older = older;
    this.#newer = newer;
  }

  add(path: string, kind: ChangeKind, isBreaking: boolean, why: string): void {
    this.#changes.push({ path: oneLine(path), kind, isBreaking, why: oneLine(why) }); // names may come from an attacker
  }

  sorted(): Change[] {
    const key = ({ path, kind }: Change) => `${path} ${kind}`;
    return this.#changes.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  compareSchemas(path: string, older: JsonSchema, newer: JsonSchema, direction: Direction): void {
    const lost = whyNotWithin(older, this.#older, newer, this.#newer);
    const gained = whyNotWithin(newer, this.#newer, older, this.#older);
    const toService = lost === undefined ? undefined : `consumers may send what is refused now (${lost})`;
    const toConsumer = gained === undefined ? undefined : `consumers may refuse what is sent now (${gained})`;
    const why =
      direction === "both-ways" ? (toService ?? toConsumer) : direction === "to-service" ? toService : toConsumer;
    const kind = lost === undefined ? "widened" : gained === undefined ? "narrowed" : "changed";
    if (lost !== undefined || gained !== undefined) {
      this.add(path, kind, why !== undefined, why ?? "the receiver still accepts everything that is sent");
    }
    if (this.#meansOther(older, newer, direction)) {
      this.add(path, "default", true, "an omitted value now has another meaning");
    } else if (lost === undefined && gained === undefined && this.#isReworded(older, newer)) {
      this.add(path, "text", false, "the same values are accepted");
    }
  }

  /** The receiver fills in its own default, while the sender relied on another one. */
  #meansOther(older: JsonSchema, newer: JsonSchema, direction: Direction): boolean {
    const before = defaultsOf(canonical(older, this.#older), "");
    const after = defaultsOf(canonical(newer, this.#newer), "");
    const [meant, filled] = direction === "to-consumer" ? [after, before] : [before, after];
    const differs = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>) =>
      [...a].some(([place, text]) => b.get(place) !== text);
    return differs(meant, filled) || (direction === "both-ways" && differs(filled, meant));
  }

  #isReworded(older: JsonSchema, newer: JsonSchema): boolean {
    const before = sortedText(canonical(older, this.#older, TEXTS_TOO));
    return before !== sortedText(canonical(newer, this.#newer, TEXTS_TOO));
  }
}

/** The defaults in a canonical schema, by their position. */
function defaultsOf(data: unknown, place: string): Map<string, string> {
  const found = new Map<string, string>();
  if (typeof data !== "object" || data === null) return found;
  if (isObject(data) && "default" in data) found.set(place, sortedText(data["default"]));
  else if (isObject(data) && DEFAULT_KEYWORD in data) found.set(place, DEFAULT_KEYWORD);
  for (const [key, part] of Object.entries(data)) {
    for (const [at, text] of defaultsOf(part, `${place}/${key}`)) found.set(at, text);
  }
  return found;
}
