/**
 * The landed tree: a script after parsing and before checking. A script is an array of statements. A statement is a
 * Call, an Assignment, or a plain value. Values are plain JavaScript data that may contain Calls. No text of a peer can
 * create an instance of these classes in another way, so `instanceof` identifies them safely.
 */

export class Call {
  /** a dotted name, looked up as a whole: "svc.ping" */
  readonly name: string;
  /** positional arguments */
  readonly args: readonly unknown[];
  /** keyword arguments in written order; undefined if there are none */
  readonly named: ReadonlyMap<string, unknown> | undefined;
  /** whether the arguments contain a Call */
  readonly hasNestedCall: boolean;

  constructor(
    name: string,
    args: readonly unknown[],
    named: ReadonlyMap<string, unknown> | undefined,
    hasNestedCall: boolean,
  ) {
    this.name = name;
    this.args = args;
    this.named = named;
    this.hasNestedCall = hasNestedCall;
  }
}

/** The name of the Call that replaces an object with an invalid key. No text can write this name. Its first argument
 *  describes the invalid key, and binding the call reports it. The other arguments are the object's values, which may
 *  contain calls. */
export const ODD_OBJECT = "{}";

export class Assignment {
  readonly name: string;
  readonly value: unknown;
  /** whether the value is a Call or contains one */
  readonly hasNestedCall: boolean;

  constructor(name: string, value: unknown, hasNestedCall: boolean) {
    this.name = name;
    this.value = value;
    this.hasNestedCall = hasNestedCall;
  }
}

/** A Call, an Assignment, or a value. */
export type Statement = unknown;
export type Tree = readonly Statement[];
