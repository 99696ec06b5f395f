/**
 * Receiving, for both kinds of conversation: objects, landed as values only, and raw data.
 */
import type { z } from "zod";
import { bodyTooBig, failure, HbiError, ownError, type Reason } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { prepareLate } from "../../registry/prepared-schema.ts";
import { meant, validate } from "../../registry/validate.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { asBytes, type Buffers } from "../lane/buffers.ts";
import type { Lane } from "../lane/lane.ts";
import { DISCARDED, type RawIntake, tooFew } from "../lane/raw-intake.ts";
import { checkWait, type Wait, type WaitHints, type WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import { landObject } from "./land-object.ts";

export type Schema = z.core.$ZodType;
export type SchemaOutput<S extends Schema | undefined> = S extends Schema ? z.output<S> : unknown;

interface ObjectWait {
  readonly wait: Wait<unknown>;
  readonly schema: Schema | undefined;
  readonly env: HostingEnv | undefined;
}

/** The conversation that receives. */
export interface Receiving {
  /** lands the objects */
  readonly env: HostingEnv;
  readonly limits: Limits;
}

/** The conversation, which may get its lane later. */
interface LaneHolder {
  readonly lane: Lane;
}

export class CoReceiver {
  readonly intake: RawIntake;
  readonly #connection: Connection;
  readonly #co: Receiving;
  /** objects that arrived before they were requested */
  #objects: string[] | undefined;
  #heldBytes = 0;
  #waiting: ObjectWait[] | undefined;
  #isReceivingData = false;
  /** why nothing more is received */
  #failure: HbiError | undefined;

  readonly #holder: LaneHolder;
  constructor(connection: Connection, holder: LaneHolder, co: Receiving, intake: RawIntake) {
    this.#connection = connection;
    this.#holder = holder;
    this.#co = co;
    this.intake = intake;
  }

  get isWaitingForObject(): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return false;
    while (waiting[0]?.wait.isSettled === true) waiting.shift();
    return waiting.length > 0;
  }

  get hasObject(): boolean {
    return this.#objects !== undefined && this.#objects.length > 0;
  }

  /** Whether one more object may be held until it is requested. */
  get hasRoom(): boolean {
    return this.#heldBytes < this.#connection.limits.maxBufferedBytes;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#connection.account.unread += bytes;
  }

  /** Drops what was received and not requested. */
  drop(): void {
    this.#objects = undefined;
    this.#hold(-this.#heldBytes);
  }

  async object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    hints: WaitHints = {},
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    checkWait(options);
    this.#check();
    const text = this.#objects?.shift();
    let value: unknown;
    if (text === undefined) {
      const wait = this.#connection.waits.start<unknown>(options, hints);
      this.#waiting ??= [];
      this.#waiting.push({ wait, schema, env });
      this.#holder.lane.pump();
      value = await wait.promise;
    } else {
      this.#hold(-text.length - ENTRY_COST_BYTES);
      this.#holder.lane.pump();
      value = this.#checked(landObject(text, env ?? this.#co.env, this.#co.limits), schema);
    }
    return value as SchemaOutput<S>; // validated by that schema
  }

  /** Passes the object to the first waiting receiver, or keeps it. Returns true if it was an error of the peer. */
  onObject(text: string): boolean {
    if (!this.isWaitingForObject) {
      this.#objects ??= [];
      this.#objects.push(text);
      this.#hold(text.length + ENTRY_COST_BYTES);
      return false;
    }
    const waiting = this.#waiting?.shift();
    if (waiting === undefined) return false;
    let value: unknown;
    try {
      value = landObject(text, waiting.env ?? this.#co.env, this.#co.limits);
      waiting.wait.settle(this.#checked(value, waiting.schema));
    } catch (thrown) {
      waiting.wait.fail(ownError(thrown) ?? failure("handler", undefined, { cause: thrown }));
    }
    return value instanceof HbiError;
  }

  /** @throws HbiError of the peer if the object is one; otherwise why it is refused */
  #checked(value: unknown, schema: Schema | undefined): unknown {
    if (value instanceof HbiError) throw value;
    if (schema === undefined) return value;
    prepareLate(schema);
    const isOurs = this.#connection.posting.knowsExtension;
    return validate(schema, meant(value, schema, isOurs), "bad_argument", "object");
  }

  /** The awaited objects will not arrive. */
  failObjects(reason: Reason, where?: string): void {
    if (this.#waiting !== undefined && this.#waiting.length > 0) this.#failWaiting(failure(reason, where)); // creating an error costs more than a packet
  }

  #failWaiting(error: HbiError): void {
    for (const { wait } of this.#waiting?.splice(0) ?? []) wait.fail(error);
  }

  /** Nothing more is received: waiting and later receivers fail. */
  fail(error: HbiError): void {
    this.#failure ??= error;
    this.#failWaiting(error);
    this.intake.fail(error);
    this.drop();
  }

  /** Fills the buffers. `isManual`: the requested bytes are the next ones on the wire. */
  async data(into: Buffers, isManual: boolean, options: WaitOptions): Promise<void> {
    checkWait(options);
    this.#beginData(isManual);
    try {
      if (ArrayBuffer.isView(into)) return await this.#fill(asBytes(into), isManual, options);
      for await (const view of into) await this.#fill(asBytes(view), isManual, options);
    } finally {
      this.#isReceivingData = false;
    }
  }

  async #fill(target: Uint8Array, isManual: boolean, options: WaitOptions): Promise<void> {
    this.#check();
    if (target.length === 0) return;
    this.#expect(target.length, isManual);
    const filled = this.intake.fillNow(target);
    if (filled === target.length)
      this.#holder.lane.pump(); // there is room again
    else if (this.intake.isAtEnd) throw tooFew(target.length, filled);
    else await this.#later(options, target.length - filled, target, filled);
  }

  #later(options: WaitOptions, maxBytes: number, target?: Uint8Array, filled?: number): Promise<Uint8Array> {
    const wait = this.#connection.waits.start<Uint8Array>(options);
    const arrived = this.intake.later(wait, maxBytes, target, filled);
    this.#holder.lane.pump();
    return arrived;
  }

  async *chunks(byteLength: number, isManual: boolean, options: WaitOptions): AsyncGenerator<Uint8Array, void, void> {
    checkWait(options);
    this.#beginData(isManual);
    let left = byteLength;
    try {
      this.#check();
      if (left > 0) this.#expect(left, isManual);
      const { discards } = this.intake;
      while (left > 0) {
        this.#check();
        if (this.intake.discards !== discards) throw failure("wrong_stage", DISCARDED);
        const chunk = this.intake.nextNow(left) ?? (this.intake.isAtEnd ? undefined : await this.#later(options, left));
        if (chunk === undefined || chunk.length === 0) {
          if (byteLength === TO_THE_END) break;
          throw tooFew(byteLength, byteLength - left);
        }
        left -= chunk.length;
        this.#holder.lane.pump();
        yield chunk;
      }
    } finally {
      this.#isReceivingData = false;
      if (left > 0 && isManual) {
        this.intake.discard(); // what was asked for comes all the same
        this.#holder.lane.pump();
      }
    }
  }

  #expect(bytes: number, isManual: boolean): void {
    const { unreadBytes } = this.intake;
    if (bytes <= unreadBytes) return;
    const left = unreadBytes + (this.intake.unannouncedBytes ?? Number.POSITIVE_INFINITY);
    if (!isManual || bytes > left) {
      throw tooFew(bytes, isManual ? left : unreadBytes);
    }
    const { maxBodyBytes } = this.#connection.limits;
    if (bytes > maxBodyBytes) {
      this.intake.doubt();
      throw bodyTooBig(bytes, maxBodyBytes);
    }
    this.intake.announce(bytes - unreadBytes);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #beginData(isManual: boolean): void {
    if (this.#isReceivingData) {
      if (isManual) this.intake.doubt();
      throw failure("wrong_stage", "raw data is already being received");
    }
    this.#isReceivingData = true;
  }
}
