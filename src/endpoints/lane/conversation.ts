/**
 * A conversation as the read turn knows it.
 */
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
