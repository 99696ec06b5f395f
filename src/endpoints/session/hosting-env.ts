/**
 * HostingEnv with the types of this folder's ends: applications create one for each connection.
 */
import { type EntryTable, HostingEnv as Env } from "../../registry/hosting-env.ts";
import type { Introduction, SaidDefinition } from "../conversation/introduction.ts";
import type { LogFields } from "./call-log.ts";
import type { Connection } from "./connection.ts";
import type { HoCo } from "./ho-co.ts";
import type { HostingEnd } from "./hosting-end.ts";
import type { PoCo } from "./po-co.ts";
import type { PostingEnd } from "./posting-end.ts";

interface EndsOfConnection {
  readonly po: PostingEnd;
  readonly ho: HostingEnd;
  readonly co: HoCo | PoCo;
}

/** The hosting environment of one connection: the methods, value constructors and slots that its peer may use. A
 *  handler receives the conversation that is being landed: a HoCo, or a PoCo if the script came in an answer. */
export type HostingEnv = Env<EndsOfConnection>;
export const HostingEnv: new (shared?: EntryTable, bound?: unknown) => HostingEnv = Env<EndsOfConnection>;

/** What the typed layer adds to a connection, by the `bound` of its environments. */
export interface TypedLayer {
  /** what logs tell of the peer */
  readonly logFields?: LogFields;
  /** what the hello says of this side's definition; may take long the first time */
  readonly definition?: (() => SaidDefinition | undefined) | undefined;
  /** The peer has introduced itself. */
  readonly introduced?: ((introduction: Introduction, connection: Connection) => void) | undefined;
}

/** @param env undefined while the connection is being made */
export function typedLayerOf(env: { readonly bound: unknown } | undefined): TypedLayer | undefined {
  return env?.bound as TypedLayer | undefined; // created by the typed layer only
}
