/**
 * Closing: a connection from its start to its close. Everything that ends it passes through here: the peer learns the
 * reason, gets FIN and some time to receive it, and everything that waits on this side fails once. docs/protocol.md,
 * section 6.
 */
import { afterHearing, type Timer } from "../../clock.ts";
import { asHbiError, digits, failure, HbiError, oneLine } from "../../errors.ts";
import type { Transport } from "../../wire/transport.ts";
import { linked, type Table } from "../conversation/stages.ts";
import { ignore } from "../waits.ts";
import type { BeginGate } from "./begin-gate.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { IdleWatch } from "./idle-watch.ts";
import type { Keepalive } from "./keepalive.ts";

const LINGER_BYTES = 256 * 1024;
const LINGER_MS = 1_000;
/** What has not begun has not landed. */
export const NOT_LANDED = { mayHaveLanded: false };
const PEER_CLOSED = "the peer closed without a reason";
/** For the side that has dialed. A TLS server drops plain bytes without a word. */
const NOT_A_WORD = "and without a word: does it require the option tls, or is it no HBI server?";

/** `starting`: the init hooks run; `half`: the peer has half-closed; `closing`: FIN is on its way, and the peer has
 *  some time to receive it; `parting`: the same with nothing in flight, and the peer may take as long as it continues
 *  to take what was written. */
export type ConnectionState = "starting" | "startingHalf" | "open" | "openHalf" | "closing" | "parting" | "closed";
export const CONNECTION_EVENTS = ["started", "peerEnds", "end", "part", "closes"] as const;
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number];

/** An event without an entry changes nothing: several observers may end the same connection. */
export const CONNECTION_STATES: Table<ConnectionState, ConnectionEvent> = {
  starting: { started: "open", peerEnds: "startingHalf", end: "closing", part: "parting", closes: "closed" },
  startingHalf: { started: "openHalf", end: "closing", part: "parting", closes: "closed" },
  open: { peerEnds: "openHalf", end: "closing", part: "parting", closes: "closed" },
  openHalf: { end: "closing", part: "parting", closes: "closed" },
  closing: { part: "parting", closes: "closed" }, // a drain whose connection is cut still waits for it
  parting: { closes: "closed" },
  closed: {},
};

/** `starting`: conversations may be posted; `open`: received data is landed as well; `ended`: neither. */
type ConnectionStage = "starting" | "open" | "ended";
const STAGE_OF: Readonly<Record<ConnectionState, ConnectionStage>> = {
  starting: "starting",
  startingHalf: "starting",
  open: "open",
  openHalf: "open",
  closing: "ended",
  parting: "ended",
  closed: "ended",
};

const START = linked(CONNECTION_STATES, (state) => STAGE_OF[state]).starting;

/** The watches of an open connection. */
interface Watches {
  readonly idle: IdleWatch | undefined;
  readonly keepalive: Keepalive | undefined;
}

export class Closing {
  readonly closed: Promise<HbiError | undefined>;
  readonly #connection: Connection;
  readonly #transport: Transport;
  readonly #beginGate: BeginGate;
  readonly #watches: Watches;
  #onLost: ConnectionOptions["onLost"];
  #resolveClosed: (reason: HbiError | undefined) => void = ignore;
  #at = START;
  #reason: HbiError | undefined;
  #discardedBytes = 0;
  #timer: Timer | undefined;

  constructor(
    connection: Connection,
    transport: Transport,
    beginGate: BeginGate,
    watches: Watches,
    onLost: ConnectionOptions["onLost"],
  ) {
    this.#connection = connection;
    this.#transport = transport;
    this.#beginGate = beginGate;
    this.#watches = watches;
    this.#onLost = onLost;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get isOpen(): boolean {
    return this.#at.stage !== "ended";
  }

  /** Whether the init hooks are still running. */
  get isStarting(): boolean {
    return this.#at.stage === "starting";
  }

  /** Whether received data is landed. */
  get isLanding(): boolean {
    return this.#at.stage === "open";
  }

  /** Whether the peer has half-closed while this side is open. */
  get hasPeerEnded(): boolean {
    return this.#at.state === "openHalf" || this.#at.state === "startingHalf";
  }

  /** Returns false if the event changes nothing. */
  #move(event: ConnectionEvent): boolean {
    const next = this.#at.next[event];
    if (next === undefined) return false;
    this.#at = next;
    return true;
  }

  /** The init hooks have run. @throws HbiError if the connection has ended meanwhile */
  started(): void {
    if (!this.#move("started")) throw this.#reason ?? failure("disconnected");
  }

  /** @throws HbiError unavailable */
  checkOpen(): void {
    if (!this.isOpen) throw failure("disconnected", this.#reason?.message, { ...NOT_LANDED, cause: this.#reason });
  }

  /** @throws HbiError unavailable: there would be no answer */
  checkPeer(): void {
    if (this.hasPeerEnded) throw failure("disconnected", this.#peerClosed, NOT_LANDED);
  }

  /** Whether this side has dialed, and the peer has never sent anything. */
  get #isMute(): boolean {
    return this.#connection.isDialing && !this.#connection.lane.reading.hasHeard;
  }

  get #peerClosed(): string {
    return this.#isMute ? `${PEER_CLOSED} ${NOT_A_WORD}` : PEER_CLOSED;
  }

  // --- by the peer ---------------------------------------------------------------------------------------------------

  onEnd(): void {
    if (!this.#move("peerEnds")) return;
    this.#connection.lane.pump();
    // Some of what it has sent may still be unread, but it answers nothing new: new calls should use another connection.
    if (this.isOpen && this.#onLost !== undefined) this.#connection.peerGoesAway(undefined);
  }

  /** The peer has half-closed, and everything received is handled: what it began is completed, and what it can no
   *  longer answer fails. */
  finishAfterEnd(): void {
    if (!this.isOpen) return;
    const { hosting, lane, lanes, posting } = this.#connection;
    if (lanes?.isHeldUp === true) return; // until that is handled
    const { owner, phase } = lane.reading;
    if (phase !== "idle" || (owner !== undefined && owner.mayStop !== true)) {
      this.cut(failure("truncated"));
      return;
    }
    owner?.stopped?.();
    if (!this.isOpen) return; // it was the last one of a drain
    const error = failure("disconnected", this.#peerClosed);
    if (posting.isSending) {
      this.end(error); // half a conversation is on the wire: an answer behind it would be misread
      return;
    }
    this.#tellLost(undefined);
    posting.loseAll(error);
    if (!hosting.owesAnswers && lane.turn.isIdle && lanes?.isIdle !== false) void this.part();
  }

  // --- by this side --------------------------------------------------------------------------------------------------

  async disconnect(reason?: string): Promise<void> {
    const words = reason === undefined ? "" : oneLine(reason);
    this.end(undefined, failure("disconnected", words === "" ? "by this side" : words), words);
    await this.closed;
  }

  /** An orderly close: nothing is in flight any more. The peer may take as long as it needs to receive what was
   *  written. */
  async part(): Promise<void> {
    const wasOpen = this.isOpen;
    if (this.#move("part") && wasOpen) this.#finish(undefined, failure("disconnected", "by this side"), "");
    await this.closed;
  }

  cut(error: HbiError): void {
    if (!this.isOpen) return;
    this.#connection.report(error, "connection");
    const words = oneLine(error.message);
    this.end(error, failure("disconnected", words, { cause: error }), words);
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** Sends FIN, and gives the peer time to receive what was written.
   *  @param reason undefined for an orderly close
   *  @param told the error for everything that waits on this side
   *  @param words the err for the peer */
  end(reason: HbiError | undefined, told = reason ?? failure("disconnected"), words = ""): void {
    // First, because the err may exceed the bound of the wire, which then cuts the connection.
    if (this.#move("end")) this.#finish(reason, told, words);
  }

  #finish(reason: HbiError | undefined, told: HbiError, words: string): void {
    const { lane, lanes, limits } = this.#connection;
    this.#reason = reason;
    this.#stop();
    lanes?.end(reason === undefined);
    if (reason !== undefined) this.#transport.endsFor?.(reason);
    lane.end(words);
    this.#loseAll(told);
    this.#destroyAfter(reason === undefined ? limits.closeTimeoutMs : LINGER_MS);
  }

  #destroyAfter(ms: number): void {
    const { clock, lane, limits } = this.#connection;
    this.#timer = afterHearing(clock, ms, () => {
      // The platform may still be sending what it has taken, and destroying the socket may discard that.
      const isPatient = this.#at.state === "parting";
      const leftMs = isPatient ? lane.wire.progressMs + limits.closeTimeoutMs - clock.now() : 0;
      const lingerMs = isPatient ? Math.max(leftMs, Math.min(this.#connection.transitMs, limits.closeTimeoutMs)) : 0;
      if (lingerMs > 0) this.#destroyAfter(lingerMs);
      else this.#transport.destroy();
    });
  }

  /** Data that arrives while it closes. */
  discard(bytes: number): void {
    if (this.#at.state === "closed") return;
    this.#discardedBytes += bytes;
    if (this.#discardedBytes <= LINGER_BYTES || this.#at.state === "parting") return;
    if (this.#connection.lane.wire.bufferedBytes === 0) this.#transport.destroy();
    else this.#transport.pause(); // the err has not left yet
  }

  /** The transport has closed. */
  onClose(error?: Error): void {
    const wasOpen = this.isOpen;
    if (!this.#move("closes")) return;
    if (wasOpen && error instanceof HbiError) {
      this.#connection.report(error, "connection");
      this.#reason = error;
    } else if (wasOpen) {
      const cause = error === undefined ? {} : { cause: error };
      this.#reason = failure(
        "disconnected",
        this.#isMute ? `the peer closed ${NOT_A_WORD.slice(4)}` : "the connection was lost",
        cause,
      );
    }
    this.#stop();
    this.#timer?.cancel();
    if (wasOpen) this.#loseAll(this.#reason ?? failure("disconnected"));
    this.#connection.lane.wire.destroy();
    void this.#cleanup();
  }

  #stop(): void {
    this.#beginGate.stop();
    this.#watches.idle?.stop();
    this.#watches.keepalive?.stop();
  }

  /** Once, and before the waits fail: a caller that retries at once must not come here. */
  #tellLost(reason: HbiError | undefined): void {
    const onLost = this.#onLost;
    this.#onLost = undefined;
    if (onLost !== undefined) this.#connection.hear(() => onLost(reason), "onLost"); // the waits must fail in any case
  }

  #loseAll(error: HbiError): void {
    const { account, hosting, lane, posting, waits } = this.#connection;
    lane.turn.close();
    posting.turnAway(error); // back to its link, before newer calls arrive there
    this.#tellLost(this.#reason);
    posting.loseAll(error);
    waits.loseAll(error);
    hosting.loseAll(error);
    account.close();
  }

  /** A hook that does not return must not prevent the close. */
  async #cleanup(): Promise<void> {
    const { clock, env, limits } = this.#connection;
    let timer: Timer | undefined;
    const patience = new Promise<void>((_resolve, reject) => {
      timer = clock.after(
        limits.closeTimeoutMs,
        () => reject(failure("handler_timeout", `cleanup: ${digits(limits.closeTimeoutMs)} ms (closeTimeoutMs)`)),
        true,
      );
    });
    try {
      await Promise.race([env.runCleanup(this.#reason), patience]);
    } catch (thrown) {
      this.#connection.report(asHbiError(thrown), "cleanup");
    }
    timer?.cancel();
    env.detach();
    this.#resolveClosed(this.#reason);
  }
}
