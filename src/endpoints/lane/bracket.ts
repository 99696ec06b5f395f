/**
 * Bracket: what one conversation writes between its opening and closing packets. Small sends are collected and go out
 * in one write when the bracket is complete. A longer bracket takes the send turn and holds it until it is closed.
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import { CHUNK_COST_BYTES } from "../../wire/packet-reader.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { ignore, markHandled, type Wait, type WaitOptions } from "../waits.ts";
import type { Lane } from "./lane.ts";
import { PATIENCE_MS, type TurnTaker, turnHeld } from "./send-turn.ts";

/** The most that is collected before the send turn is taken. */
const MAX_BUILT_BYTES = 64 * 1024;

/** What provides raw data, and is told when no more is sent. */
interface Stoppable {
  stop(error: HbiError): void;
}

/** For raw data that nobody reads. */
const NOTHING = new Uint8Array(16 * 1024);

/** The conversation that writes it. */
export interface BracketOwner {
  /** for error messages: "conversation 101" */
  readonly label: string;
  /** Whether the peer requested what is written. */
  readonly isAnswer: boolean;
  /** The first packet. Called once, when it goes to the wire. */
  opening(): string;
  /** The last packet. Called once, when it goes to the wire. */
  ending(): string;
  /** Requests the send turn: at once, or through the gate of posted conversations. */
  enterTurn(bracket: Bracket): void;
  /** Withdraws the request. */
  leaveTurn(bracket: Bracket): void;
  bracketClosed(bracket: Bracket): void;
}

/** `due`: requests the turn at the end of this tick; `held`: has the turn and nothing to write yet; `aside`: lets
 *  others go first for now. */
type BracketState = "building" | "due" | "waiting" | "held" | "aside" | "open" | "closed";

export class Bracket implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** may change until the send turn is requested */
  lane: Lane;
  awaited: Promise<unknown> | undefined;
  readonly #owner: BracketOwner;
  /** collected and not written: text alone, and what precedes it if there is raw data as well */
  #text = "";
  #pieces: (string | Uint8Array)[] | undefined;
  #builtBytes = 0;
  #state: BracketState = "building";
  #isReady = true;
  #isWhole = false;
  #isStarted = false;
  #isInRawData = false;
  #rawBytes = 0;
  /** buffers that wait for the send turn */
  #unwritten = 0;
  /** what the host was told to expect: more would be read as packets */
  mostRawBytes = Number.POSITIVE_INFINITY;
  #opened: Wait<void>[] | undefined;
  /** what provides the raw data */
  #feed: Stoppable | undefined;

  constructor(lane: Lane, owner: BracketOwner) {
    this.lane = lane;
    this.#owner = owner;
  }

  get label(): string {
    return this.#owner.label;
  }

  /** Whether part of it is on the wire. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Whether nothing more will be appended. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get builtBytes(): number {
    return this.#builtBytes;
  }

  /** Whether raw data has begun and not finished, so that a packet would be read as part of it. */
  get isInRawData(): boolean {
    return this.#isInRawData || this.#unwritten > 0;
  }

  /** Whether a buffer waits for the send turn. */
  get hasUnwritten(): boolean {
    return this.#unwritten > 0;
  }

  /** The number of raw bytes appended so far. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /** Appends a packet. Resolves when the caller may continue; undefined means at once. */
  text(packet: string, options: WaitOptions): Promise<void> | undefined {
    this.#checkOpenEnded();
    if (this.#state === "open") {
      this.lane.wire.text(packet);
      return this.lane.wire.whenWritable();
    }
    this.#text += packet;
    this.#built(packet.length + ENTRY_COST_BYTES);
    return this.#builtBytes > MAX_BUILT_BYTES ? this.open(options) : undefined;
  }

  /** Appends a packet without requesting the turn, however much is collected; the caller bounds it. */
  build(packet: string): void {
    if (this.#state === "open") this.lane.wire.text(packet);
    else {
      this.#text += packet;
      this.#built(packet.length + ENTRY_COST_BYTES);
    }
  }

  #built(bytes: number): void {
    this.#builtBytes += bytes;
    this.lane.built(this.#owner.isAnswer, bytes);
  }

  /** Appends raw data. When it resolves, the caller may change the buffer. */
  bytes(chunk: Uint8Array, options: WaitOptions): Promise<void> | undefined {
    this.#checkOpenEnded();
    if (chunk.length === 0) return undefined; // no data puts nothing on the wire
    if (this.#rawBytes + chunk.length > this.mostRawBytes) throw failure("body_mismatch", "more than promised");
    this.#rawBytes += chunk.length;
    if (this.#state === "open") return this.lane.wire.bytes(chunk);
    if (this.#builtBytes + chunk.length <= MAX_BUILT_BYTES) {
      this.#pieces ??= [];
      if (this.#text !== "") this.#pieces.push(this.#text);
      this.#pieces.push(chunk.slice());
      this.#text = "";
      this.#built(chunk.length + CHUNK_COST_BYTES);
      return undefined;
    }
    return this.#bytesWhenOpen(chunk, options);
  }

  async #bytesWhenOpen(chunk: Uint8Array, options: WaitOptions): Promise<void> {
    this.#unwritten += 1;
    await this.open(options); // if it fails, the mark stays, because the data was not sent
    this.#checkOpenEnded(); // it may have been cancelled while it waited
    this.#unwritten -= 1;
    await this.lane.wire.bytes(chunk);
  }

  /** Nothing may be written after the last packet: it would be read as part of the next conversation.
   *  @throws HbiError failed_precondition */
  #checkOpenEnded(): void {
    if (this.#isWhole || this.#state === "closed") throw failure("wrong_stage", `${this.label} is closed`);
  }

  /** @param feed what provides it, until it is closed or nothing more is sent */
  beginRawData(feed?: Stoppable): void {
    this.#isInRawData = true;
    if (feed !== undefined) this.#feed = feed;
  }

  endRawData(): void {
    this.#isInRawData = false;
    this.#feed = undefined;
  }

  /** The host has refused the conversation, and waits for the rest all the same: nothing more is taken from a source.
   *  @param missingBytes of raw data, which are made up, as nobody reads them; undefined if the rest is never sent, and
   *  with it nothing else of this lane */
  stop(error: HbiError, missingBytes: number | undefined): void {
    const feed = this.#feed;
    this.endRawData();
    if (missingBytes === undefined) {
      this.#isInRawData = true;
      this.#isWhole = true;
    } else {
      for (let left = missingBytes; left > 0; left -= NOTHING.length) {
        this.lane.wire.own(left < NOTHING.length ? NOTHING.subarray(0, left) : NOTHING);
      }
      this.#rawBytes += missingBytes;
      this.close();
    }
    feed?.stop(error);
  }

  /** Requests the send turn without waiting for it. */
  ask(): void {
    if (this.#state !== "building" && this.#state !== "due") return;
    this.#state = "waiting";
    this.#owner.enterTurn(this);
  }

  /** Requests the turn at the end of this tick: what is collected by then goes out, complete or not, so that the host
   *  can begin. */
  askSoon(): void {
    if (this.#state !== "building") return;
    this.#state = "due";
    this.lane.session.clock.soon(() => this.ask());
  }

  /** Requests the send turn before there is anything to write, until `ready` settles, so that it keeps its position in
   *  the queue. If this takes longer than the current turn of the event loop, others go first, because `ready` may
   *  depend on them. @param isIndependent it cannot, so they wait for it for `PATIENCE_MS` */
  standBy(ready: Promise<unknown>, isIndependent: boolean): void {
    this.#isReady = false;
    if (isIndependent) this.awaited = ready;
    const go = (): void => {
      this.#isReady = true;
      if (this.#state === "held") this.#open();
      if (this.#state !== "aside") return;
      this.#state = "waiting";
      this.lane.turn.request(this);
    };
    ready.then(go, ignore); // a failing source cancels the conversation
    this.ask();
  }

  /** Waits for the send turn. @throws HbiError deadline_exceeded, naming the conversation that holds it */
  open(options: WaitOptions): Promise<void> | undefined {
    this.ask();
    if (this.#state === "open") return undefined;
    if (this.#state === "closed") return markHandled(Promise.reject(failure("wrong_stage", `${this.label} is closed`)));
    const wait = this.lane.session.waits.start<void>(options, { onTimeout: () => turnHeld(this.lane.turn) });
    this.#opened ??= [];
    this.#opened.push(wait);
    return wait.promise;
  }

  /** Resolves when everything appended is on the wire and more may follow. */
  async sent(options: WaitOptions): Promise<void> {
    if (this.#state !== "closed") await this.open(options);
    await this.lane.wire.whenWritable();
  }

  /** Nothing more is appended. The turn passes on as soon as the last packet is written. */
  close(): void {
    if (this.#state === "closed" || this.#isWhole) return;
    this.#isWhole = true;
    if (this.#state === "open") this.#finish();
    else this.ask();
  }

  /** Drops what was collected and not sent. */
  dropBuilt(): void {
    this.#text = "";
    this.#pieces = undefined;
    if (this.#builtBytes > 0) this.#built(-this.#builtBytes);
  }

  /** Cancels: nothing more is written. The wire is unaffected only if nothing was sent yet. */
  withdraw(error: HbiError): void {
    if (this.#state === "closed") return;
    const hadTurn = this.#state === "open" || this.#state === "held";
    if (this.#state === "waiting" || this.#state === "aside") this.#owner.leaveTurn(this);
    this.#state = "closed";
    this.dropBuilt();
    for (const wait of this.#opened ?? []) wait.fail(error);
    this.#opened = undefined;
    this.#feed?.stop(error);
    this.#feed = undefined;
    this.#owner.bracketClosed(this);
    if (hadTurn) this.lane.turn.release(this);
  }

  granted(): void {
    if (this.#isReady) {
      this.#open();
      return;
    }
    this.#state = "held";
    const stepAside = (): void => {
      if (this.#state !== "held") return;
      this.#state = "aside";
      this.lane.turn.release(this);
    };
    const { clock } = this.lane.session;
    if (this.awaited === undefined) clock.soon(stepAside);
    else clock.after(PATIENCE_MS, stepAside);
  }

  #open(): void {
    this.#state = "open";
    this.#isStarted = true;
    const { wire } = this.lane;
    const opening = this.#owner.opening();
    const isWhole = this.#isWhole; // then everything is one write
    const end = isWhole ? this.#owner.ending() : "";
    if (this.#pieces === undefined) wire.text(opening + this.#text + end);
    else {
      wire.text(opening);
      for (const piece of this.#pieces) {
        if (typeof piece === "string") wire.text(piece);
        else wire.own(piece);
      }
      wire.text(this.#text + end);
    }
    this.dropBuilt();
    if (this.#opened !== undefined) {
      for (const wait of this.#opened) wait.settle();
      this.#opened = undefined;
    }
    if (isWhole) this.#closed();
  }

  #finish(): void {
    this.lane.wire.text(this.#owner.ending());
    this.#closed();
  }

  #closed(): void {
    this.#state = "closed";
    this.#owner.bracketClosed(this);
    this.lane.turn.release(this);
  }
}
