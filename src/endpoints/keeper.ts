/**
 * Keeper: what the conversations and the two ends know of their connection. It stands apart from the connection, which
 * makes them, so that this room has no import cycles.
 */
import type { Clock } from "../clock.ts";
import type { HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { HostingEnv } from "../registry/hosting-env.ts";
import type { Packet } from "../wire/packet.ts";
import type { PacketReader } from "../wire/packet-reader.ts";
import type { Bracket, Outgoing } from "./bracket.ts";

/** A conversation that holds the read turn: from its opening packet to its closing one nobody else reads. */
export interface BracketReader {
  /** Whether the next bytes are raw data that it takes now. */
  readonly wantsRaw: boolean;
  /** Whether the next bytes are a packet that it takes now. */
  readonly wantsPacket: boolean;
  /** Takes raw data; false when there is none. */
  takeRaw(reader: PacketReader): boolean;
  /** Takes the packet; false: not now, the same one again after the next `pump`. */
  onPacket(packet: Packet): boolean;
}

/** The posting end, to its conversations. */
export interface PostingDesk {
  readonly liveCount: number;
  readonly knowsExtension: boolean;
  /** Asks for a place on the wire, then for the send turn. */
  admit(seq: number, bracket: Bracket): void;
  withdraw(bracket: Bracket): void;
  completed(seq: number): void;
}

/** The hosting end, to its conversations. */
export interface HostingDesk {
  readonly liveCount: number;
  /** Runs `handler` with `co` as the current conversation. */
  enter<T>(co: BracketReader, handler: () => T): T;
  ended(co: BracketReader): void;
  queueSeedAnswer(bracket: Bracket): void;
  enterSeedAnswer(bracket: Bracket): void;
  seedAnswerClosed(bracket: Bracket): void;
}

export interface Keeper extends Outgoing {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly env: HostingEnv;
  readonly isExtended: boolean;
  readonly isOpen: boolean;
  readonly netIdent: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly posting: PostingDesk;
  readonly hosting: HostingDesk;
  /** Handles what has arrived, as far as somebody wants it. */
  pump(): void;
  /** The conversation has received all of its bracket. */
  releaseReader(owner: BracketReader): void;
  /** A packet outside of any bracket, in its turn. */
  sendLone(packet: string): void;
  /** A conversation of either side is over. */
  conversationEnded(): void;
  /** Ends the connection because of `error`, and tells the peer. */
  cut(error: HbiError): void;
  disconnect(reason?: string): Promise<void>;
  /** @throws HbiError unavailable */
  checkOpen(): void;
  /** @throws HbiError unavailable, also while draining */
  checkAccepting(): void;
  report(error: HbiError, where: string): void;
  /** Why a wait was in vain. */
  explainTimeout(waiting: BracketReader): HbiError;
}
