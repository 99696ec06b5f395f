/**
 * ReadWatch: the deadlines of received bytes: an incomplete header, an incomplete payload, silence inside a bracket,
 * the rate of raw data. At most one timer of each kind, and none while the peer owes nothing. Time in which this side
 * was blocked does not count.
 */
import { afterHearing, type Clock, heldUpMs, type Timer } from "../../clock.ts";
import type { Limits } from "../../limits.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import { LEAST_BYTES_PER_S } from "../../wire/transit.ts";

type Owed = "nothing" | "header" | "payload" | "bracket";

export interface WatchHost {
  /** Bytes that the connection has received on all of its lanes, which share its rate. */
  readonly receivedBytes: number;
  /** The peer owes bytes that have not arrived in time. */
  readLate(reason: "read_timeout" | "data_too_slow"): void;
}

export class ReadWatch {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #host: WatchHost;
  /** received data waits for its turn here, so it is not known yet whether the peer is late */
  isHeldBack = false;
  #isOverdue = false;
  #timer: Timer | undefined;
  #owed: Owed = "nothing";
  /** the deadline continues while this is unchanged: the position for a packet, the received bytes for silence */
  #mark = 0;
  #receivedBytes = 0;
  /** set while raw data is requested: the amount that must arrive within it */
  #window: Timer | undefined;
  #windowBytes = 0;

  constructor(clock: Clock, limits: Limits, host: WatchHost) {
    this.#clock = clock;
    this.#limits = limits;
    this.#host = host;
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** Called after each turn of reading. `isAwaited`: a conversation is open and wants what comes next; `isRaw`: raw
   *  data. */
  update(reader: PacketReader, isAwaited: boolean, isRaw: boolean): void {
    if (isRaw !== (this.#window !== undefined)) this.#watchRate(isRaw);
    const owed: Owed = reader.phase !== "idle" ? reader.phase : isAwaited ? "bracket" : "nothing";
    const mark = owed === "bracket" ? this.#receivedBytes : reader.packetCount;
    if (owed === this.#owed && mark === this.#mark) {
      if (this.#isOverdue) this.#host.readLate("read_timeout");
      return;
    }
    this.#isOverdue = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#owed = owed;
    this.#mark = mark;
    const ms = this.#deadlineMs(owed, reader);
    if (ms === undefined) return;
    this.#timer = afterHearing(this.#clock, ms, () => {
      if (this.isHeldBack) this.#isOverdue = true;
      else this.#host.readLate("read_timeout");
    });
  }

  stop(): void {
    this.#isOverdue = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#owed = "nothing";
    this.#watchRate(false);
  }

  #watchRate(isRaw: boolean): void {
    this.#window?.cancel();
    this.#window = undefined;
    if (!isRaw) return;
    const { minDataBytesPerSecond, dataRateWindowMs } = this.#limits;
    this.#windowBytes = this.#host.receivedBytes + (minDataBytesPerSecond * dataRateWindowMs) / 1_000;
    this.#lookAtRateAfter(dataRateWindowMs);
  }

  #lookAtRateAfter(ms: number): void {
    const heldUp = heldUpMs(this.#clock);
    this.#window = this.#clock.after(ms, () => {
      const moreMs = heldUpMs(this.#clock) - heldUp;
      if (this.#host.receivedBytes >= this.#windowBytes) this.#watchRate(true);
      else if (moreMs > 0) this.#lookAtRateAfter(moreMs);
      else this.#host.readLate("data_too_slow");
    });
  }

  #deadlineMs(owed: Owed, reader: PacketReader): number | undefined {
    switch (owed) {
      case "nothing":
        return undefined;
      case "header":
        return this.#limits.headerTimeoutMs;
      case "payload":
        return this.#limits.payloadTimeoutMs + 1_000 * Math.ceil(reader.payloadMissingBytes / LEAST_BYTES_PER_S);
      case "bracket":
        return this.#limits.gapTimeoutMs;
    }
  }
}
