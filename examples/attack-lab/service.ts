/**
 * The service under attack: ordinary methods, fast and slow, with small and large results, with raw data in both
 * directions; and the same with credentials.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

const size = z
  .int()
  .min(0)
  .max(2 ** 40);
const ms = z.int().min(0).max(120_000);
const shape = z.union([z.object({ radius: z.number() }), z.object({ width: z.number(), height: z.number() })]);

const methods = {
  add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
  note: method({ params: { about: z.unknown() } }),
  draw: method({ params: { shapes: z.array(shape) } }),
  /** a text of this length */
  find: method({ params: { size: z.int().min(0).max(250_000) }, result: z.string() }),
  /** takes this long */
  work: method({ params: { ms }, result: z.int() }),
  /** first calls its caller */
  ask: method({ params: {}, result: z.boolean() }),
  store: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
  /** ignores its argument */
  ignore: method({ params: { size }, body: ({ size }) => size }),
  /** never reads its raw data */
  postpone: method({ params: { size }, body: ({ size }) => size }),
  /** of unknown length */
  pour: method({
    params: {},
    body: "unknown",
    result: z.int(),
    limits: { call: { maxBodyBytes: 100_000 } },
  }),
  fetch: method({ params: { size }, result: z.strictObject({ size }), resultBody: ({ size }) => size }),
  /** computes for this long */
  spin: method({ params: { ms } }),
  /** keeps its argument for this long */
  keep: method({ params: { about: z.unknown(), ms } }),
  keep_tagged: method({ params: { labels: z.record(z.string(), z.unknown()), ms } }),
  keep_records: method({ params: { records: z.array(z.record(z.string(), z.int())), ms } }),
  /** posts this many times to its caller, and ignores the promises */
  push: method({ params: { count: z.int().min(0).max(10_000), about: z.string() } }),
  /** reads this much of its raw data by hand, and leaves the rest */
  sip: method({ params: { size }, body: "manual", result: z.int() }),
  /** occurs only in raw data, which is never run */
  loot: method({ params: {} }),
};
const reactions = {
  confirm: method({ params: { question: z.string() }, result: z.boolean() }),
  noticed: method({ params: { about: z.unknown() } }),
  /** takes this long */
  ponder: method({ params: { ms } }),
};

export const depot = defineService({ name: "depot", version: "1.0.0", methods, reactions });
export const vault = defineService({
  name: "vault",
  version: "1.0.0",
  methods,
  reactions,
  credentials: { token: z.string() },
});

/** of a message of a WebSocket */
export const MAX_PAYLOAD_BYTES = 256 * 1024;

export type Depot = typeof depot;
export const TOKEN = "open sesame";
/** Checking the credentials takes long. */
export const SLOW_TOKEN = "let me see";

/** Of a server with a process for each consumer. On a busy machine, a process that works may not answer for seconds. */
export const PROCESSES = { maxProcesses: 6, maxProcessesPerAddress: 3, hangTimeoutMs: 5_000, drainTimeoutMs: 500 };

/** Without credentials, with them, over TLS, over WebSockets without compression and with it, and with a process for
 *  each consumer. */
export type Kind = "open" | "guarded" | "tls" | "web" | "compressed" | "processes";
