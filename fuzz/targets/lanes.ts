/**
 * lanes: two multiplexers, and a middle that holds their frames back and passes them on in another order. As long as it keeps to what
 * a network of streams may do, every byte arrives on its lane, in order, within its window, and nothing is left. When it repeats,
 * drops or changes frames, a side may end with a refusal, and nothing else.
 */

import fc from "fast-check";
import { FrameReader } from "../../src/wire/lanes/frame-reader.ts";
import { Drawing } from "../engine/drawing.ts";
import { type Ear, LaneSide } from "../engine/lane-side.ts";
import { must, type Target } from "../engine/target.ts";

const WINDOW = 100;
const MAX_LANES = 4;
const encoder = new TextEncoder();

export const lanes: Target = {
  name: "lanes",
  about:
    "two multiplexers with a middle that reorders their frames, rightly or nearly: every byte arrives, or a side refuses",
  words: [],
  baseMs: 100,
  share: 4,
  inputs: fc.uint8Array({ minLength: 20, maxLength: 300 }),
  run(input) {
    new Run(new Drawing(input)).run();
  },
};

interface Frame {
  readonly kind: string;
  readonly lane: number;
  readonly text: string;
}

/** Frames on their way from one side to the other. */
class Way {
  readonly frames: Frame[] = [];
  readonly from: LaneSide;
  readonly to: LaneSide;
  /** what each lane has room for at the receiver, as the sender knows */
  readonly room = new Map<number, number>();
  readonly #reader: FrameReader;
  /** whether the middle passes on just the credit that there is */
  readonly #isFair: boolean;

  constructor(from: LaneSide, to: LaneSide, isFair: boolean) {
    this.#isFair = isFair;
    this.from = from;
    this.to = to;
    this.#reader = new FrameReader({
      onFrameData: (lane, view) => void this.frames.push({ kind: "data", lane, text: String.fromCharCode(...view) }),
      onControl: (kind, text) => void this.frames.push({ kind, lane: Number.parseInt(text, 10), text }),
    });
  }

  /** Takes what the sender has written, within the room that it knows of. */
  take(): void {
    const before = this.frames.length;
    for (const chunk of this.from.written.splice(0)) this.#reader.push(chunk);
    for (const { kind, lane, text } of this.frames.slice(before)) {
      if (kind !== "data") continue;
      const room = (this.room.get(lane) ?? WINDOW) - text.length;
      must(room >= 0 || !this.#isFair, () => `${-room} bytes more than there is room for on lane ${lane}`);
      this.room.set(lane, room);
    }
  }

  /** Whether the frame may be passed on before those that were sent before it. */
  isFree(at: number): boolean {
    const { kind, lane } = this.frames[at] as Frame; // below the length
    return this.frames
      .slice(0, at)
      .every((before) => before.lane !== lane && !(before.kind === "open" && kind === "open"));
  }
}

class Run {
  readonly #drawing: Drawing;
  readonly #isFair: boolean;
  readonly #near: LaneSide;
  readonly #far: LaneSide;
  readonly #ways: readonly [Way, Way];
  /** what was written, by side and lane */
  readonly #written = new Map<Ear, string>();
  readonly #reset = new Set<number>();
  #count = 0;

  constructor(drawing: Drawing) {
    this.#drawing = drawing;
    this.#isFair = drawing.below(4) > 0;
    const deaf = drawing.byte();
    const isDeaf = (id: number) => ((deaf >> (id % 8)) & 1) === 1;
    const options = { windowBytes: WINDOW, maxLanes: MAX_LANES, isDeaf };
    this.#near = new LaneSide({ ...options, isOdd: true });
    this.#far = new LaneSide({ ...options, isOdd: false });
    this.#ways = [new Way(this.#near, this.#far, this.#isFair), new Way(this.#far, this.#near, this.#isFair)];
  }

  run(): void {
    for (let left = 10 + this.#drawing.below(150); left > 0 && !this.#hasFailed; left--) {
      if (this.#drawing.below(2) === 0) this.#pass(this.#drawing.pick([...this.#ways]));
      else this.#act(this.#drawing.pick([this.#near, this.#far]));
      for (const way of this.#ways) way.take();
    }
    if (this.#isFair) this.#finish();
    for (const side of [this.#near, this.#far]) side.close();
  }

  get #hasFailed(): boolean {
    return this.#near.failure !== undefined || this.#far.failure !== undefined;
  }

  #act(side: LaneSide): void {
    const drawing = this.#drawing;
    const ears = [...side.ears.values()].filter(({ lane }) => !lane.isClosed);
    const ear = ears[drawing.below(ears.length)] as Ear; // lane 0 is always there
    const { lane } = ear;
    switch (drawing.pick(["write", "write", "write", "open", "end", "reset", "pause", "resume", "turn"])) {
      case "write":
        this.#write(ear);
        return;
      case "open":
        if (this.#ownLanes(side) < MAX_LANES) side.open();
        return;
      case "end":
        if (lane.id > 0) lane.end();
        return;
      case "reset":
        if (lane.id > 0 && !lane.isClosed) {
          this.#reset.add(lane.id);
          lane.reset("cancelled");
        }
        return;
      case "pause":
        lane.pause();
        return;
      case "resume":
        lane.resume();
        return;
      case "turn":
        side.turn();
    }
    side.check();
  }

  /** How many of its own lanes the other side may count as open. */
  #ownLanes(side: LaneSide): number {
    const other = side === this.#near ? this.#far : this.#near;
    const [way] = this.#ways.filter(({ from }) => from === side);
    const ids = new Set([...other.openLanes, ...side.openLanes].map(({ lane }) => lane.id));
    for (const { kind, lane } of way?.frames ?? []) if (kind === "open") ids.add(lane);
    return [...ids].filter((id) => id % 2 === (side === this.#near ? 1 : 0)).length;
  }

  #write(ear: Ear): void {
    if (ear.lane.isEnding || ear.lane.queuedBytes > 1_000) return;
    this.#count += 1;
    const text = `${this.#count},`.padEnd(1 + this.#drawing.below(60), "x");
    this.#written.set(ear, (this.#written.get(ear) ?? "") + text);
    ear.lane.write(this.#drawing.below(2) === 0 ? text : encoder.encode(text));
  }

  /** Passes one frame on: one that may go first, or any, perhaps changed. */
  #pass(way: Way): void {
    way.take();
    if (way.frames.length === 0) return;
    const at = this.#drawing.below(way.frames.length);
    const frame = way.frames[at] as Frame; // below the length
    if (this.#isFair) {
      if (way.isFree(at)) this.#deliver(way, at, frame);
      else this.#deliver(way, 0, way.frames[0] as Frame);
      return;
    }
    const lane = this.#drawing.below(6);
    const how = this.#drawing.pick(["first", "any", "any", "again", "lost", "other lane", "more credit"]);
    if (how === "lost") way.frames.splice(at, 1);
    else if (how === "again") way.to.receive(bytesOf(frame));
    else if (how === "other lane")
      this.#deliver(way, at, { ...frame, lane, text: frame.text.replace(/^\d+/, String(lane)) });
    else if (how === "more credit") way.to.receive(encoder.encode(`[${`${lane} 99`.length}#credit]${lane} 99`));
    else this.#deliver(way, how === "any" ? at : 0, how === "any" ? frame : (way.frames[0] as Frame));
    way.to.check();
  }

  #deliver(way: Way, at: number, frame: Frame): void {
    way.frames.splice(at, 1);
    if (frame.kind === "credit") {
      const [, lane = "", bytes = ""] = /^(\d+) (\d+)$/.exec(frame.text) ?? [];
      const [back] = this.#ways.filter((other) => other !== way);
      back?.room.set(Number(lane), (back.room.get(Number(lane)) ?? WINDOW) + Number(bytes));
    }
    const bytes = bytesOf(frame);
    const size = 1 + this.#drawing.below(bytes.length);
    for (let from = 0; from < bytes.length; from += size) way.to.receive(bytes.subarray(from, from + size));
  }

  /** Everybody reads, all is passed on, and every lane is ended. */
  #finish(): void {
    this.#settle();
    for (const side of [this.#near, this.#far]) for (const { lane } of side.openLanes) lane.end();
    this.#settle();
    must(!this.#hasFailed, () => `a side fails: ${this.#near.failure?.message ?? this.#far.failure?.message}`);
    for (const [side, other] of [
      [this.#near, this.#far],
      [this.#far, this.#near],
    ] as const) {
      for (const [id, ear] of side.ears) {
        const written = this.#written.get(ear) ?? "";
        const got = other.ears.get(id)?.got ?? "";
        const isWhole = this.#reset.has(id) ? written.startsWith(got) : written === got;
        must(isWhole, () => `lane ${id}: written ${written}, arrived ${got}`);
        must(id === 0 || ear.closed !== undefined, () => `lane ${id} is left`);
      }
    }
  }

  #settle(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      for (const side of [this.#near, this.#far]) {
        for (const { lane } of side.ears.values()) lane.resume();
        side.turn();
      }
      for (const way of this.#ways) way.take();
      const way = this.#ways.find(({ frames }) => frames.length > 0);
      if (way === undefined) return;
      this.#deliver(way, 0, way.frames[0] as Frame);
    }
    must(false, "it never ends");
  }
}

function bytesOf({ kind, lane, text }: Frame): Uint8Array {
  return encoder.encode(`[${text.length}#${kind === "data" ? lane : kind}]${text}`);
}
