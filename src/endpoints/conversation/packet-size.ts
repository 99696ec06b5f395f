/**
 * The size of a packet, under the limits that apply to it.
 */
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { utf8Length } from "../../wire/packet.ts";

/** For a packet that was read because some method permits its size.
 *  @throws HbiError packet_too_big, which ends only its script */
export function checkPacket(text: string, { maxPacketBytes }: Limits): void {
  if (text.length * 3 <= maxPacketBytes) return;
  const bytes = utf8Length(text);
  if (bytes > maxPacketBytes)
    throw failure("packet_too_big", `${bytes} bytes, at most ${maxPacketBytes} (maxPacketBytes)`);
}
