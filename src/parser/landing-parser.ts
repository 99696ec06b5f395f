/**
 * LandingParser: the grammar of landing on the tokens of a text. Every limit is checked before the parser recurses, so
 * hostile text is refused at its first bad token, in time linear in the text that was read. docs/landing.md.
 */
import type { Reason } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { CONSTANTS, isNumericConstant, isReserved, KEYWORDS } from "./lexicon.ts";
import { IntegerKeys, integerKey, mayBeInteger, OddKey, setMember } from "./members.ts";
import { entryCount, makeRich, type RichKind, richKind } from "./rich.ts";
import * as token from "./tokens.ts";
import { Assignment, Call, ODD_OBJECT, type Statement, type Tree } from "./tree.ts";

/** The parser of one text. Either reader may provide its tokens. */
export class LandingParser {
  readonly #text: string;
  readonly #limits: Limits;
  readonly #tokens: token.Tokens;
  #depth = 0;
  #nodes = 0;
  #calls = 0;
  #hasCall = false;
  /** the first invalid key, and its position */
  #oddKey: string | undefined;

  constructor(text: string, limits: Limits, tokens: token.Tokens) {
    this.#text = text;
    this.#limits = limits;
    this.#tokens = tokens;
  }

  /** @throws HbiError with the reason and the position */
  readScript(): Tree {
    const tokens = this.#tokens;
    const statements: Statement[] = [];
    tokens.next();
    for (let count = 1; tokens.kind !== token.END; count++) {
      if (count > this.#limits.maxStatements) this.#refuse("too_many_statements");
      if (tokens.kind === token.SEMICOLON) {
        tokens.next(); // an empty statement counts, so that a megabyte of them is refused as well
        continue;
      }
      statements.push(this.#statement());
      if (tokens.kind === token.SEMICOLON) tokens.next();
      else if (tokens.kind !== token.END && !tokens.isAfterNewline) this.#unexpected();
    }
    return statements;
  }

  /** One value; an empty text is null. @throws HbiError */
  readObject(): unknown {
    const tokens = this.#tokens;
    tokens.next();
    if (tokens.kind === token.END) return null;
    const value = this.#value();
    while (tokens.kind === token.SEMICOLON) tokens.next();
    if (tokens.kind !== token.END) this.#unexpected();
    return value;
  }

  // --- grammar: each method starts at the first token of what it reads and stops at the first token after it
  // -----------

  #statement(): Statement {
    const tokens = this.#tokens;
    if (tokens.kind !== token.NAME) return this.#value();
    const name = tokens.value as string; // a name token has a text
    const at = tokens.start;
    tokens.next();
    if (tokens.kind !== token.EQUALS || tokens.isAfterNewline) return this.#named(name, at);
    this.#checkPlainName(name, at);
    tokens.next();
    if (tokens.isAfterNewline) this.#unexpected();
    const outer = this.#enterValue();
    const value = this.#value();
    return new Assignment(name, value, this.#leaveValue(outer));
  }

  #value(): unknown {
    const tokens = this.#tokens;
    const { kind, value, start } = tokens;
    switch (kind) {
      case token.NUMBER:
      case token.STRING:
        this.#count(start);
        tokens.next();
        return value;
      case token.NAME:
        tokens.next();
        return this.#named(value as string, start);
      case token.PLUS:
      case token.MINUS:
        return this.#signed();
      case token.BRACKET_OPEN:
        return this.#array();
      case token.BRACE_OPEN:
        return this.#object();
      case token.PAREN_OPEN:
        return this.#tuple();
      default:
        return this.#unexpected();
    }
  }

  /** A constant or a call; the current token is the one after the name. */
  #named(name: string, at: number): unknown {
    const tokens = this.#tokens;
    const isCall = tokens.kind === token.PAREN_OPEN && !(this.#depth === 0 && tokens.isAfterNewline);
    if (CONSTANTS.has(name)) {
      if (isCall) this.#refuse("forbidden_syntax", at);
      this.#count(at);
      return CONSTANTS.get(name);
    }
    if (!isCall) this.#refuse(isReserved(name) ? "forbidden_syntax" : "unknown_name", at);
    return this.#call(name, at); // reserved words as well: a name before a parenthesis is only looked up
  }

  #call(name: string, at: number): unknown {
    this.#count(at);
    const rich = richKind(name);
    if (rich === undefined) this.#calls += 1; // a rich value is a literal: it runs nothing
    if (this.#calls > this.#limits.maxCallsPerScript) this.#refuse("too_many_calls", at);
    const outer = this.#enterValue();
    const args: unknown[] = [];
    let named: Map<string, unknown> | undefined;
    this.#open();
    while (this.#tokens.kind !== token.PAREN_CLOSE) {
      named = this.#argument(args, named);
      this.#separator(token.PAREN_CLOSE);
    }
    this.#close();
    if (rich !== undefined) {
      const isPlain = !this.#leaveValue(outer) && named === undefined;
      return isPlain ? this.#rich(rich, args, at) : this.#refuse("bad_literal", at);
    }
    const call = new Call(name, args, named, this.#hasCall);
    this.#hasCall = true;
    this.#leaveValue(outer, true);
    return call;
  }

  /** A Date, Map, Set or URL. */
  #rich(kind: RichKind, args: readonly unknown[], at: number): object {
    if (entryCount(kind, args[0]) > this.#limits.maxObjectKeys) this.#refuse("too_many_keys", at);
    return makeRich(kind, args) ?? this.#refuse("bad_literal", at);
  }

  /** Adds an argument to `args` or to `named`. `named` exists from the first `name=` on; no positional argument may
   *  follow it. Named ones cost as much as the keys of an object, and there may be as many. */
  #argument(args: unknown[], named: Map<string, unknown> | undefined): Map<string, unknown> | undefined {
    const tokens = this.#tokens;
    const { start, kind } = tokens;
    const name = tokens.value as string; // used only if the token is a name
    if (kind === token.NAME) {
      tokens.next();
      if (tokens.kind === token.EQUALS) {
        this.#checkPlainName(name, start);
        if (named?.has(name) === true) this.#refuse("syntax", start);
        if (named?.size === this.#limits.maxObjectKeys) this.#refuse("too_many_keys", start);
        tokens.next();
        return (named ?? new Map<string, unknown>()).set(name, this.#value());
      }
    }
    if (named !== undefined) this.#refuse("syntax", start);
    if (args.length === this.#limits.maxArguments) this.#refuse("too_many_arguments", start);
    args.push(kind === token.NAME ? this.#named(name, start) : this.#value());
    return named;
  }

  #array(): unknown[] {
    this.#count(this.#tokens.start);
    const items: unknown[] = [];
    this.#open();
    while (this.#tokens.kind !== token.BRACKET_CLOSE) {
      items.push(this.#value());
      this.#separator(token.BRACKET_CLOSE);
    }
    this.#close();
    return items;
  }

  /** `()`, `(1,)` and `(1, 2)` are tuples; `(1)` is the value 1. */
  #tuple(): unknown {
    const tokens = this.#tokens;
    const at = tokens.start;
    const items: unknown[] = [];
    let hasComma = false;
    this.#open();
    while (tokens.kind !== token.PAREN_CLOSE) {
      items.push(this.#value());
      hasComma ||= tokens.kind === token.COMMA;
      this.#separator(token.PAREN_CLOSE);
    }
    this.#close();
    if (items.length === 1 && !hasComma) return items[0];
    this.#count(at);
    return items;
  }

  /** An object, or a Call that reports its invalid keys. */
  #object(): unknown {
    const tokens = this.#tokens;
    this.#count(tokens.start);
    const object: Record<string, unknown> = {};
    let keys: IntegerKeys | undefined;
    this.#open();
    for (let count = 0; tokens.kind !== token.BRACE_CLOSE; count++) {
      const { start } = tokens;
      if (count === this.#limits.maxObjectKeys) this.#refuse("too_many_keys");
      const key = this.#key();
      if (tokens.kind !== token.COLON) this.#unexpected();
      tokens.next();
      if (typeof key === "string" && keys === undefined && !mayBeInteger(key)) {
        setMember(object, key, this.#value());
      } else {
        keys ??= new IntegerKeys();
        const name = keys.take(key, object, count, start);
        const value = this.#value();
        if (keys.wrong === undefined) setMember(object, name, value);
        else keys.values.push(value);
      }
      this.#separator(token.BRACE_CLOSE);
    }
    this.#close();
    if (keys?.wrong === undefined) return object;
    this.#hasCall = true;
    // only the first, because finding a line costs as much as reading up to it
    this.#oddKey ??= `${keys.wrong}, ${token.positionIn(this.#text, keys.wrongAt)}`;
    return new Call(ODD_OBJECT, [this.#oddKey, object, keys.values], undefined, true);
  }

  /** A name or string, an integer, or a well-formed value that cannot be a key. */
  #key(): string | number | bigint | OddKey {
    const tokens = this.#tokens;
    const { kind, value, start } = tokens;
    switch (kind) {
      case token.NAME:
      case token.STRING: {
        const isConstant = kind === token.NAME && CONSTANTS.has(value as string);
        if (kind === token.NAME && (value as string).includes(".")) this.#refuse("syntax", start);
        if (value === "__proto__") this.#refuse("forbidden_syntax", start);
        tokens.next();
        if (isConstant) return new OddKey(value as string);
        return typeof value === "string" ? value : integerKey(value);
      }
      case token.PLUS:
      case token.MINUS:
      case token.NUMBER: {
        const key = this.#value();
        this.#nodes -= 1; // a key does not count as a value
        return integerKey(key);
      }
      case token.PAREN_OPEN: {
        const outer = this.#enterValue();
        const key = this.#tuple();
        if (this.#leaveValue(outer) || key === "__proto__") this.#refuse("syntax", start);
        return typeof key === "string" ? key : integerKey(key); // ("a") is "a", (1) is 1
      }
      default:
        return this.#unexpected();
    }
  }

  #signed(): number | bigint {
    const tokens = this.#tokens;
    const at = tokens.start;
    const isNegative = tokens.kind === token.MINUS;
    const isBare = this.#depth === 0;
    tokens.next();
    if (isBare && tokens.isAfterNewline) this.#unexpected();
    const { kind } = tokens;
    let { value } = tokens;
    if (kind === token.NAME && isNumericConstant(value as string)) value = CONSTANTS.get(value as string);
    else if (kind !== token.NUMBER) this.#refuse("forbidden_syntax");
    this.#count(at);
    tokens.next();
    return isNegative ? -(value as number) : (value as number); // the same operator negates a bigint
  }

  #separator(end: number): void {
    const { kind } = this.#tokens;
    if (kind === token.COMMA) this.#tokens.next();
    else if (kind !== end) this.#unexpected();
  }

  // --- budgets -------------------------------------------------------------------------------------------------------

  /** After an opening bracket. */
  #open(): void {
    this.#depth += 1;
    if (this.#depth > this.#limits.maxDepth) this.#refuse("too_deep");
    this.#tokens.next();
  }

  #close(): void {
    this.#depth -= 1;
    this.#tokens.next();
  }

  #count(at: number): void {
    this.#nodes += 1;
    if (this.#nodes > this.#limits.maxNodes) this.#refuse("too_many_nodes", at);
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

  /** The name of an assignment, a parameter or a key. */
  #checkPlainName(name: string, at: number): void {
    if (name.includes(".") || CONSTANTS.has(name)) this.#refuse("syntax", at);
  }

  #unexpected(): never {
    const { kind, value } = this.#tokens;
    const isForbidden = kind === token.EQUALS || (kind === token.NAME && KEYWORDS.has(value as string));
    return this.#refuse(isForbidden ? "forbidden_syntax" : "syntax");
  }

  #refuse(reason: Reason, at = this.#tokens.start): never {
    throw token.refusalIn(this.#text, reason, at, this.#limits);
  }
}
