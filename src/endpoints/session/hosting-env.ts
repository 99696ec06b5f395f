/**
 * HostingEnv with the types of this room's ends: what the application makes one of for each connection.
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

/** The hosting environment of one connection: the methods, value constructors and slots that its peer may use. A handler is
 *  given the conversation being landed: a HoCo, or a PoCo when the script came as part of an answer. */
export type HostingEnv = Env<EndsOfConnection>;
export const HostingEnv: new (shared?: EntryTable, bound?: unknown) => HostingEnv = Env<EndsOfConnection>;
