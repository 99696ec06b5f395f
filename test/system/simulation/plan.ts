/**
 * WorldPlan: what is going to be done in one world, all of it drawn before anything runs, so that a part of it can be left
 * out when a failure is made smaller.
 */
import type { LimitOptions } from "hbi";
import type { Random } from "./random.ts";
import { type MethodName, receivesBody } from "./trial.ts";

/** What a handler does with its raw data. */
export type BodyUse = "read" | "chunks" | "half" | "leave" | "discard" | "lazy" | "beyond";
/** What raw data is given as. */
export type Source = "buffer" | "chunks" | "slow" | "fails" | "short" | "long";
/** What a caller does with the raw data of an answer. */
export type Reading = "bytes" | "chunks" | "half" | "discard" | "late" | "never";
export type Ending = "value" | "refuse" | "throw" | "wrong";
export type Way = "call" | "post" | "script" | "talk" | "back";

export interface HandlerPlan {
  /** 0: at once, without a promise */
  readonly waitMs: number;
  readonly heedsSignal: boolean;
  readonly body: BodyUse;
  readonly ending: Ending;
  /** calls the other side meanwhile, and waits for it */
  readonly asksBack: boolean;
  /** notes that it posts to the other side */
  readonly pushes: number;
  /** notes that it sends in its answer */
  readonly backs: number;
  readonly source: Source;
}

export interface CallPlan {
  readonly way: Way;
  readonly method: MethodName;
  readonly parts: number;
  readonly size: number;
  readonly timeoutMs: number | undefined;
  readonly abortAfterMs: number | undefined;
  readonly source: Source;
  readonly reading: Reading;
  readonly handler: HandlerPlan;
}

/** A call with nothing remarkable, but for what `differs`. */
export function plainCall(differs: Partial<CallPlan> & Pick<CallPlan, "way" | "method">): CallPlan {
  return {
    parts: 1,
    size: 0,
    timeoutMs: undefined,
    abortAfterMs: undefined,
    source: "buffer",
    reading: "bytes",
    handler: PLAIN_HANDLER,
    ...differs,
  };
}

export const PLAIN_HANDLER: HandlerPlan = {
  waitMs: 0,
  heedsSignal: false,
  body: "read",
  ending: "value",
  asksBack: false,
  pushes: 0,
  backs: 0,
  source: "buffer",
};

/** Faults of the network and of the two programs, beside those of single calls. */
export const FAULTS = ["cut", "stall", "deaf", "drain", "goodbye", "close"] as const;
export type Fault = (typeof FAULTS)[number];

export type Action = { readonly atMs: number; readonly link: number; readonly isFromPeer: boolean } & (
  | { readonly kind: "call"; readonly plan: CallPlan }
  | { readonly kind: Fault; readonly ms: number }
);

export interface WorldPlan {
  /** calm: whatever is late, split, slow, refused or given up, no connection may be lost */
  readonly mood: "calm" | "rough";
  readonly links: number;
  readonly chunkBytes: number;
  readonly latencyMs: number;
  /** a connection in so many hundred breaks somewhere, perhaps inside a packet */
  readonly breaks: number;
  /** a dial in so many hundred fails */
  readonly failingDials: number;
  readonly reconnects: boolean;
  readonly retries: number;
  readonly limits: readonly [service: LimitOptions, link: LimitOptions];
  readonly ending: "close" | "disconnect" | "drain";
  readonly actions: readonly Action[];
}

export function planWorld(random: Random): WorldPlan {
  const mood = random.chance(40) ? "calm" : "rough";
  const isRough = mood === "rough";
  const links = random.chance(25) ? 2 : 1;
  const chunkBytes = random.pick([3, 40, 700, 9_000, Number.POSITIVE_INFINITY]);
  const maxSize = Math.min(chunkBytes * 40, random.pick([600, 20_000, 150_000]));
  const draw = new Drawing(random, isRough, maxSize);
  const actions: Action[] = [];
  let atMs = 0;
  for (let left = random.between(8, 44); left > 0; left--) {
    atMs += random.pick([0, 0, 0, 0, 1, 10, 80, 700]);
    const place = { atMs, link: random.below(links), isFromPeer: random.chance(30) };
    if (isRough && random.chance(9)) {
      actions.push({ ...place, kind: draw.fault(), ms: random.pick([20, 300, 4_000, 20_000]) });
    } else actions.push({ ...place, kind: "call", plan: draw.call() });
  }
  return {
    mood,
    links,
    chunkBytes,
    latencyMs: random.pick([0, 1, 8, 60]),
    breaks: isRough ? random.pick([0, 0, 40, 90]) : 0,
    failingDials: isRough ? random.pick([0, 20, 60]) : 0,
    reconnects: random.chance(75),
    retries: random.pick([0, 1, 3]),
    limits: limitsOfBoth(random, isRough),
    ending: random.pick(["close", "close", "disconnect", "drain"]),
    actions,
  };
}

/** Handlers of both sides that wait for each other get stuck where one side posts more than the other takes: not in a calm world. */
function limitsOfBoth(random: Random, isRough: boolean): [LimitOptions, LimitOptions] {
  const both: [LimitOptions, LimitOptions] = [limits(random, isRough), limits(random, isRough)];
  if (isRough) return both;
  const [{ maxInFlight: ofService = 100, ...service }, { maxInFlight: ofLink = 100, ...link }] = both;
  return [
    { ...service, maxInFlight: ofService, maxPostedInFlight: Math.min(service.maxPostedInFlight ?? 100, ofLink) },
    { ...link, maxInFlight: ofLink, maxPostedInFlight: Math.min(link.maxPostedInFlight ?? 100, ofService) },
  ];
}

function limits(random: Random, isRough: boolean): LimitOptions {
  const few = () => random.pick([1, 2, 5, 100]);
  return {
    maxInFlight: few(),
    maxPostedInFlight: few(),
    maxBufferedBytes: random.pick([600, 5_000, 60_000]),
    sendHighWaterBytes: random.pick([500, 10_000, 1_000_000]),
    maxTurnPackets: random.pick([1, 4, 64]),
    maxTurnBytes: random.pick([50, 4_000, 200_000]),
    maxLanes: random.pick([1, 3, 32]),
    laneWindowBytes: random.pick([1_000, 20_000, 524_288]),
    callTimeoutMs: 5_000,
    // What a stopped peer ends is a fault: in a calm world nothing takes so long.
    ...(isRough
      ? { gapTimeoutMs: 3_000, headerTimeoutMs: 1_000, payloadTimeoutMs: 2_000, sendStallTimeoutMs: 5_000 }
      : { gapTimeoutMs: 600_000, headerTimeoutMs: 600_000, payloadTimeoutMs: 600_000, sendStallTimeoutMs: 600_000 }),
    handlerTimeoutMs: isRough ? random.pick([2_000, 10_000]) : 20_000,
    ...(isRough && random.chance(10) ? { maxPostedWaiting: 3 } : {}),
    ...(isRough && random.chance(10) ? { idleTimeoutMs: 2_000 } : {}),
    ...(isRough && random.chance(10) ? { maxPostedWaitingBytes: 2_000 } : {}),
    ...(isRough && random.chance(20) ? { maxHostedWaiting: 2 } : {}),
    maxInFlightBytes: random.pick([300, 1_000_000]),
    // A peer that is asked again and again is there: in a calm world nobody is taken for gone.
    keepaliveMs: random.pick([200, 1_000, 30_000]),
    keepaliveTimeoutMs: isRough ? random.pick([1_000, 5_000]) : 10_000,
  };
}

class Drawing {
  readonly #random: Random;
  readonly #isRough: boolean;
  readonly #maxSize: number;

  constructor(random: Random, isRough: boolean, maxSize: number) {
    this.#random = random;
    this.#isRough = isRough;
    this.#maxSize = maxSize;
  }

  fault(): Fault {
    return this.#random.weighted({ cut: 4, stall: 4, deaf: 3, drain: 2, goodbye: 2, close: 1 });
  }

  call(): CallPlan {
    const random = this.#random;
    const way = random.weighted({ call: 10, post: 4, script: 2, talk: 3 });
    const method = this.#method(way);
    const isByHand = way === "talk" && method === "take";
    return {
      way,
      method,
      parts: way === "script" || (way === "talk" && !isByHand) ? random.between(1, 4) : 1,
      size: random.pick([0, 1, random.below(100), random.below(this.#maxSize)]),
      // A deadline inside raw data that is sent by hand ends the connection.
      timeoutMs:
        isByHand && !this.#isRough ? undefined : random.pick([undefined, undefined, undefined, 20, 400, 3_000]),
      abortAfterMs: random.chance(15) ? random.pick([0, 0, 1, 15, 120, 900]) : undefined,
      source: this.#source(),
      reading: random.weighted({ bytes: 6, chunks: 4, half: 2, discard: 2, late: 1, never: this.#isRough ? 1 : 0 }),
      handler: this.#handler(method, way),
    };
  }

  #method(way: Way): MethodName {
    const random = this.#random;
    if (way === "script") return "act";
    if (way === "talk") return random.weighted({ act: 3, note: 3, take: 2 });
    return random.weighted({
      act: 6,
      again: 3,
      note: 3,
      take: 3,
      keep: 2,
      give: 3,
      swap: 2,
      pour: 3,
      drip: 3,
      churn: 2,
    });
  }

  #source(): Source {
    const rough = this.#isRough ? 1 : 0;
    return this.#random.weighted({ buffer: 5, chunks: 4, slow: 3, fails: rough, short: rough, long: rough });
  }

  #handler(method: MethodName, way: Way): HandlerPlan {
    const random = this.#random;
    const isLong = this.#isRough && random.chance(12);
    const body = random.weighted({ read: 5, chunks: 5, half: 2, leave: 2, discard: 2, lazy: 3, beyond: 1 });
    const ending = random.weighted({
      value: 8,
      refuse: 1,
      throw: 1,
      wrong: method === "note" || method === "keep" ? 0 : 1,
    });
    return {
      waitMs: isLong ? random.pick([6_000, 40_000]) : random.pick([0, 0, 0, 1, 30, 200]),
      heedsSignal: random.chance(60),
      body: (method === "swap" || method === "churn") && (body === "half" || body === "leave") ? "read" : body,
      ending,
      // The answer would stand behind the next script of the conversation, which waits for this one: it ends by the deadline.
      asksBack: random.chance(8) && (way !== "talk" || this.#isRough),
      pushes: random.chance(10) ? random.between(1, 3) : 0,
      backs: !receivesBody(method) && random.chance(8) ? random.between(1, 3) : 0,
      source: this.#source(),
    };
  }
}
