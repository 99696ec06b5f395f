/**
 * Lands the objects that a peer sends.
 */
import { HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { parseValue } from "../../parser/landing-reader.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { landValue } from "../../registry/land-value.ts";
import { checkPacket } from "../conversation/packet-size.ts";
import { withLanded } from "../waits.ts";

/** An object packet as a value. @throws HbiError why it is refused */
export function landObject(text: string, env: HostingEnv, limits: Limits): unknown {
  if (env.mostPacketBytes > 0) checkPacket(text, limits);
  const value = landValue(parseValue(text, limits), env);
  return isUnseen(value) ? withLanded(value, false) : value;
}

/** Whether this is how a host refuses a conversation that it has not processed; a service behind the host never answers
 *  like this. */
export function isUnseen(value: unknown): value is HbiError {
  return value instanceof HbiError && (value.reason === "draining" || value.reason === "overloaded");
}
