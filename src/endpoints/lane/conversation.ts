/**
 * A conversation from the view of the read turn.
 */
import type { OnDemand } from "../../on-demand.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";

/** A conversation that holds the read turn, from its opening packet to its closing one. */
export interface BracketReader {
  /** Whether the next bytes are raw data that it takes now. */
  readonly wantsRaw: boolean;
  /** Whether the next bytes are a packet that it takes now. */
  readonly wantsPacket: boolean;
  /** Called before it receives a packet. @throws HbiError position_lost if the packet may be raw data */
  checkPosition(): void;
  /** Takes raw data; false if there is none. */
  takeRaw(reader: PacketReader): boolean;
  /** Whether it takes raw data up to the end of the lane. */
  readonly endsWithLane?: boolean;
  /** The lane has ended, and everything that had arrived was taken. May be called again. */
  laneEnded?(): void;
  /** Whether the peer may be silent, or slow, for as long as it likes: keepalive notices a dead one. */
  readonly isPatient?: boolean;
  /** Whether the peer may stop in the middle of it, because it knows that it is refused. */
  readonly mayStop?: boolean;
  /** The peer has stopped, and sends nothing more. */
  stopped?(): void;
  /** What must be loaded before it receives the packet. */
  missingFor?(packet: Packet): OnDemand<unknown> | undefined;
  /** Takes the packet. False if not now; it gets the same packet again after the next `pump`. */
  onPacket(packet: Packet): boolean;
}
