/**
 * What a connection knows of its conversations: who reads a bracket, and what was posted. Each has more than one implementation.
 */
import type { Chained } from "../../chain.ts";
import type { HbiError } from "../../errors.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";

/** A conversation that holds the read turn: from its opening packet to its closing one nobody else reads. */
export interface BracketReader {
  /** Whether the next bytes are raw data that it takes now. */
  readonly wantsRaw: boolean;
  /** Whether the next bytes are a packet that it takes now. */
  readonly wantsPacket: boolean;
  /** Before a packet is handed to it. @throws HbiError position_lost when what was read as one may be raw data */
  checkPosition(): void;
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
  /** Whether it may be larger than what any peer takes. */
  readonly isLarge: boolean;
  /** the first form in its script that only a peer of ours reads, if it is known that there is one */
  onlyOurs: string | undefined;
  /** Whether it goes before what waits, and beside what is in flight. */
  readonly isUrgent: boolean;
  /** It has a place on the wire, and may ask for the send turn. */
  admitted(): void;
  /** @param hasNoRawData the host promises that no raw data is in it */
  answerBegins(hasNoRawData: boolean): void;
  /** Takes an answer to `co_send` outside of any bracket; false when it asked for none. */
  takeLoneObject(text: string): boolean;
  /** Gives it up. */
  abandon(error: HbiError): void;
  /** The peer takes nothing new. Gives it up if nothing of it is on the wire. */
  turnedAway(error: HbiError): void;
  /** No answer can come any more. */
  lose(error: HbiError): void;
}
