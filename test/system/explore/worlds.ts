/**
 * The worlds that are explored. Each is as small as its subject allows: two conversations with a limit of one show most of what a hundred
 * conversations with a limit of fifty do. `known` lists the properties that a world is known to violate; whoever mends the fault removes
 * the entry.
 */
import type { Property } from "./property.ts";
import { type CallPlan, SIZES, type Size, type World } from "./world.ts";

const WAITS = ["wait"] as const;
const READS = ["read"] as const;

/** Calls of the client; `...fromServer` makes it a call of the server. */
const call: CallPlan = { from: "client" };
const fromServer = { from: "server" } as const;
const slow: CallPlan = { ...call, handler: WAITS };
const dropped: CallPlan = { ...slow, mayAbort: true };
const asking: CallPlan = { ...call, handler: ["back"] };
const put: CallPlan = { ...call, method: "put", size: 3, handler: READS };
const give: CallPlan = { ...call, method: "give", size: 3 };

const ONE_PLACE = { maxInFlight: 1 };
const TWO_PLACES = { maxInFlight: 2 };
const ONE_POSTED = { maxPostedInFlight: 1 };
const IDLE = { idleTimeoutMs: 1_000 };
/** Three bytes of raw data exceed both. */
const NARROW = { sendHighWaterBytes: 2 };
const LITTLE = { maxBufferedBytes: 2 };

const drains = { acts: ["server drains"], reconnects: true } as const;
const breaks = { acts: ["connection breaks"], reconnects: true } as const;

type Declared = Omit<World, "name" | "size">;

const SMALL: Readonly<Record<string, Declared>> = {
  // calls
  "two calls": { calls: [slow, slow] },
  "two calls of strangers": { calls: [call, call], areStrangers: true },
  "three calls, one place": { calls: [slow, slow, slow], serverLimits: ONE_PLACE },
  "three calls, one on the wire": { calls: [slow, call, call], clientLimits: ONE_POSTED },
  "three calls, one handler at once": { calls: [slow, slow, dropped], concurrency: 1 },
  "calls of both sides": { calls: [slow, { ...slow, ...fromServer }] },
  posts: { calls: [{ ...slow, way: "post" }, { ...call, way: "post", method: "note" }, call] },
  "by hand": { calls: [{ ...slow, way: "talk" }, call] },
  "raw data": { calls: [put, give, call], atOnce: true },
  "raw data in packets": { calls: [put, put, call], atOnce: true, pieces: "packets" },
  "raw data that is too much at once": { calls: [put, call, put], atOnce: true, clientLimits: NARROW },
  "raw data, one place": { calls: [put, put, give], atOnce: true, serverLimits: { ...ONE_PLACE, ...LITTLE } },
  "a slow transport": { calls: [slow, put], isSlow: true },
  "a slow transport, raw data that is too much at once": { calls: [put, call], isSlow: true, clientLimits: NARROW },
  "a slow transport, more calls than it holds": {
    calls: [call, call, call, call, call],
    atOnce: true,
    isSlow: true,
    clientLimits: { maxSendBufferBytes: 320 }, // its hello fits
  },
  "slow transports, nothing read in advance": {
    calls: [call, { ...call, ...fromServer }],
    isSlow: true,
    clientLimits: { ...NARROW, ...LITTLE },
    serverLimits: { ...NARROW, ...LITTLE },
  },

  // call-backs
  "call-backs": { calls: [asking, asking] },
  "call-backs, one place": { calls: [asking, asking], serverLimits: ONE_PLACE },
  "call-backs, two places": { calls: [asking, asking, asking], serverLimits: TWO_PLACES },
  "call-backs, one place, one more may wait": {
    calls: [asking, asking, asking],
    serverLimits: { ...ONE_PLACE, maxHostedWaiting: 1 },
    mayRefuse: true,
  },
  "call-backs, one place, little is kept": {
    calls: [{ ...put, handler: ["read", "back"] }, put, put],
    serverLimits: { ...ONE_PLACE, ...LITTLE },
    mayRefuse: true,
  },
  "call-backs, one on the wire": { calls: [asking, asking], serverLimits: ONE_POSTED },
  "call-backs of both sides, one place and two": {
    calls: [asking, { ...asking, ...fromServer }],
    serverLimits: ONE_PLACE,
    clientLimits: TWO_PLACES,
  },
  "call-backs with raw data, one place": {
    calls: [{ ...put, handler: ["read", "back"] }, put],
    serverLimits: ONE_PLACE,
  },
  "call-backs before raw data is read": { calls: [{ ...put, handler: ["back", "read"] }, call] },
  "call-backs that wait, one place of the caller": {
    calls: [
      { ...asking, backHandler: WAITS },
      { ...asking, backHandler: WAITS },
    ],
    clientLimits: ONE_PLACE,
  },

  // leaving
  "the server drains": { ...drains, calls: [slow] },
  "the server drains before it knows its peer": {
    calls: [slow],
    acts: ["server drains"],
    areStrangers: true,
  },
  "the server drains, no other connection": { calls: [slow, call], acts: ["server drains"] },
  "the server drains, a call is given up": {
    calls: [dropped],
    acts: ["server drains"],
  },
  "the client closes": { calls: [slow, { ...slow, ...fromServer }], acts: ["client closes"] },
  "both close": { calls: [slow], acts: ["client closes", "server drains"] },
  "the server closes what is not used": {
    calls: [slow],
    idles: 1,
    serverLimits: IDLE,
    reconnects: true,
  },
  "the client closes what it does not use itself": {
    calls: [slow],
    idles: 1,
    clientLimits: IDLE,
    reconnects: true,
  },
  "the server closes what is not used, before it knows its peer": {
    calls: [slow],
    idles: 1,
    serverLimits: IDLE,
    areStrangers: true,
  },
  "the client closes what is not used": {
    calls: [{ ...slow, ...fromServer }],
    idles: 1,
    clientLimits: IDLE,
    reconnects: true,
  },

  // giving up
  "the first call is given up": { calls: [dropped], areStrangers: true },
  "the second call is given up": { calls: [call, dropped] },
  "calls are given up, one place": {
    calls: [slow, dropped, dropped],
    serverLimits: ONE_PLACE,
  },
  "a call is given up, its handler ignores it, one place": {
    calls: [{ ...dropped, handler: ["stay"] }, call],
    serverLimits: ONE_PLACE,
  },
  "calls are given up, one on the wire": { calls: [dropped, dropped], clientLimits: ONE_POSTED },
  "raw data is given up": { calls: [{ ...put, mayAbort: true }], pieces: "packets" },
  "the server gives up": { calls: [{ ...dropped, ...fromServer }], areStrangers: true },

  // losing
  "the connection breaks": { ...breaks, calls: [slow] },
  "the connection breaks, one on the wire": { ...breaks, calls: [slow, slow], atOnce: true, clientLimits: ONE_POSTED },
  "the connection breaks for good": { calls: [slow, call], acts: ["connection breaks"] },
  "the connection breaks, and calls are sent again": { ...breaks, calls: [{ ...slow, method: "again" }], retries: 1 },
  "the connection breaks in raw data": { calls: [put, give], acts: ["connection breaks"] },
  "a dial fails": { calls: [call], acts: ["connection breaks", "dial fails"], reconnects: true },
  "the server disconnects": { calls: [slow], acts: ["server disconnects"], reconnects: true },
  "the client disconnects": {
    calls: [slow, { ...slow, ...fromServer }],
    acts: ["client disconnects"],
    atOnce: true,
  },

  // peers without the extension
  "a plain server": { calls: [dropped, { ...slow, ...fromServer }], plain: ["server"] },
  "a plain client": { calls: [dropped, { ...slow, ...fromServer }], plain: ["client"] },
  "a plain server drains": { ...drains, calls: [slow], plain: ["server"] },
  "a plain client closes": { calls: [slow, call], plain: ["client"], acts: ["client closes"] },

  // deadlines
  "a deadline passes": { calls: [slow, call], deadlines: 1 },
};

/** With those of `small`, and all of these in other circumstances: minutes. */
const MEDIUM: Readonly<Record<string, Declared>> = {
  "both close, and the link dials again": {
    calls: [slow],
    acts: ["client closes", "server drains"],
    reconnects: true,
  },
  "two calls of the client, one of the server": { calls: [slow, call, { ...slow, ...fromServer }] },
  "the connection breaks, two calls": { ...breaks, calls: [slow, call] },
  "the server drains, one place": {
    ...drains,
    calls: [slow, call],
    atOnce: true,
    serverLimits: ONE_PLACE,
  },
  "the server drains, one on the wire": {
    ...drains,
    calls: [call, slow],
    atOnce: true,
    clientLimits: ONE_POSTED,
  },
  "the server drains, and is called back": { ...drains, calls: [asking] },
  "the server drains, three calls, one place": {
    ...drains,
    calls: [call, slow, call],
    atOnce: true,
    serverLimits: ONE_PLACE,
  },
  "the server drains before it knows its peer, the link dials again": {
    ...drains,
    calls: [slow],
    areStrangers: true,
  },
  "the server drains, two calls": { ...drains, calls: [slow, call] },
  "the server drains, a call is given up, the link dials again": {
    ...drains,
    calls: [dropped],
  },
  "bodies of both sides": { calls: [put, give, { ...put, ...fromServer }, { ...give, ...fromServer }] },
  "the server drains, and calls": { ...drains, calls: [slow, { ...slow, ...fromServer }] },
  "the server drains, three calls": { ...drains, calls: [slow, call, slow] },
  "the client closes while both call": {
    calls: [slow, call, { ...slow, ...fromServer }],
    acts: ["client closes"],
    reconnects: true,
  },
  "three calls are given up": { calls: [dropped, dropped, dropped] },
  "raw data both ways is given up": {
    calls: [call, { ...put, mayAbort: true }, { ...give, mayAbort: true }],
    pieces: "packets",
  },
  "a deadline passes while the server drains": { ...drains, calls: [slow, call], deadlines: 1 },
  "a silent peer is asked": { calls: [slow, call], clientLimits: { keepaliveMs: 30_000 }, deadlines: 2 },
  "two deadlines pass": { calls: [slow, dropped], deadlines: 2 },
};

/** Every world is explored in these circumstances as well, at the next larger size. What it is known to violate it may violate there too. */
const CIRCUMSTANCES: Readonly<Record<string, Partial<World>>> = {
  "in packets": { pieces: "packets" },
  joined: { pieces: "joined" },
  "without an end of turn": { lacksEndOfTurn: true },
  strangers: { areStrangers: true },
};

/** Three conversations of either side, limits of two: an hour. */
const LARGE: Readonly<Record<string, Declared>> = {
  "three calls of both sides": {
    calls: [slow, slow, slow, { ...slow, ...fromServer }, { ...slow, ...fromServer }, { ...slow, ...fromServer }],
  },
  "three calls of both sides, one place": {
    calls: [slow, slow, slow, { ...slow, ...fromServer }, { ...slow, ...fromServer }, { ...slow, ...fromServer }],
    clientLimits: { ...ONE_PLACE, ...ONE_POSTED },
    serverLimits: { ...ONE_PLACE, ...ONE_POSTED },
  },
  "three call-backs of both sides, two places and three": {
    calls: [asking, asking, asking, { ...asking, ...fromServer }, { ...asking, ...fromServer }],
    serverLimits: TWO_PLACES,
    clientLimits: { maxInFlight: 3 },
  },
  "three calls are given up, two places": {
    calls: [dropped, dropped, dropped],
    serverLimits: TWO_PLACES,
  },
  "the server drains, both call and give up": {
    ...drains,
    calls: [dropped, slow, { ...dropped, ...fromServer }],
  },
  "everybody leaves": {
    calls: [slow, call, { ...slow, ...fromServer }],
    acts: ["client closes", "server drains", "connection breaks"],
    reconnects: true,
  },
  "the server drains, and the next connection breaks": {
    calls: [slow, call],
    acts: ["server drains", "connection breaks", "dial fails"],
    reconnects: true,
  },
};

/** A peer whose hello is not even acknowledged may be known to have read nothing, here. It is not in general: what is acknowledged waits for
 *  the send turn. */
const NOT_INFERRED: readonly Property[] = ["mayHaveLanded is true only where it can be"];
const KNOWN: Readonly<Record<string, readonly Property[]>> = {
  "the server disconnects, strangers": NOT_INFERRED,
  "the client disconnects, strangers": NOT_INFERRED,
};

function named(size: Size, declared: Readonly<Record<string, Declared>>): World[] {
  return Object.entries(declared).map(([name, world]) => ({ ...world, name, size }));
}

function varied(size: Size, worlds: readonly World[]): World[] {
  return worlds.flatMap((world) =>
    Object.entries(CIRCUMSTANCES)
      .filter(([, more]) => Object.keys(more).every((key) => !(key in world)))
      .map(([words, more]) => {
        const name = `${world.name}, ${words}`;
        return { ...world, ...more, known: [...(world.known ?? []), ...(KNOWN[name] ?? [])], name, size };
      }),
  );
}

const small = named("small", SMALL);
const medium = named("medium", MEDIUM);
const WORLDS: readonly World[] = [
  ...small,
  ...medium,
  ...varied("medium", small),
  ...named("large", LARGE),
  ...varied("large", medium),
];

/** The worlds of a size, and of all smaller sizes. */
export function worldsOf(size: Size): World[] {
  return WORLDS.filter((world) => SIZES.indexOf(world.size) <= SIZES.indexOf(size));
}

export function worldNamed(name: string): World | undefined {
  return WORLDS.find((world) => world.name === name);
}
