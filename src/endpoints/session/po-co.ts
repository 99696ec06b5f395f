/**
 * PoCo: a conversation that this side starts, as an application uses it: it sends, then receives the answer.
 * docs/protocol.md, section 4.
 */
import { aBoolean, aCount, aFunction, anObject, anything, aString, type OptionsOf } from "../../options.ts";
import type { Script } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { type Metadata, NO_METADATA } from "../conversation/metadata.ts";
import type { Buffers } from "../lane/buffers.ts";
import { checkWait, handled, markHandled, WAIT_OPTIONS, type WaitOptions } from "../waits.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import type { AnswerOptions } from "./po-answer.ts";
import type { PromiseOptions } from "./po-sender.ts";
import { PostedCo } from "./posted-co.ts";

export interface CoOptions extends WaitOptions, PromiseOptions, AnswerOptions {
  /** Travels with the conversation: its handlers read it as `co.metadata`. Dropped for a peer without the extension. */
  readonly metadata?: Metadata | undefined;
  /** for the library only: it has a lane of its own, or fails */
  readonly needsLane?: boolean | undefined;
  /** for the library only: its answer may be silent for long, as a stream of values is */
  readonly isPatient?: boolean | undefined;
  /** for the library only: the first form in its script that only peers of this library can read */
  readonly onlyOurs?: string | undefined;
}

export const CO_OPTIONS: OptionsOf<CoOptions> = {
  ...WAIT_OPTIONS,
  hasNoRawData: aBoolean,
  rawBytes: aCount,
  isOpenEnded: aBoolean,
  needsLane: aBoolean,
  isPatient: aBoolean,
  env: anObject,
  hasNoRawAnswer: aBoolean,
  answerBytes: aFunction,
  dropsObjects: aBoolean,
  metadata: anything, // checked when it is written
  limits: anything, // of the library only
  onlyOurs: aString,
};

export class PoCo extends PostedCo {
  /** Aborts when the conversation is cancelled or lost: for handlers of scripts in the answer. */
  get signal(): AbortSignal {
    return this.signals.cancelled(this.failure);
  }

  /** Whether `signal` has aborted, or would have if it existed. */
  get isGivenUp(): boolean {
    return this.failure !== undefined;
  }

  /** Aborts when this side begins to drain: for handlers of scripts in the answer. Until these have ended, nothing that
   *  the peer sends later is read. */
  get draining(): AbortSignal {
    return this.signals.draining(this.at.isOver);
  }

  /** The metadata of a script in the answer: none travels with it. */
  get metadata(): Metadata {
    return NO_METADATA;
  }

  /** Milliseconds left for a handler of a script in the answer. */
  get remainingMs(): number {
    return this.limits.handlerTimeoutMs;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, which the host lands for its effects. `send` stage only. Resolves when more may be sent. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.sender.send("", code, options));
  }

  /** Sends an object for a `recvObj` of the method called before, as code that yields a value: `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.sender.send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable, whose length the called method must know. A buffer
   *  may be changed when the promise has resolved, or when the next buffer of the iterable is requested. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.sender.data(buffers, options));
  }

  /** Declares that everything is sent. Resolves when it is handed to the wire. Optional: receiving and closing do
   *  it. */
  finishSend(options: WaitOptions = {}): Promise<void> {
    return handled(async () => {
      checkWait(options);
      this.toRecv();
      await this.whenSent(options);
    });
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Declares that everything is sent, and waits until the answer begins. Optional before `recvObj` and the other
   *  receiving methods. */
  startRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.untilAnswered(options));
  }

  /** Receives an object of the answer; scripts before it are landed first. Without a schema it is `unknown`.
   *  @throws HbiError of the peer; failed_precondition if the answer ends without one; invalid_argument if it is
   *  refused; unavailable */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.answer.object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.answer.object(schema, options, env));
  }

  /** Fills one buffer, or each buffer of an iterable, with raw data of the answer. Both sides must agree on the length,
   *  which the wire does not carry (docs/protocol.md, section 5). */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.answer.data(into, options));
  }

  /** The next `byteLength` raw bytes of the answer as they arrive, without a copy. */
  recvChunks(byteLength = this.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.answer.chunks(byteLength, options);
  }

  /** Requests the value of `code`: HBI's `co_send`, then `recvObj`. */
  getObj<S extends Schema | undefined = undefined>(
    code: string | Script,
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    return markHandled(this.#askedObject(code, schema as S, options));
  }

  async #askedObject<S extends Schema | undefined>(
    code: string | Script,
    schema: S,
    options: WaitOptions,
  ): Promise<SchemaOutput<S>> {
    const { answer } = this;
    const sent = this.sender.send("co_send", code, options);
    answer.requests += 1; // first: it may be answered while the rest is not read
    try {
      await sent;
    } catch (thrown) {
      answer.requests -= 1;
      throw thrown;
    }
    return answer.object(schema, options);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Waits until the host has landed everything and has answered, which is the only proof of it. Declares that
   *  everything is sent; scripts of the answer are landed. @throws HbiError of the peer if it refused or failed;
   *  unavailable, with `mayHaveLanded` */
  waitCompleted(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.untilCompleted(options));
  }

  /** Ends the conversation on this side: what is not sent yet goes out, and scripts of the answer are still landed.
   *  Resolves when the request is handed to the wire. */
  close(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.untilClosed(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
