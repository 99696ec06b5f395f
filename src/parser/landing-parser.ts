/**
 * LandingParser: the grammar of landing on acorn's tokens. Every budget is counted before the parser recurses: hostile text
 * is refused at its first bad token, in time linear in what was read. docs/landing.md.
 */
import { tokTypes as tt } from "acorn";
import { failure } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { LandingTokenizer, positionIn } from "./landing-tokenizer.ts";
import { CONSTANTS, isNumericConstant, isReserved, KEYWORDS, setMember } from "./lexicon.ts";
import { Assignment, Call, type Statement, type Tree } from "./tree.ts";

/** Reads a script. @throws HbiError with the reason and the position */
export function parseWithAcorn(text: string, limits: Limits): Tree {
  return read(text, limits, (parser) => parser.readScript());
}

/** Reads an object packet: one value, or nothing, which is null. @throws HbiError */
export function parseValueWithAcorn(text: string, limits: Limits): unknown {
  return read(text, limits, (parser) => parser.readObject());
}

function read<T>(text: string, limits: Limits, run: (parser: LandingParser) => T): T {
  const parser = new LandingParser(text, limits);
  try {
    return run(parser);
  } catch (thrown) {
    // Of acorn's own, only what it says about the text; anything else is a defect of ours and must not look like a refusal.
    if (!(thrown instanceof SyntaxError && "pos" in thrown && typeof thrown.pos === "number")) throw thrown;
    throw failure("syntax", positionIn(text, thrown.pos), { cause: thrown });
  }
}

class LandingParser extends LandingTokenizer {
  #depth = 0;
  #nodes = 0;
  #calls = 0;
  #hasCall = false;

  readScript(): Tree {
    const statements: Statement[] = [];
    this.nextToken();
    for (let count = 1; this.type !== tt.eof; count++) {
      if (count > this.limits.maxStatements) this.refuse("too_many_statements");
      if (this.type === tt.semi) {
        this.nextToken(); // an empty statement counts: a megabyte of them is refused as well
        continue;
      }
      statements.push(this.#statement());
      if (this.type === tt.semi) this.nextToken();
      else if (this.type !== tt.eof && !this.isAfterNewline) this.#unexpected();
    }
    return statements;
  }

  readObject(): unknown {
    this.nextToken();
    if (this.type === tt.eof) return null;
    const value = this.#value();
    while (this.type === tt.semi) this.nextToken();
    if (this.type !== tt.eof) this.#unexpected();
    return value;
  }

  // --- grammar: the parser stands on the first token of what it reads, and stops on the first one behind it -----------

  #statement(): Statement {
    if (this.type !== tt.name) return this.#value();
    const name = this.value as string; // of a name token
    const at = this.start;
    this.nextToken();
    if (this.type !== tt.eq || this.isAfterNewline) return this.#named(name, at);
    if (isReserved(name)) this.refuse("forbidden_syntax", at);
    this.#checkPlainName(name, at);
    this.nextToken();
    if (this.isAfterNewline) this.#unexpected();
    const outer = this.#enterValue();
    const value = this.#value();
    return new Assignment(name, value, this.#leaveValue(outer));
  }

  #value(): unknown {
    const { value, start } = this;
    switch (this.type) {
      case tt.num:
      case tt.string:
        this.#count(start);
        this.nextToken();
        return value;
      case tt.name:
        this.nextToken();
        return this.#named(value as string, start);
      case tt.plusMin:
        return this.#signed(value === "-");
      case tt.bracketL:
        return this.#array();
      case tt.braceL:
        return this.#object();
      case tt.parenL:
        return this.#tuple();
      default:
        return this.#unexpected();
    }
  }

  /** A constant or a call; the parser stands behind the name. */
  #named(name: string, at: number): unknown {
    const isCall = this.type === tt.parenL && !(this.#depth === 0 && this.isAfterNewline);
    if (CONSTANTS.has(name)) {
      if (isCall) this.refuse("forbidden_syntax", at);
      this.#count(at);
      return CONSTANTS.get(name);
    }
    if (isReserved(name)) this.refuse("forbidden_syntax", at);
    if (!isCall) this.refuse("unknown_name", at);
    return this.#call(name, at);
  }

  #call(name: string, at: number): Call {
    this.#count(at);
    this.#calls += 1;
    if (this.#calls > this.limits.maxCallsPerScript) this.refuse("too_many_calls", at);
    const outer = this.#enterValue();
    const args: unknown[] = [];
    let named: Map<string, unknown> | undefined;
    this.#open();
    for (let count = 1; this.type !== tt.parenR; count++) {
      if (count > this.limits.maxArguments) this.refuse("too_many_arguments");
      named = this.#argument(args, named);
      this.#separator(tt.parenR);
    }
    this.#close();
    const call = new Call(name, args, named, this.#hasCall);
    this.#hasCall = true;
    this.#leaveValue(outer, true);
    return call;
  }

  /** One more of `args`, or of `named`, which exists from the first `name=` on: no positional one may follow. */
  #argument(args: unknown[], named: Map<string, unknown> | undefined): Map<string, unknown> | undefined {
    const { start, type } = this;
    const name = this.value as string; // if it is a name token
    if (type === tt.name) {
      this.nextToken();
      if (this.type === tt.eq) {
        this.#checkPlainName(name, start);
        if (named?.has(name) === true) this.refuse("syntax", start);
        this.nextToken();
        return (named ?? new Map<string, unknown>()).set(name, this.#value());
      }
    }
    if (named !== undefined) this.refuse("syntax", start);
    args.push(type === tt.name ? this.#named(name, start) : this.#value());
    return named;
  }

  #array(): unknown[] {
    this.#count(this.start);
    const items: unknown[] = [];
    this.#open();
    while (this.type !== tt.bracketR) {
      items.push(this.#value());
      this.#separator(tt.bracketR);
    }
    this.#close();
    return items;
  }

  /** `()`, `(1,)` and `(1, 2)` are tuples, `(1)` is the 1. */
  #tuple(): unknown {
    const at = this.start;
    const items: unknown[] = [];
    let hasComma = false;
    this.#open();
    while (this.type !== tt.parenR) {
      items.push(this.#value());
      hasComma ||= this.type === tt.comma;
      this.#separator(tt.parenR);
    }
    this.#close();
    if (items.length === 1 && !hasComma) return items[0];
    this.#count(at);
    return items;
  }

  #object(): Record<string, unknown> {
    this.#count(this.start);
    const object: Record<string, unknown> = {};
    this.#open();
    for (let count = 1; this.type !== tt.braceR; count++) {
      if (count > this.limits.maxObjectKeys) this.refuse("too_many_keys");
      const key = this.#key();
      if (this.type !== tt.colon) this.#unexpected();
      this.nextToken();
      setMember(object, key, this.#value());
      this.#separator(tt.braceR);
    }
    this.#close();
    return object;
  }

  #key(): string {
    const { start } = this;
    let { value } = this;
    switch (this.type) {
      case tt.name:
        this.#checkPlainName(value as string, start);
        break;
      case tt.plusMin: {
        value = this.#signed(value === "-");
        if (typeof value === "number" && !Number.isFinite(value)) this.refuse("bad_literal", start);
        this.#nodes -= 1; // as every other key, it is none
        if (value === "__proto__") this.refuse("forbidden_syntax", start);
        return String(value);
      }
      case tt.num:
        break;
      case tt.string:
        if (typeof value !== "string") this.refuse("bad_literal", start);
        break;
      default:
        this.#unexpected();
    }
    const key = String(value);
    if (key === "__proto__") this.refuse("forbidden_syntax", start);
    this.nextToken();
    return key;
  }

  #signed(isNegative: boolean): number | bigint {
    const at = this.start;
    const isBare = this.#depth === 0;
    this.nextToken();
    if (isBare && this.isAfterNewline) this.#unexpected();
    const { type } = this;
    let { value } = this;
    if (type === tt.name && isNumericConstant(value as string)) value = CONSTANTS.get(value as string);
    else if (type !== tt.num) this.refuse("forbidden_syntax");
    this.#count(at);
    this.nextToken();
    return isNegative ? -(value as number) : (value as number); // or a bigint, with the same operator
  }

  #separator(end: unknown): void {
    if (this.type === tt.comma) this.nextToken();
    else if (this.type !== end) this.#unexpected();
  }

  // --- budgets -------------------------------------------------------------------------------------------------------

  /** Past an opening bracket. */
  #open(): void {
    this.#depth += 1;
    if (this.#depth > this.limits.maxDepth) this.refuse("too_deep");
    this.nextToken();
  }

  #close(): void {
    this.#depth -= 1;
    this.nextToken();
  }

  #count(at: number): void {
    this.#nodes += 1;
    if (this.#nodes > this.limits.maxNodes) this.refuse("too_many_nodes", at);
  }

  #enterValue(): boolean {
    const outer = this.#hasCall;
    this.#hasCall = false;
    return outer;
  }

  #leaveValue(outer: boolean, isCall = false): boolean {
    const inner = this.#hasCall;
    this.#hasCall = outer || isCall;
    return inner;
  }

  /** Of an assignment, a parameter or a key. */
  #checkPlainName(name: string, at: number): void {
    if (name.includes(".") || CONSTANTS.has(name)) this.refuse("syntax", at);
  }

  #unexpected(): never {
    const isForbidden = this.type === tt.eq || (this.type === tt.name && KEYWORDS.has(this.value as string));
    return this.refuse(isForbidden ? "forbidden_syntax" : "syntax");
  }
}
