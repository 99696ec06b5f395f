/**
 * The landed tree: what a script is after reading and before checking. A script is an array of statements; a statement is
 * a Call, an Assignment, or a plain value. Values are plain JavaScript data in which a Call may stand anywhere: no peer
 * text can make an instance of these classes by other means, so `instanceof` tells them apart safely.
 */

export class Call {
  /** dotted name, looked up whole: "svc.ping" */
  readonly name: string;
  /** positional arguments */
  readonly args: readonly unknown[];
  /** keyword arguments, in written order; undefined when there are none */
  readonly named: ReadonlyMap<string, unknown> | undefined;
  /** whether a Call stands somewhere in the arguments */
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

/** What is called where an object has a key that no object here can have. No text can write this name, and whoever binds the call is told
 *  what is wrong, its first argument. The others are what the object holds: there may be calls in it. */
export const ODD_OBJECT = "{}";

export class Assignment {
  readonly name: string;
  readonly value: unknown;
  /** whether a Call is the value or stands somewhere in it */
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
