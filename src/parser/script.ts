/**
 * script`...`: code with inserted values. Values pass through `repr`, so a user's text never becomes code of a peer.
 */
import { failure } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { type Dialect, type How, type OnlyOurs, reprOf } from "./repr.ts";
import { checkTemplate } from "./template.ts";

const SCRIPT = Symbol.for("hbi.script");

/** Code created by `script`. Only this and plain strings of the caller are sent as code. */
export class Script {
  readonly text: string;
  /** the first form in it that only peers of this library can read, if any */
  readonly onlyOurs: string | undefined;

  static {
    Object.defineProperty(Script.prototype, SCRIPT, { value: true });
  }

  /** Also one of another installed copy of this library. */
  static [Symbol.hasInstance](candidate: unknown): boolean {
    return typeof candidate === "object" && candidate !== null && SCRIPT in candidate;
  }

  constructor(text: string, onlyOurs?: string) {
    this.text = text;
    this.onlyOurs = onlyOurs;
  }
}

/** Code with values: script`do_job(${action}, ${size})`. A Script among the values is inserted as code. A value must
 *  stand alone and brings its own quotes.
 *  @throws HbiError invalid_argument for a value without a textual form, and for a value inside quotes or a comment */
export function script(code: TemplateStringsArray, ...values: readonly unknown[]): Script {
  return interpolate(code, values, "json");
}

/** `script` for Python peers that did not expose the interop names: None, True, False. */
export function pythonScript(code: TemplateStringsArray, ...values: readonly unknown[]): Script {
  return interpolate(code, values, "python");
}

function interpolate(code: TemplateStringsArray, values: readonly unknown[], dialect: Dialect): Script {
  checkTemplate(code);
  const onlyOurs: OnlyOurs = { what: undefined };
  const how: How = { dialect, maxDepth: PRESETS.public.maxDepth, writer: undefined, onlyOurs };
  let text = "";
  for (const [i, piece] of code.entries()) {
    if (i > 0) {
      const value = values[i - 1];
      if (value instanceof Script) onlyOurs.what ??= value.onlyOurs;
      text += value instanceof Script ? value.text : reprOf(value, how, `value ${i}`);
    }
    text += piece;
  }
  return new Script(text, onlyOurs.what);
}

export function scriptText(code: string | Script): string {
  if (typeof code === "string") return code;
  if (code instanceof Script) return code.text;
  throw failure("bad_option", "code is a string or a Script");
}
