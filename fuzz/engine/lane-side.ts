/**
 * LaneSide: a multiplexer over a line that keeps what is written, with lanes that read, or do not. Everything is synchronous but for
 * what the clock puts off.
 */
import { failure } from "../../src/errors.ts";
import type { Clock, HbiError } from "../../src/index.ts";
import type { LaneTransport } from "../../src/wire/lanes/lane-transport.ts";
import { type LaneHost, Multiplexer } from "../../src/wire/lanes/multiplexer.ts";
import type { Transport } from "../../src/wire/transport.ts";
import { checkError } from "./guards.ts";
import { must } from "./target.ts";

/** What a lane holds at most beside its window: the buffer that collects small pieces. */
const COMMON_BYTES = 16 * 1024;
/** The reasons of failures that a peer may cause. */
const REASONS: ReadonlySet<string | undefined> = new Set(["bad_frame", "too_many_lanes"]);

export interface LaneSideOptions {
  readonly isOdd: boolean;
  readonly windowBytes: number;
  readonly maxLanes: number;
  /** Whether a new lane does not read. */
  isDeaf(id: number): boolean;
}

/** What has happened on one lane. */
export class Ear {
  readonly lane: LaneTransport;
  got = "";
  hasEnded = false;
  closed: string | undefined;

  constructor(lane: LaneTransport, isDeaf: boolean) {
    this.lane = lane;
    if (isDeaf) lane.pause();
    lane.start({
      onData: (chunk) => {
        must(chunk.length > 0 && !this.hasEnded && this.closed === undefined, `data of lane ${lane.id} that is over`);
        for (const byte of chunk) this.got += String.fromCharCode(byte);
      },
      onDrain: () => undefined,
      onEnd: () => {
        must(!this.hasEnded, `lane ${lane.id} ended twice`);
        this.hasEnded = true;
        lane.leave();
      },
      onClose: (error) => {
        must(this.closed === undefined, `lane ${lane.id} closed twice`);
        this.closed = error?.message ?? "";
      },
    });
  }
}

export class LaneSide implements LaneHost {
  readonly lanes: Multiplexer;
  readonly ears = new Map<number, Ear>();
  /** what was written, and not taken yet */
  written: Uint8Array[] = [];
  failure: HbiError | undefined;
  readonly isOpen = true;
  held = 0;
  readonly #options: LaneSideOptions;
  /** what is put off to the next turn */
  #tasks: (() => void)[] = [];

  constructor(options: LaneSideOptions) {
    const { isOdd, windowBytes } = options;
    this.#options = options;
    const clock: Clock = {
      now: () => 0,
      after: () => ({ cancel: () => undefined }),
      soon: (run) => void this.#tasks.push(run),
      endOfTurn: (run) => void this.#tasks.push(run),
    };
    this.lanes = new Multiplexer(this.#line(), clock, this, isOdd, { ownBytes: windowBytes, peerBytes: windowBytes });
    this.#heard(this.lanes.main);
    this.lanes.switchReceiving();
    this.lanes.switchSending();
  }

  #line(): Transport {
    const encoder = new TextEncoder();
    const nothing = (): void => undefined;
    return {
      localAddress: "near",
      remoteAddress: "far",
      bufferedBytes: 0,
      start: nothing,
      write: (chunk) => void this.written.push(typeof chunk === "string" ? encoder.encode(chunk) : chunk.slice()),
      pause: nothing,
      resume: nothing,
      end: nothing,
      destroy: nothing,
    };
  }

  #heard(lane: LaneTransport): Ear {
    const ear = new Ear(lane, this.#options.isDeaf(lane.id));
    this.ears.set(lane.id, ear);
    return ear;
  }

  /** Those that are not closed, without lane 0. */
  get openLanes(): Ear[] {
    return [...this.ears.values()].filter(({ lane }) => lane.id > 0 && !lane.isClosed);
  }

  /** What was put off, and what follows from it. */
  turn(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
    this.check();
  }

  open(): Ear {
    return this.#heard(this.lanes.open());
  }

  receive(bytes: Uint8Array): void {
    this.lanes.receive(bytes);
    this.check();
  }

  /** The bounds that hold at any time. */
  check(): void {
    const { maxLanes, windowBytes } = this.#options;
    must(this.#peersLanes <= maxLanes, () => `${this.#peersLanes} lanes of the peer are open`);
    const most = (this.openLanes.length + 1) * (windowBytes + COMMON_BYTES);
    must(this.held <= most, () => `${this.held} bytes are held, ${most} are allowed`);
    const { failure: error } = this;
    if (error === undefined) return;
    checkError(error);
    must(REASONS.has(error.reason), () => `fails with ${error.reason}`);
  }

  get #peersLanes(): number {
    return this.openLanes.filter(({ lane }) => lane.id % 2 === (this.#options.isOdd ? 0 : 1)).length;
  }

  /** Everything is over: nothing is held any more. */
  close(): void {
    this.lanes.closeLanes();
    const main = this.ears.get(0)?.lane;
    main?.close();
    must(this.held === 0, () => `${this.held} bytes are held when all lanes are closed`);
    must(this.openLanes.length === 0, "a lane is open when all are closed");
  }

  // --- called by the multiplexer -------------------------------------------------------------------------------------

  discard(): void {}

  laneOpened(lane: LaneTransport): void {
    if (this.#peersLanes >= this.#options.maxLanes) throw failure("too_many_lanes");
    this.#heard(lane);
  }

  laneBegins(): void {}

  framesNeeded(): void {}

  heard(): void {}

  laneHeld(bytes: number): void {
    this.held += bytes;
    must(this.held >= 0, "less than nothing is held");
  }

  cut(error: HbiError): void {
    if (error.cause instanceof Error) throw error.cause; // such as a violation that a receiver has seen
    must(this.failure === undefined, "fails twice");
    this.failure = error;
  }
}
