/**
 * script`...`: code with values in it. Values go through `repr`, so no text of a user can become code of a peer.
 */
import { failure } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { type Dialect, type How, type OnlyOurs, reprOf } from "./repr.ts";
import { checkTemplate } from "./template.ts";

/** Code made by `script`. Only this and plain strings that the caller wrote are sent as code. */
export class Script {
  readonly text: string;
  /** the first form in it that only a peer of ours reads, if there is one */
  readonly onlyOurs: string | undefined;

  constructor(text: string, onlyOurs?: string) {
    this.text = text;
    this.onlyOurs = onlyOurs;
  }
}

/** Code with values: script`do_job(${action}, ${size})`. A Script among the values is inserted as code.
 *  A value stands by itself and brings its own quotes.
 *  @throws HbiError invalid_argument for a value that has no textual form, and for one inside quotes or a comment */
export function script(code: TemplateStringsArray, ...values: readonly unknown[]): Script {
  return interpolate(code, values, "json");
}

/** `script` for peers of the Python reference that did not expose the interop names: None, True, False. */
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
