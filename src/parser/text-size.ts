/**
 * TextSize: counts what the limits of a text bound, in text that `repr` or an application has written, so that it can
 * be compared with what the other side accepts. One pass without a tree. The parser decides; this only finds out
 * quickly that a text is within limits, and by how much it is not.
 */
import { codeAt, isIdentifierPart, isIdentifierStart } from "./lexicon.ts";
import { richKind } from "./rich.ts";

export interface TextSize {
  readonly nodes: number;
  readonly depth: number;
  readonly statements: number;
  readonly calls: number;
  /** the most positional arguments of a call, keys of an object or names of arguments, and characters of a number */
  readonly arguments: number;
  readonly keys: number;
  readonly digits: number;
  /** the argument of the outermost call that has the most values, if it is a container */
  readonly heaviest: HeaviestArgument | undefined;
}

export interface HeaviestArgument {
  /** its position among the positional arguments; its name if it is a named one */
  readonly index: number;
  readonly name: string | undefined;
  readonly nodes: number;
  /** its elements or members */
  readonly items: number;
}

/** An open bracket. */
interface Frame {
  readonly kind: "call" | "object" | "list" | "rich" | "entries";
  /** commas in it */
  commas: number;
  /** names of its members: colons in an object, equals signs in a call */
  names: number;
}

const OPEN_CALL = 0x28;
/** Deeper text is refused by every reader, so its exact depth does not matter. */
const MOST_DEPTH = 1_024;

export function sizeOf(text: string): TextSize {
  return new Sizing(text).run();
}

class Sizing {
  readonly #text: string;
  #at = 0;
  #nodes = 0;
  #depth = 0;
  #statements = 0;
  #calls = 0;
  #arguments = 0;
  #keys = 0;
  #digits = 0;
  readonly #open: Frame[] = [];
  // of the current argument of the outermost call
  #startNodes = 0;
  #name: string | undefined;
  #items = 0;
  #heaviest: HeaviestArgument | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  run(): TextSize {
    const text = this.#text;
    while (this.#at < text.length && this.#open.length < MOST_DEPTH) {
      const code = text.charCodeAt(this.#at);
      if (code === 0x22 || code === 0x27) {
        this.#string(code);
        this.#value();
      } else if (isIdentifierStart(code)) this.#word();
      else if ((code >= 0x30 && code <= 0x39) || code === 0x2e) this.#number();
      else {
        this.#mark(code);
        this.#at += 1;
      }
    }
    const counts = { statements: this.#statements, calls: this.#calls, arguments: this.#arguments };
    return {
      nodes: this.#nodes,
      depth: this.#depth,
      keys: this.#keys,
      digits: this.#digits,
      ...counts,
      heaviest: this.#heaviest,
    };
  }

  #value(): void {
    this.#nodes += 1;
    if (this.#open.length === 0) this.#statements += 1;
  }

  #string(quote: number): void {
    const text = this.#text;
    let at = this.#at + 1;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === quote) break;
      at += code === 0x5c ? 2 : 1;
    }
    this.#at = at + 1;
  }

  /** A name or a constant; `b` before a quote is the beginning of bytes. */
  #word(): void {
    const text = this.#text;
    const start = this.#at;
    const code = codeAt(text, start);
    let at = start;
    while (isIdentifierPart(codeAt(text, at)) || codeAt(text, at) === 0x2e) at += 1;
    this.#at = at;
    const next = codeAt(text, at);
    if (next === 0x22 || next === 0x27) return;
    this.#value();
    if (next === OPEN_CALL) {
      const isRich = code === 0x24 && richKind(text.slice(start, at)) !== undefined;
      if (!isRich) this.#calls += 1;
      this.#begin(isRich ? "rich" : "call");
      this.#at += 1;
    } else if (next === 0x3d && this.#open.length === 1) this.#name = text.slice(start, at);
  }

  #number(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const code = codeAt(text, at);
      const isSign = (code === 0x2b || code === 0x2d) && (codeAt(text, at - 1) | 0x20) === 0x65;
      if (!isIdentifierPart(code) && code !== 0x2e && !isSign) break;
      at += 1;
    }
    this.#digits = Math.max(this.#digits, at - this.#at);
    this.#at = at;
    this.#value();
  }

  #mark(code: number): void {
    switch (code) {
      case 0x5b:
      case OPEN_CALL:
        this.#value();
        this.#begin(this.#open.at(-1)?.kind === "rich" ? "entries" : "list"); // of a Map or Set
        return;
      case 0x7b:
        this.#value();
        this.#begin("object");
        return;
      case 0x29:
      case 0x5d:
      case 0x7d:
        this.#end();
        return;
      case 0x3d: {
        // a name, which was taken for a value
        this.#nodes -= 1;
        const frame = this.#open.at(-1);
        if (frame === undefined) this.#statements -= 1;
        else frame.names += 1;
        return;
      }
      case 0x2c: {
        const frame = this.#open.at(-1);
        if (frame === undefined) return;
        if (this.#open.length === 1) this.#argumentEnds(frame.commas);
        frame.commas += 1;
        return;
      }
      case 0x3a: {
        const frame = this.#open.at(-1);
        if (frame?.kind !== "object") return;
        frame.names += 1;
        this.#nodes -= 1; // a key, which was taken for a value
      }
    }
  }

  #begin(kind: Frame["kind"]): void {
    this.#open.push({ kind, commas: 0, names: 0 });
    this.#depth = Math.max(this.#depth, this.#open.length);
    if (this.#open.length === 1) this.#argumentBegins();
  }

  #end(): void {
    const frame = this.#open.pop();
    if (frame === undefined) return;
    if (frame.kind === "call") this.#arguments = Math.max(this.#arguments, frame.commas + 1 - frame.names);
    this.#keys = Math.max(this.#keys, frame.kind === "entries" ? frame.commas + 1 : frame.names);
    if (this.#open.length === 0) this.#argumentEnds(frame.commas);
    if (this.#open.length === 1) this.#items = frame.kind === "object" ? frame.names : frame.commas + 1;
  }

  #argumentBegins(): void {
    this.#startNodes = this.#nodes;
    this.#name = undefined;
    this.#items = 0;
  }

  #argumentEnds(index: number): void {
    const nodes = this.#nodes - this.#startNodes;
    if (this.#items > 0 && nodes > (this.#heaviest?.nodes ?? 0)) {
      this.#heaviest = { index, name: this.#name, nodes, items: this.#items };
    }
    this.#argumentBegins();
  }
}
