/**
 * HoCo: a conversation that the peer started and this side hosts, as handlers have it in hand. What happens in it is HoCourse's,
 * what it writes HoSender's. docs/protocol.md, "the host".
 */
import type { Chained } from "../../chain.ts";
import type { HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { Script } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import type { HoStage } from "../conversation/stages.ts";
import type { Token } from "../conversation/token.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Buffers, RawIntake } from "../lane/raw-intake.ts";
import { markHandled, rawOptions, type WaitOptions } from "../waits.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { HoCourse } from "./ho-course.ts";

export class HoCo implements BracketReader, Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly intake: RawIntake;
  readonly #course: HoCourse;

  constructor(connection: Connection, env: HostingEnv, token: Token) {
    this.#course = new HoCourse(this, connection, env, token);
    this.intake = this.#course.intake;
  }

  /** The conversation's id as the peer counts. */
  get coSeq(): string {
    return this.#course.token.seq;
  }

  get stage(): HoStage {
    return this.#course.stage;
  }

  get limits(): Limits {
    return this.#course.limits;
  }

  /** Whether the poster speaks the extension, so that a failure can be told without ending the connection. */
  get isExtended(): boolean {
    return this.#course.token.isExtended;
  }

  /** Milliseconds until the poster, or the limit on handlers, gives up. */
  get remainingMs(): number {
    return this.#course.remainingMs;
  }

  /** Aborts when the conversation is given up: its deadline has passed, a later statement failed, or the peer is gone. */
  get signal(): AbortSignal {
    return this.#course.signal;
  }

  /** Whether `signal` has aborted, or would have. */
  get isGivenUp(): boolean {
    return this.#course.failure !== undefined;
  }

  /** Aborts when either side begins to drain: the connection closes when its handlers have ended. */
  get draining(): AbortSignal {
    return this.#course.draining;
  }

  /** The environment that lands the conversation's packets, from the next one on. */
  get env(): HostingEnv {
    return this.#course.env;
  }

  set env(env: HostingEnv) {
    this.#course.env = env;
  }

  /** The raw bytes of the present call that nobody has read. */
  get unreadBytes(): number {
    return this.intake.unreadBytes;
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Receives an object that the peer sent by `sendObj`; without a schema it is `unknown`.
   *  @throws HbiError failed_precondition when the peer sends something else, invalid_argument when it is refused */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#course.object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#course.object(schema, options, env));
  }

  /** Fills one buffer, or each of an iterable in turn, with the raw bytes that the peer sent by `sendData`.
   *
   *  Within the length that the method declares; a method with `body: "manual"` says it by what it asks for.
   *  @throws HbiError out_of_range beyond the declared length, unavailable */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.receiver.data(into, this.#course.isManual, rawOptions(options)));
  }

  /** The next `byteLength` raw bytes as they arrive, in the wire's own chunks and without a copy; by default the rest of
   *  the declared length. */
  recvChunks(byteLength = this.intake.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.#course.receiver.chunks(byteLength, this.#course.isManual, rawOptions(options));
  }

  /** Skips what is unread of the present raw data, so that what stands behind it can be read. */
  discardData(): void {
    this.#course.discardData();
  }

  /** Waits until the peer has sent everything of the conversation; from then on the wire serves others. Not needed: it
   *  happens by itself when the script has its data. */
  finishRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.finishRecv(options));
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, landed by the poster for its effects. Small sends are kept together until the handler has returned;
   *  `startSend` first sends them as they come. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.sender.send("", code, options));
  }

  /** Sends an object, for the poster's `recvObj`. It is code that yields a value: `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.sender.send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable. A buffer may be changed when the promise resolved,
   *  or when the next one of the iterable is asked for. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.sender.data(buffers, options));
  }

  /** Takes the send turn: what is sent goes out at once, and nobody else sends on this connection until the handler has
   *  returned. A handler that waits for an answer on the same connection meanwhile blocks itself. */
  startSend(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.startSend(options));
  }

  /** Ends the answer now, while the handler goes on without the conversation. */
  close(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.close(options));
  }

  // --- called by the connection and its hosting end ------------------------------------------------------------------

  /** Of the script that waits for a place. */
  get storedBytes(): number {
    return this.#course.storedBytes;
  }

  /** There is a place for the script that waits. */
  landStored(): void {
    this.#course.landStored();
  }

  get wantsRaw(): boolean {
    return this.intake.wantsBytes;
  }

  checkPosition(): void {
    this.intake.check();
  }

  takeRaw(reader: PacketReader): boolean {
    return this.intake.take(reader);
  }

  get wantsPacket(): boolean {
    return this.#course.wantsPacket;
  }

  onPacket(packet: Packet): boolean {
    return this.#course.onPacket(packet);
  }

  /** The poster waits no more. */
  cancel(): void {
    this.#course.cancel();
  }

  /** The connection is gone. */
  lose(error: HbiError): void {
    this.#course.lose(error);
  }
}
