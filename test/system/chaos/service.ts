/**
 * The service that is killed: a method for each way in which something can be lost. Everything that lands has an id.
 */
import { defineService, type LimitOptions, method } from "hbi";
import { z } from "zod";

const id = z.string().max(40);
const pad = z.string().max(4_000);
const size = z.int().min(0).max(1_000_000);
const params = { id, pad };
const data = { id, size };
const body = ({ size }: { size: number }): number => size;

export const chaos = defineService({
  name: "chaos",
  version: "1.0.0",
  methods: {
    /** Gives its pad. */
    record: method({ params, result: z.string() }),
    put: method({ params, result: z.string(), idempotent: true }),
    note: method({ params }),
    upload: method({ params: data, body, result: z.string() }),
    store: method({ params: data, body, idempotent: true }),
    download: method({ params: data, result: z.strictObject(data), resultBody: body }),
    exchange: method({ params: data, body, result: z.strictObject(data), resultBody: body }),
    /** Posts `told` so many times before it returns. */
    push: method({ params: { ...params, count: z.int().min(1).max(20) }, result: z.int() }),
    /** Calls `asked` back, and gives what it gave. */
    ask: method({ params: data, result: z.string() }),
    /** Is at work until it is let go or given up. */
    hold: method({ params: { id }, result: z.string() }),
  },
  reactions: {
    told: method({ params: { id, pad, n: z.int() } }),
    asked: method({ params: data, body, result: z.string() }),
    poked: method({ params: {} }),
  },
});

export type Chaos = typeof chaos;

/** Parts of one call have ids of their own: what is called back, and what is answered as raw data. */
export const asked = (id: string): string => `${id}asked`;
export const answered = (id: string): string => `${id}answered`;
export const told = (id: string, n: number): string => `${id}told${n}`;
export const part = (id: string, n: number): string => `${id}part${n}`;

export const RETRIES = 3;
/** Long enough for a peer to be started again on a slow machine. */
export const PATIENCE_MS = 25_000;

export const LIMITS: LimitOptions = { maxFailures: 1_000 };
/** So few that some calls wait on this side when the connection goes: those cannot have landed. */
export const CLIENT_LIMITS: LimitOptions = { ...LIMITS, maxPostedInFlight: 3 };
