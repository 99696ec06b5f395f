/**
 * The code of docs/hardening.md, in its order: a service of notes for untrusted consumers.
 */
import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import {
  type CallOn,
  type CredentialsOf,
  defineService,
  HbiError,
  type LimitOptions,
  type LogEntry,
  method,
  type Peer,
} from "hbi";
import { connect, serve } from "hbi/node";
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { z } from "zod";

// --- schemas -----------------------------------------------------------------------------------------------------------

const name = z
  .string()
  .max(60, { abort: true }) // the pattern is not tried on longer strings
  .regex(/^[a-z0-9-]+$/); // matches in one way only
const Note = z.strictObject({
  name,
  text: z.string().max(10_000),
  tags: z.array(name).max(20),
});

const notes = defineService({
  name: "notes",
  version: "1.0.0",
  methods: {
    read: method({ params: { name }, result: Note }),
    write: method({ params: { note: Note } }),
    search: method({ params: { word: z.string().min(3).max(60) }, result: z.array(name).max(100) }),
    changed: method({ params: { name }, result: z.boolean() }), // answered when the note has changed
  },
  credentials: { token: z.string().max(500) },
});
type Notes = typeof notes;

// --- limits ------------------------------------------------------------------------------------------------------------

const limits: LimitOptions = {
  maxConnections: 2_000,
  maxConnectionsPerAddress: 20,
  maxProcessInFlight: 1_000,
  maxInFlight: 20,
  maxPacketBytes: 64 * 1024, // a note and its markup
  maxBodyBytes: 1, // no method takes raw data
  maxCallsPerScript: 8,
  maxSendBufferBytes: 2 * 1024 * 1024,
  callsPerSecond: 50,
  receivedBytesPerSecond: 200_000,
  idleTimeoutMs: 10 * 60_000,
};

// --- rates across processes ------------------------------------------------------------------------------------------

const perUser = new RateLimiterMemory({ keyPrefix: "user", points: 5, duration: 60 });
const perNetwork = new RateLimiterMemory({ keyPrefix: "login", points: 4, duration: 60 });

async function take(limiter: RateLimiterAbstract, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused; // the store is unavailable: refuse
    throw new HbiError("resource_exhausted", "too often", { retryAfterMs: refused.msBeforeNext });
  }
}

async function rate(call: CallOn<Notes, User>, next: () => unknown): Promise<unknown> {
  await take(perUser, call.context.id);
  return next();
}

// --- authentication, authorization -----------------------------------------------------------------------------------

interface User {
  readonly id: string;
  readonly role: "reader" | "writer";
  /** the token's end, in milliseconds */
  readonly until: number;
}

const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");
const inAnHour = Date.now() + 3_600_000;
const sessions = new Map<string, User>([
  [hashOf("of this morning"), { id: "ali", role: "writer", until: Date.now() - 1 }],
  [hashOf("open sesame"), { id: "ali", role: "writer", until: inAnHour }],
  [hashOf("open barley"), { id: "kasim", role: "reader", until: inAnHour }],
]);

const authenticate = async ({ token }: CredentialsOf<Notes>, peer: Peer<Notes, unknown>) => {
  await take(perNetwork, peer.network ?? "local"); // limits guessing
  return sessions.get(hashOf(token)); // tokens are stored and compared as hashes
};

// A method without a line here does not compile.
const MAY: Readonly<Record<keyof Notes["methods"], readonly User["role"][]>> = {
  read: ["reader", "writer"],
  search: ["reader", "writer"],
  changed: ["reader", "writer"],
  write: ["writer"],
};

function authorize({ name, context }: CallOn<Notes, User>): boolean {
  if (context.until < Date.now()) throw new HbiError("unauthenticated", "the token has expired");
  return MAY[name as keyof typeof MAY].includes(context.role); // the name of a method
}

// --- log and metrics -------------------------------------------------------------------------------------------------

const failures = new Map<string, number>();

function log({ error, netIdent, where }: LogEntry): void {
  const kind = error.reason ?? error.code;
  failures.set(kind, (failures.get(kind) ?? 0) + 1); // count everything
  if (error.code !== "internal") return; // and log what must be fixed
  console.error(JSON.stringify({ netIdent, where, message: error.message, cause: String(error.cause) }));
}

// --- the server --------------------------------------------------------------------------------------------------------

const stored = new Map<string, z.infer<typeof Note>>();
const changes = new EventEmitter();

const server = await serve(
  notes,
  "127.0.0.1:0",
  () => ({
    read({ name }) {
      const note = stored.get(name);
      if (note === undefined) throw new HbiError("not_found", "no such note", { name });
      return note;
    },
    write({ note }) {
      stored.set(note.name, note);
      changes.emit(note.name);
    },
    async search({ word }, call) {
      const found: string[] = [];
      for (const { name, text } of stored.values()) {
        if (text.includes(word)) found.push(name);
        if (found.length === 100) break;
        await turn(undefined, { signal: call.signal }); // lets others run; throws when the call is cancelled
      }
      return found;
    },
    async changed({ name }, call) {
      await once(changes, name, { signal: call.signal });
      return true;
    },
  }),
  { limits, authenticate, authorize, concurrency: { search: 2 }, interceptors: [rate], log },
);

const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();

const measures = () => ({
  connections: server.connectionCount, // including those that have not authenticated
  peers: server.peers.size,
  failures: Object.fromEntries(failures),
  loopDelayMs: delay.percentile(99) / 1e6,
  rssBytes: process.memoryUsage.rss(),
});

const PATIENCE_MS = 100; // in production 20 s, if the system kills after 30 s

process.once("SIGTERM", async () => {
  const late = setTimeout(() => void server.close("closing"), PATIENCE_MS);
  await server.drain("a new version comes");
  clearTimeout(late);
});

// --- what consumers see ----------------------------------------------------------------------------------------------

let token = "of this morning";
const link = await connect(notes, server.address, {}, { credentials: () => ({ token }) });
const note = { name: "shopping", text: "barley, sesame", tags: [] };
const codeOf = ({ code }: HbiError) => code;

const expired = await link.call.write({ note }).catch((error: HbiError) => error);
if (expired instanceof HbiError && expired.code === "unauthenticated") {
  token = "open sesame"; // a new one
  await link.authenticate(); // on the same connection
}
await link.call.write({ note });
console.log((await link.call.read({ name: "shopping" })).text, await link.call.search({ word: "sesame" }));

const reading = await connect(notes, server.address, {}, { credentials: { token: "open barley" } });
console.log(await reading.call.write({ note }).catch(codeOf)); // permission_denied

const often: Promise<unknown>[] = [];
for (let i = 0; i < 6; i++) often.push(reading.call.search({ word: "barley" }));
const refused = (await Promise.allSettled(often)).flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
const Later = z.object({ retryAfterMs: z.number().min(0).max(60_000) }); // a peer chose the details

for (const { code, details } of refused) console.log(code, Later.parse(details).retryAfterMs > 0);

const guess = () => connect(notes, server.address, {}, { credentials: { token: "open rye" } }).catch(codeOf);
console.log(await guess(), await guess()); // unauthenticated resource_exhausted

const { connections, peers, failures: counted } = measures();
console.log(connections >= peers, peers, counted);

// --- the end -----------------------------------------------------------------------------------------------------------

const waiting = link.call.changed({ name: "shopping" }).catch(({ message }: HbiError) => message);
while (changes.listenerCount("shopping") === 0) await turn(); // the call has begun
process.emit("SIGTERM", "SIGTERM"); // as a process manager does
console.log(await waiting); // peer error: closing
await server.closed;
delay.disable();
await Promise.all([link.close(), reading.close()]);
