/**
 * Two installed copies of this library: a definition may come from a package that has its own. What definitions consist
 * of carries a mark that every copy recognises, instead of being known by its class.
 */
import { failure } from "../errors.ts";
import { reading } from "../options.ts";

type Kind = "method" | "value" | "service";

/** The form of the marked objects; raised when they change so that other copies cannot use them. */
const FORM = 1;

export function mark({ prototype }: { readonly prototype: object }, kind: Kind): void {
  Object.defineProperty(prototype, Symbol.for(`hbi.${kind}`), { value: FORM });
}

/** Whether any copy has made it. @param name for errors
 *  @throws HbiError invalid_argument for one of another form */
export function isMarked(candidate: unknown, kind: Kind, name: string): boolean {
  if (typeof candidate !== "object" || candidate === null) return false;
  const form: unknown = reading(() => Reflect.get(candidate, Symbol.for(`hbi.${kind}`)), name);
  if (form === undefined || form === FORM) return form === FORM;
  throw failure("bad_option", `${name} was made by another version of hbi; npm ls hbi shows the installed copies`);
}
