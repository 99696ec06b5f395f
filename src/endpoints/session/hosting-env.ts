/**
 * HostingEnv with the types of this folder's ends: applications create one for each connection.
 */
import { type EntryTable, HostingEnv as Env } from "../../registry/hosting-env.ts";
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
