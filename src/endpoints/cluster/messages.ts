/**
 * What a primary and its worker processes say to each other, over Node's IPC. The member `hbi` of a message is its kind;
 * messages without it belong to the application.
 */
import cluster from "node:cluster";

/** With `socket` comes the socket itself. */
export type ToWorker =
  | { readonly hbi: "socket"; readonly id: number; readonly at: number }
  | { readonly hbi: "drain" | "close"; readonly reason?: string | undefined }
  | { readonly hbi: "ping" };

export type ToPrimary =
  | { readonly hbi: "ready" | "pong" }
  | { readonly hbi: "taken" | "left"; readonly id: number }
  | { readonly hbi: "failed"; readonly why: string };

type Text<M, Kinds> = Extract<M, { readonly hbi: Kinds }>;
type Fields = Readonly<Record<string, unknown>>;

function isKind<K extends string>(fields: Fields, ...kinds: K[]): fields is Fields & { readonly hbi: K } {
  return kinds.includes(fields["hbi"] as K);
}

/** Undefined for what is no message of a worker: its consumer may have taken it over. */
export function fromWorker(message: unknown): ToPrimary | undefined {
  const fields = Object(message) as Fields;
  if (isKind(fields, "ready", "pong")) return { hbi: fields.hbi };
  if (isKind(fields, "taken", "left")) {
    const { hbi, id } = fields as unknown as Text<ToPrimary, "taken">; // its id is looked up
    return typeof id === "number" ? { hbi, id } : undefined;
  }
  if (isKind(fields, "failed")) return { hbi: "failed", why: String(fields["why"]) };
  return undefined;
}

/** Undefined for a message of the application. */
export function fromPrimary(message: unknown): ToWorker | undefined {
  const fields = Object(message) as Fields;
  if (isKind(fields, "socket", "drain", "close", "ping")) return fields as unknown as ToWorker; // by its own parent
  return undefined;
}

const VARIABLE = "HBI_WORKER";

/** What a worker process is told when it is started. */
export interface Appointment {
  readonly number: number;
  /** as bound by the primary */
  readonly addresses: readonly string[];
}

export function appointing(appointment: Appointment): Readonly<Record<string, string>> {
  return { [VARIABLE]: JSON.stringify(appointment) };
}

/** Undefined in a process that is no worker. Its own children are none either. */
export const APPOINTMENT: Appointment | undefined = (() => {
  const text = process.env[VARIABLE];
  delete process.env[VARIABLE];
  return text === undefined || !cluster.isWorker ? undefined : (JSON.parse(text) as Appointment); // of its own primary
})();
