/**
 * Keeper: what the conversations and the two ends know of their connection. It stands apart from the connection, which
 * makes them, so that this room has no import cycles.
 */
import type { Chained } from "../chain.ts";
import type { Clock } from "../clock.ts";
import type { HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { HostingEnv } from "../registry/hosting-env.ts";
import type { Packet } from "../wire/packet.ts";
import type { PacketReader } from "../wire/packet-reader.ts";
import type { Bracket, Outgoing } from "./bracket.ts";
import type { Budgets } from "./budgets.ts";

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

/** A conversation that this side started. */
export interface PostedConversation extends BracketReader, Chained {
  readonly seq: number;
  /** Whether it holds a place on the wire: for the posting end. */
  isAdmitted: boolean;
  /** Whether it may ask for an object by `co_send`. */
  readonly mayAsk: boolean;
  /** the id as the peer acknowledges it */
  readonly coSeq: string;
  /** Whether a part of it is on the wire and the end is not. */
  readonly isSending: boolean;
  /** It has a place on the wire, and may ask for the send turn. */
  admitted(): void;
  answerBegins(): void;
  /** Takes an answer to `co_send` outside of any bracket; false when it asked for none. */
  takeLoneObject(text: string): boolean;
  /** No answer can come any more. */
  lose(error: HbiError): void;
}

/** The posting end, to its conversations. */
export interface PostingDesk {
  readonly liveCount: number;
  readonly knowsExtension: boolean;
  /** What stands behind the number in the token of a call that may take so long, with so many raw bytes. */
  callSuffix(deadlineMs: number, rawBytes: number): string;
  /** Asks for a place on the wire. */
  admit(conversation: PostedConversation, isUrgent?: boolean): void;
  /** Asks no more. */
  withdraw(conversation: PostedConversation): void;
  /** The peer has shown that it speaks the extension. */
  extensionSeen(): void;
  /** `successor` reads the rest of the answer. */
  replace(conversation: PostedConversation, successor: PostedConversation): void;
  /** Tells a peer that knows how to be told that nobody waits for the answer any more. */
  cancelAtPeer(seq: number): void;
  completed(conversation: PostedConversation): void;
}

/** The hosting end, to its conversations. */
export interface HostingDesk {
  readonly liveCount: number;
  /** Makes `co` the current conversation; gives the one that was, for `leave`. */
  enter(co: BracketReader): BracketReader | undefined;
  leave(outer: BracketReader | undefined): void;
  /** Whether one more than `maxInFlight` has begun: it may only be one of the library's own messages. */
  readonly isOverfull: boolean;
  /** Takes a place among all conversations of the process; false: there is none now, and the connection is pumped when there is. */
  enterProcess(): boolean;
  ended(co: BracketReader, hadPlace: boolean): void;
  queueSeedAnswer(bracket: Bracket): void;
  enterSeedAnswer(bracket: Bracket): void;
  seedAnswerClosed(bracket: Bracket): void;
}

export interface Keeper extends Outgoing {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly budgets: Budgets;
  readonly env: HostingEnv;
  readonly isExtended: boolean;
  readonly isOpen: boolean;
  readonly netIdent: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly posting: PostingDesk;
  readonly hosting: HostingDesk;
  /** When what is being read now was read, within `maxTurnMs`. */
  readonly readMs: number;
  /** Handles what has arrived, as far as somebody wants it. */
  pump(): void;
  /** Runs it now, or, when all connections together have worked for long, after others had their turn. */
  paced(run: () => void): void;
  /** An answer waits for the send turn: what a peer does not read is bounded together with what is written already. */
  answerHeld(): void;
  /** Another conversation goes on reading this bracket. */
  handOverReader(owner: BracketReader, successor: BracketReader): void;
  /** The conversation has received all of its bracket. */
  releaseReader(owner: BracketReader): void;
  /** A packet outside of any bracket, in its turn. */
  sendLone(packet: string): void;
  /** This side has begun one. */
  conversationBegun(): void;
  /** A conversation of either side is over. */
  conversationEnded(): void;
  /** Ends the connection because of `error`, and tells the peer. */
  cut(error: HbiError): void;
  disconnect(reason?: string): Promise<void>;
  peerGoesAway(reason: string | undefined): void;
  /** @throws HbiError unavailable */
  checkOpen(): void;
  /** @throws HbiError unavailable, also while draining */
  checkAccepting(): void;
  report(error: HbiError, where: string): void;
  /** Why a wait was in vain. */
  explainTimeout(waiting: BracketReader): HbiError;
}
