/**
 * The code of docs/services.md, in its order: a service and its consumers in one process, over loopback.
 */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  type CallOn,
  type CredentialsOf,
  defineService,
  HbiError,
  isConnectionLost,
  Link,
  memoryTransportPair,
  method,
  type OutgoingCall,
  type Peer,
  ServiceHost,
  script,
  value,
} from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

// --- the definition ----------------------------------------------------------------------------------------------------

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const point = value({
  params: { x: z.number(), y: z.number() },
  make: ({ x, y }) => new Point(x, y),
  is: (candidate) => candidate instanceof Point, // such an object is written as Point(1.5, 2)
});

const name = z.string().max(100);
const Place = z.strictObject({ name, at: point.schema });

const between = method({
  input: z
    .object({ west: z.number(), east: z.number(), most: z.int().min(1).max(500).default(100) })
    .refine(({ west, east }) => west <= east, "west must not be above east"),
  result: z.array(Place).max(500),
  idempotent: true,
});

const places = defineService({
  name: "places",
  version: "1.2.0",
  title: "Places",
  description: "Names, and where they are.",
  methods: {
    place_by_name: method({ params: { name }, result: Place, idempotent: true }),
    distance: method({
      title: "Distance",
      description: "As the crow flies, in kilometres unless told otherwise.",
      params: { from: Place, to: Place, unit: z.enum(["km", "mi"]).default("km") },
      result: z.number(),
      idempotent: true,
    }),
    places_between: between, // one schema for all parameters: see below
    add_place: method({ params: { place: Place } }), // no result: only acknowledged
    import_places: method({
      params: { size: z.int().min(0).max(1_000_000) },
      body: ({ size }) => size, // the number of raw bytes that follow the call
      result: z.int(),
      idempotent: true,
    }),
    remove_place: method({ params: { name }, result: z.boolean(), deprecated: "places are kept" }),
  },
  reactions: {
    place_added: method({ params: { place: Place } }),
    confirm: method({ params: { question: z.string().max(200) }, result: z.boolean() }),
  },
  values: { Point: point },
});

// --- serving and connecting --------------------------------------------------------------------------------------------

const known = new Map<string, Point>([
  ["Oslo", new Point(0, 0)],
  ["Bergen", new Point(-3, 4)],
]);

const server = await serve(places, "127.0.0.1:0", (peer) => ({
  place_by_name({ name }) {
    const at = known.get(name);
    if (at === undefined) throw new HbiError("not_found", "no such place", { name });
    return { name, at };
  },
  distance({ from, to, unit }) {
    const km = Math.hypot(from.at.x - to.at.x, from.at.y - to.at.y);
    return unit === "km" ? km : km / 1.609344;
  },
  places_between({ west, east, most }) {
    const found = [...known].filter(([, at]) => at.x >= west && at.x <= east);
    return found.slice(0, most).map(([name, at]) => ({ name, at }));
  },
  add_place({ place }) {
    known.set(place.name, place.at);
    for (const other of server.peers) if (other !== peer) void other.post.place_added({ place });
  },
  async import_places(_, call) {
    let lines = 0;
    for await (const chunk of call.body) for (const byte of chunk) if (byte === 0x0a) lines += 1;
    return lines;
  },
  async remove_place({ name }, call) {
    const options = { timeoutMs: call.remainingMs, signal: call.signal }; // not longer than this call
    return (await peer.call.confirm({ question: `remove ${name}?` }, options)) && known.delete(name);
  },
}));

const reactions = {
  place_added: ({ place }: { place: { name: string } }) => console.log(`added: ${place.name}`),
  confirm: ({ question }: { question: string }) => question.endsWith("?"),
};
const link = await connect(places, server.address, reactions);

// --- calls and posts ---------------------------------------------------------------------------------------------------

const oslo = await link.call.place_by_name({ name: "Oslo" });
console.log(oslo.at instanceof Point); // true

const [km, miles] = await Promise.all([
  link.call.distance({ from: oslo, to: { name: "here", at: new Point(3, 4) } }),
  link.call.distance({ from: oslo, to: { name: "here", at: new Point(3, 4) }, unit: "mi" }),
]);
console.log(`${km} km, ${miles.toFixed(2)} mi`);

const posted = await link.post.add_place({ place: { name: "Moss", at: new Point(1, 6) } }); // handed to the wire
await posted.waitCompleted(); // landed

const abort = new AbortController();
const text = new TextEncoder().encode("Oslo\nBergen\n");
const options = { body: text, signal: abort.signal, timeoutMs: 5_000 };
console.log(`${await link.call.import_places({ size: text.length }, options)} lines`);

// --- push --------------------------------------------------------------------------------------------------------------

for (const peer of server.peers) void peer.post.place_added({ place: oslo }); // waits for nobody

const answers = await Promise.allSettled(
  [...server.peers].map((peer) => peer.call.confirm({ question: "still there?" }, { timeoutMs: 2_000 })),
);
console.log(`${answers.filter(({ status }) => status === "rejected").length} consumers did not answer`);
await link.call.remove_place({ name: "Moss" });
assert.equal(known.has("Moss"), false);

// --- composition -------------------------------------------------------------------------------------------------------

const apart = await link.script((s) =>
  s.distance({ from: s.place_by_name("Oslo"), to: s.place_by_name({ name: "Bergen" }) }),
);
console.log(`${apart} km apart, in one round trip`);

const [, added, inMiles] = await link.script((s) => [
  s.add_place({ place: { name: "Moss", at: new Point(1, 6) } }),
  s.place_by_name("Moss"),
  s.distance({ from: s.place_by_name("Oslo"), to: s.place_by_name("Moss"), unit: "mi" }),
]);
console.log(`${added.name} is ${inMiles.toFixed(1)} miles from Oslo`);

// --- authentication ----------------------------------------------------------------------------------------------------

const guarded = defineService({
  name: "places",
  version: "1.2.0",
  methods: places.methods,
  reactions: places.reactions,
  values: places.values,
  credentials: { token: z.string().max(200) },
});
type Guarded = typeof guarded;

const users = new Map([
  ["open sesame", { user: "Ali", mayRemove: false }],
  ["open sesame, wide", { user: "Ali", mayRemove: true }],
]);

// The annotation lets the context have the type of the returned value: a user.
const authenticate = async ({ token }: CredentialsOf<Guarded>) => users.get(token); // undefined: refused

// --- authorization -----------------------------------------------------------------------------------------------------

interface User {
  readonly user: string;
  readonly mayRemove: boolean;
}

function authorize({ name, context }: CallOn<Guarded, User>): boolean {
  return name !== "remove_place" || context.mayRemove; // anything but true: permission_denied
}

// --- interceptors ------------------------------------------------------------------------------------------------------

async function measure(call: CallOn<Guarded, User>, next: () => unknown): Promise<unknown> {
  const start = performance.now();
  try {
    return await next();
  } finally {
    const ms = Math.ceil(performance.now() - start);
    console.log(`${call.context.user} called ${call.name}${ms > 1_000 ? ", slowly" : ""}`);
  }
}

const guardedServer = await serve(
  guarded,
  "127.0.0.1:0",
  () => ({
    place_by_name: ({ name }) => ({ name, at: known.get(name) ?? new Point(0, 0) }),
    distance: () => 0,
    places_between: () => [],
    add_place: () => undefined,
    import_places: () => 0,
    remove_place: ({ name }) => known.delete(name),
  }),
  {
    authenticate,
    authorize, // runs before everything below
    concurrency: { import_places: 2 }, // at most two at once, for all consumers together
    handlerTimeoutsMs: { import_places: 600_000 }, // the others have handlerTimeoutMs
    interceptors: [measure], // the first one is the outermost
  },
);

async function note(call: OutgoingCall, next: () => Promise<unknown>): Promise<unknown> {
  console.log(`${call.kind} ${call.name}`);
  return next();
}

let token = "open sesame";
const ali = await connect(guarded, guardedServer.address, reactions, {
  credentials: () => ({ token }), // a function is called for each connection
  interceptors: [note],
});
await ali.call.remove_place({ name: "Moss" }).catch(({ code }: HbiError) => console.log(code)); // permission_denied

token = "open sesame, wide";
await ali.authenticate(); // calls the function and presents its result
console.log(await ali.call.remove_place({ name: "Moss" }));

await connect(guarded, guardedServer.address, reactions, { credentials: { token: "open barley" } }).catch(
  ({ code }: HbiError) => console.log(code), // unauthenticated
);
await ali.close();

const greeting = defineService({
  name: "greeting",
  version: "1.0.0",
  methods: { hello: method({ params: {}, result: z.string() }) },
});
const local = await serve(greeting, "127.0.0.1:0", () => ({ hello: (_, call) => `hello, ${call.context.from}` }), {
  authenticate: (_: undefined, peer: Peer<typeof greeting, unknown>) =>
    peer.remoteAddress.startsWith("127.0.0.1:") && { from: "this machine" }, // false: refused
});

const near = await connect(greeting, local.address);
console.log(await near.call.hello());
await near.close();
await local.close();

const host = new ServiceHost(greeting, () => ({ hello: (_, call) => `hello, ${call.context.from}` }), {
  authenticate: (_: undefined, peer: Peer<typeof greeting, unknown>) => ({ from: peer.network ?? "nowhere" }),
});
const [ours, theirs] = memoryTransportPair();
const accepted = host.accept(theirs, { address: "203.0.113.7" });
const far = await new Link(greeting, async () => ours, {}, {}).open();
console.log(await far.call.hello(), (await accepted).isConnected);
await host.drain();
await guardedServer.close();

// --- reconnecting ------------------------------------------------------------------------------------------------------

const steady = await connect(places, server.address, reactions, {
  reconnect: { initialDelayMs: 20, maxDelayMs: 5_000, jitter: 0.5, maxAttempts: 100 },
  retries: 3, // for idempotent methods
});
const stop = steady.onState((state, reason) => console.log(`${state}${reason ? `: ${reason.message}` : ""}`));

const path = fileURLToPath(import.meta.url);
const { size } = await stat(path);
const either = await connect(places, ["127.0.0.1:1", server.address], reactions, { reconnect: {} }); // nobody is at the first
await either.close();

const early = await connect(places, server.address, reactions, { reconnect: { waitForFirst: true } });
await early.ping({ timeoutMs: 5_000 }); // waits for the connection; calls wait in the same way
await early.close();

const imported = steady.call.import_places({ size }, { body: () => createReadStream(path) }); // opened again for each attempt
for (const peer of server.peers) void peer.disconnect("maintenance, back at once");
console.log((await imported) > 0);
stop();
await steady.call.place_by_name({ name: "Oslo" });

async function add(place: z.infer<typeof Place>, attempts = 3): Promise<void> {
  try {
    await steady.call.add_place({ place });
  } catch (error) {
    const isSafe = isConnectionLost(error) && error.mayHaveLanded === false;
    if (!isSafe || attempts === 1) throw error; // it may have landed: check before sending it again
    await add(place, attempts - 1); // on the next connection
  }
}
await add({ name: "Hamar", at: new Point(2, 9) });

// --- ping and describe -------------------------------------------------------------------------------------------------

const ms = await steady.ping();
const told = await steady.describe();
console.log(ms > 0, Object.keys(told.methods));

// --- the HBI layer ---------------------------------------------------------------------------------------------------

const found = await steady.po.converse(async (co) => {
  await co.sendCode(script`place_by_name(${"Oslo"})`);
  return co.recvObj(Place);
});
console.log(found.name);

// --- the end -----------------------------------------------------------------------------------------------------------

await steady.close(); // begins nothing new, waits for what is in flight, closes
await server.drain("closing for today");
console.log("closed");
