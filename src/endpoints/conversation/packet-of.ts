/**
 * Packets of code and objects.
 */
import { failure } from "../../errors.ts";
import { encodePacket } from "../../wire/packet.ts";

/** A packet of text that the application wrote or `script` created. An empty object is sent as `None`, because the
 *  Python reference loses what follows an empty packet.
 *  @throws HbiError invalid_argument for an empty script */
export function packetOf(directive: "" | "co_recv" | "co_send", text: string): string {
  if (text !== "") return encodePacket(directive, text);
  if (directive === "co_recv") return encodePacket(directive, "None");
  throw failure("bad_option", "an empty script");
}

/** Every peer accepts a text of this many characters, unless its limits are very low. */
const SMALL_CHARS = 4 * 1024;

export function isLarge(text: string): boolean {
  return text.length > SMALL_CHARS;
}
