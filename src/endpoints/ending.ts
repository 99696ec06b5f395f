/**
 * Ending: a connection from its start to its close. Whatever ends it comes through here: the peer is told why, gets FIN and a
 * moment to take it, and all that waits on this side is told once. docs/protocol.md, section 6.
 */
import type { Timer } from "../clock.ts";
import { asHbiError, failure, type HbiError, oneLine } from "../errors.ts";
import { encodePacket } from "../wire/packet.ts";
import type { Transport } from "../wire/transport.ts";
import type { BeginGate } from "./begin-gate.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { HostingEnd } from "./hosting-end.ts";
import type { IdleWatch } from "./idle-watch.ts";
import type { Keeper } from "./keeper.ts";
import type { PostingEnd } from "./posting-end.ts";
import type { ReadTurn } from "./read-turn.ts";
import { ignore } from "./waits.ts";

const LINGER_BYTES = 256 * 1024;
const LINGER_MS = 1_000;
/** What is not begun has not landed. */
export const NOT_LANDED = { mayHaveLanded: false };
const PEER_CLOSED = "the peer closed without a reason";

type State = "starting" | "open" | "closing" | "closed";

/** The connection that ends, with both of its ends. */
export interface WholeKeeper extends Keeper {
  readonly posting: PostingEnd;
  readonly hosting: HostingEnd;
}

export class Ending {
  readonly closed: Promise<HbiError | undefined>;
  readonly #connection: WholeKeeper;
  readonly #transport: Transport;
  readonly #reading: ReadTurn;
  readonly #beginGate: BeginGate;
  readonly #idle: IdleWatch | undefined;
  #onLost: ConnectionOptions["onLost"];
  #resolveClosed: (reason: HbiError | undefined) => void = ignore;
  #state: State = "starting";
  #hasPeerEnded = false;
  #reason: HbiError | undefined;
  #discardedBytes = 0;
  #timer: Timer | undefined;

  constructor(
    connection: WholeKeeper,
    transport: Transport,
    reading: ReadTurn,
    beginGate: BeginGate,
    idle: IdleWatch | undefined,
    onLost: ConnectionOptions["onLost"],
  ) {
    this.#connection = connection;
    this.#transport = transport;
    this.#reading = reading;
    this.#beginGate = beginGate;
    this.#idle = idle;
    this.#onLost = onLost;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get state(): State {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state === "starting" || this.#state === "open";
  }

  /** Whether the peer sends no more. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  /** The init hooks have run. @throws HbiError when it has ended meanwhile */
  started(): void {
    if (this.#state !== "starting") throw this.#reason ?? failure("disconnected");
    this.#state = "open";
  }

  /** @throws HbiError unavailable */
  checkOpen(): void {
    if (!this.isOpen) throw failure("disconnected", this.#reason?.message, { ...NOT_LANDED, cause: this.#reason });
  }

  /** @throws HbiError unavailable: there would be no answer */
  checkPeer(): void {
    if (this.#hasPeerEnded) throw failure("disconnected", PEER_CLOSED, NOT_LANDED);
  }

  // --- by the peer ---------------------------------------------------------------------------------------------------

  onEnd(): void {
    if (this.#hasPeerEnded) return;
    this.#hasPeerEnded = true;
    this.#connection.pump();
    // What it has said may not be taken yet, but it answers nothing new: whoever calls had better go elsewhere.
    if (this.isOpen && this.#onLost !== undefined) this.#connection.peerGoesAway(undefined);
  }

  /** The peer sends no more, and all that came is handled: finish what it began, say what it can no longer answer. */
  finishAfterEnd(): void {
    if (!this.isOpen) return;
    const { hosting, posting, turn } = this.#connection;
    if (this.#reading.phase !== "idle" || this.#reading.owner !== undefined) {
      this.cut(failure("truncated"));
      return;
    }
    const error = failure("disconnected", PEER_CLOSED);
    if (posting.isSending) {
      this.end(error); // half a conversation is on the wire: an answer behind it would not be read as one
      return;
    }
    this.#tellLost(undefined);
    posting.loseAll(error);
    if (hosting.liveCount === 0 && turn.isIdle) this.end(undefined);
  }

  // --- by this side --------------------------------------------------------------------------------------------------

  async disconnect(reason?: string): Promise<void> {
    const words = reason === undefined ? "" : oneLine(reason);
    this.end(undefined, failure("disconnected", words === "" ? "by this side" : words), words);
    await this.closed;
  }

  cut(error: HbiError): void {
    if (!this.isOpen) return;
    this.#connection.report(error, "connection");
    const words = oneLine(error.message);
    this.end(error, failure("disconnected", words, { cause: error }), words);
  }

  #say(line: string): void {
    // Inside somebody's raw data it would be taken as data.
    const { holder } = this.#connection.turn;
    const isInRawData = holder !== undefined && "isInRawData" in holder && holder.isInRawData === true;
    if (!isInRawData && line !== "") this.#connection.wire.text(encodePacket("err", line));
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** FIN, and so long for the peer to take what was written.
   *  @param reason undefined: in peace
   *  @param told to all that waits here
   *  @param words the last ones, to the peer */
  end(reason: HbiError | undefined, told = reason ?? failure("disconnected"), words = ""): void {
    if (!this.isOpen) return;
    const { clock, limits, wire } = this.#connection;
    this.#state = "closing"; // before anything is said: it may be too much for the wire, which then cuts
    this.#reason = reason;
    this.#stop();
    this.#say(words);
    wire.end();
    this.#loseAll(told);
    const lingerMs = reason === undefined ? limits.closeTimeoutMs : LINGER_MS;
    this.#timer = clock.after(lingerMs, () => this.#transport.destroy());
  }

  /** What still comes while it closes. */
  discard(bytes: number): void {
    this.#discardedBytes += bytes;
    if (this.#discardedBytes > LINGER_BYTES) this.#transport.destroy();
  }

  /** The transport has closed. */
  onClose(error?: Error): void {
    if (this.#state === "closed") return;
    const wasOpen = this.isOpen;
    if (wasOpen) {
      const cause = error === undefined ? {} : { cause: error };
      this.#reason = failure("disconnected", "the connection was lost", cause);
    }
    this.#state = "closed";
    this.#stop();
    this.#timer?.cancel();
    if (wasOpen) this.#loseAll(this.#reason ?? failure("disconnected"));
    this.#connection.wire.destroy();
    void this.#cleanup();
  }

  #stop(): void {
    this.#reading.stop();
    this.#beginGate.stop();
    this.#idle?.stop();
  }

  /** Once, and before the waits are told: who sends again at once must not come here. */
  #tellLost(reason: HbiError | undefined): void {
    const onLost = this.#onLost;
    this.#onLost = undefined;
    try {
      onLost?.(reason);
    } catch (thrown) {
      this.#connection.report(asHbiError(thrown), "onLost"); // who waits must be told all the same
    }
  }

  #loseAll(error: HbiError): void {
    const { hosting, posting, turn, waits } = this.#connection;
    this.#tellLost(this.#reason);
    turn.close();
    posting.loseAll(error);
    waits.loseAll(error);
    hosting.loseAll(error);
  }

  async #cleanup(): Promise<void> {
    try {
      await this.#connection.env.runCleanup(this.#reason);
    } catch (thrown) {
      this.#connection.report(asHbiError(thrown), "cleanup");
    }
    this.#connection.env.detach();
    this.#resolveClosed(this.#reason);
  }
}
