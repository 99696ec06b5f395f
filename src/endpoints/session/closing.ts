/**
 * Closing: a connection from its start to its close. Everything that ends it passes through here: the peer learns the
 * reason, gets FIN and some time to receive it, and everything that waits on this side fails once. docs/protocol.md,
 * section 6.
 */
import { afterHearing, type Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError, oneLine } from "../../errors.ts";
import { encodePacket } from "../../wire/packet.ts";
import type { Transport } from "../../wire/transport.ts";
import type { ReadTurn } from "../lane/read-turn.ts";
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

type State = "starting" | "open" | "closing" | "closed";

/** The watches of an open connection. */
interface Watches {
  readonly idle: IdleWatch | undefined;
  readonly keepalive: Keepalive | undefined;
}

export class Closing {
  readonly closed: Promise<HbiError | undefined>;
  readonly #connection: Connection;
  readonly #transport: Transport;
  readonly #reading: ReadTurn;
  readonly #beginGate: BeginGate;
  readonly #watches: Watches;
  #onLost: ConnectionOptions["onLost"];
  #resolveClosed: (reason: HbiError | undefined) => void = ignore;
  #state: State = "starting";
  #hasPeerEnded = false;
  #reason: HbiError | undefined;
  #discardedBytes = 0;
  /** whether the peer may take as long as it needs to receive what was written */
  #isPatient = false;
  #timer: Timer | undefined;

  constructor(
    connection: Connection,
    transport: Transport,
    reading: ReadTurn,
    beginGate: BeginGate,
    watches: Watches,
    onLost: ConnectionOptions["onLost"],
  ) {
    this.#connection = connection;
    this.#transport = transport;
    this.#reading = reading;
    this.#beginGate = beginGate;
    this.#watches = watches;
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

  /** Whether the peer has half-closed. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  /** The init hooks have run. @throws HbiError if the connection has ended meanwhile */
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
    // Its data may not be read completely yet, but it answers nothing new: new calls should use another connection.
    if (this.isOpen && this.#onLost !== undefined) this.#connection.peerGoesAway(undefined);
  }

  /** The peer has half-closed, and everything received is handled: finish what it began, and fail what it can no longer
   *  answer. */
  finishAfterEnd(): void {
    if (!this.isOpen) return;
    const { hosting, posting, turn } = this.#connection;
    if (this.#reading.phase !== "idle" || this.#reading.owner !== undefined) {
      this.cut(failure("truncated"));
      return;
    }
    const error = failure("disconnected", PEER_CLOSED);
    if (posting.isSending) {
      this.end(error); // half a conversation is on the wire: an answer behind it would be misread
      return;
    }
    this.#tellLost(undefined);
    posting.loseAll(error);
    if (hosting.liveCount === 0 && turn.isIdle) void this.part();
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
    this.#isPatient = true;
    this.end(undefined, failure("disconnected", "by this side"));
    await this.closed;
  }

  cut(error: HbiError): void {
    if (!this.isOpen) return;
    this.#connection.report(error, "connection");
    const words = oneLine(error.message);
    this.end(error, failure("disconnected", words, { cause: error }), words);
  }

  #say(line: string): void {
    // Inside raw data, the err would be taken as data.
    const { holder } = this.#connection.turn;
    const isInRawData = holder !== undefined && "isInRawData" in holder && holder.isInRawData === true;
    if (!isInRawData && line !== "") this.#connection.wire.text(encodePacket("err", line));
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** Sends FIN, and gives the peer time to receive what was written.
   *  @param reason undefined for an orderly close
   *  @param told the error for everything that waits on this side
   *  @param words the err for the peer */
  end(reason: HbiError | undefined, told = reason ?? failure("disconnected"), words = ""): void {
    if (!this.isOpen) return;
    const { limits, wire } = this.#connection;
    this.#state = "closing"; // first, because the err may exceed the bound of the wire, which then cuts the connection
    this.#reason = reason;
    this.#stop();
    this.#say(words);
    wire.end();
    this.#loseAll(told);
    this.#destroyAfter(reason === undefined ? limits.closeTimeoutMs : LINGER_MS);
  }

  #destroyAfter(ms: number): void {
    const { clock, limits, wire } = this.#connection;
    this.#timer = afterHearing(clock, ms, () => {
      // The platform may still be sending what it has taken, and destroying the socket may discard that.
      const leftMs = this.#isPatient ? wire.progressMs + limits.closeTimeoutMs - clock.now() : 0;
      const lingerMs = this.#isPatient ? Math.max(leftMs, Math.min(wire.transitMs, limits.closeTimeoutMs)) : 0;
      if (lingerMs > 0) this.#destroyAfter(lingerMs);
      else this.#transport.destroy();
    });
  }

  /** Data that arrives while it closes. */
  discard(bytes: number): void {
    if (this.#state === "closed") return;
    this.#discardedBytes += bytes;
    if (this.#discardedBytes <= LINGER_BYTES || this.#isPatient) return;
    if (this.#connection.wire.bufferedBytes === 0) this.#transport.destroy();
    else this.#transport.pause(); // the err has not left yet
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
    const { account, hosting, posting, turn, waits } = this.#connection;
    turn.close();
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
      timer = clock.after(limits.closeTimeoutMs, () => reject(failure("handler_timeout", "cleanup")), true);
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
