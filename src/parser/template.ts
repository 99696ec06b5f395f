/**
 * Checks where values are placed in the code of a `script` template: as values of their own, never inside a string or a
 * comment, and not adjacent to a word or a quote. Inside quotes, the text of a value would end the string and continue
 * as code.
 */
import { failure } from "../errors.ts";
import { isIdentifierPart } from "./lexicon.ts";

/** The state at the end of a piece of code: code, or an open string or comment. */
type Open = "code" | "'" | '"' | "`" | "line comment" | "block comment";

/** Templates are constants of a program, so each is checked once. */
const checked = new WeakSet<readonly string[]>();

/** @throws HbiError invalid_argument for a template in which a value would be read as something else */
export function checkTemplate(code: readonly (string | undefined)[]): void {
  if (checked.has(code as readonly string[])) return;
  let open: Open = "code";
  for (const [i, piece] of code.entries()) {
    if (piece === undefined) throw failure("bad_option", "the script has an invalid escape");
    open = scan(piece, open);
    const where = `value ${i + 1} of the script`;
    if (i === code.length - 1) {
      if (open !== "code" && open !== "line comment")
        throw failure("bad_option", `the script ends inside ${name(open)}`);
    } else if (open !== "code") {
      throw failure("bad_option", `${where} is inside ${name(open)}: a value brings its own quotes`);
    } else if (isGlue(piece.charCodeAt(piece.length - 1)) || isGlue((code[i + 1] ?? "").charCodeAt(0))) {
      throw failure("bad_option", `${where} is directly beside a word or a quote`);
    }
  }
  checked.add(code as readonly string[]); // no element is undefined here
}

function name(open: Open): string {
  return open.length === 1 ? "a string" : `a ${open}`;
}

/** To a Python peer, `f${x}` and `r${x}` are a string that runs code and a string without escapes. */
function isGlue(code: number): boolean {
  return isIdentifierPart(code) || code >= 0x80 || code === 0x22 || code === 0x27 || code === 0x60 || code === 0x5c;
}

/** Continues from `open` as every kind of peer would, and refuses code that they read differently, such as Python's
 *  triple quotes. */
function scan(piece: string, open: Open): Open {
  let now = open;
  for (let at = 0; at < piece.length; at++) {
    const char = piece.charAt(at);
    const next = piece.charAt(at + 1);
    switch (now) {
      case "code":
        if (char === "'" || char === '"' || char === "`") {
          if (next === char && piece.charAt(at + 2) === char) throw failure("bad_option", "triple quotes in a script");
          now = char;
        } else if (char === "#" || (char === "/" && next === "/")) now = "line comment";
        else if (char === "/" && next === "*") {
          now = "block comment";
          at += 1;
        }
        break;
      case "line comment":
        if (char === "\n" || char === "\r") now = "code";
        break;
      case "block comment":
        if (char === "*" && next === "/") {
          now = "code";
          at += 1;
        }
        break;
      default:
        if (char === "\\" && now !== "`") at += 1;
        else if (char === now) now = "code";
        else if ((char === "\n" || char === "\r") && now !== "`") {
          throw failure("bad_option", "a line break in a string of the script");
        }
    }
  }
  return now;
}
