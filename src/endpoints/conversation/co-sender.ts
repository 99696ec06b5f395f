/**
 * Sending, for both kinds of conversation: code and objects as packets, buffers as raw data.
 */
import { failure } from "../../errors.ts";
import { encodePacket } from "../../wire/packet.ts";
import type { Bracket } from "../lane/bracket.ts";
import type { Lane } from "../lane/lane.ts";
import { asBytes, type Buffers } from "../lane/raw-intake.ts";
import type { WaitOptions } from "../waits.ts";
import { feedOf } from "./body-source.ts";

/** A packet of text that the application wrote or `script` created. An empty object is sent as `None`, because the
 *  Python reference loses what follows an empty packet.
 *  @throws HbiError invalid_argument for an empty script */
export function packetOf(directive: "" | "co_recv" | "co_send", text: string): string {
  if (text !== "") return encodePacket(directive, text);
  if (directive === "co_recv") return encodePacket(directive, "None");
  throw failure("bad_option", "an empty script");
}

/** Writes the buffers as raw data. The bracket stays marked as inside raw data when the iterable fails half-way, since
 *  nobody knows how much the peer still expects. An iterable is closed when nothing more of it is sent. */
export async function sendBuffers(bracket: Bracket, lane: Lane, buffers: Buffers, options: WaitOptions): Promise<void> {
  const send = (view: ArrayBufferView): Promise<void> | undefined => {
    const bytes = asBytes(view);
    return settled(bracket.bytes(bytes, options), lane, options);
  };
  if (ArrayBuffer.isView(buffers)) await send(buffers);
  else {
    const feed = feedOf(buffers);
    bracket.beginRawData(feed);
    for await (const view of feed) {
      const sent = send(view);
      if (sent !== undefined) await sent;
    }
    bracket.endRawData();
  }
}

/** Bounds a wait for the wire, which would end only with the connection, by the caller's deadline and signal. After a
 *  cancellation, the buffer may be changed. */
export function settled(
  sent: Promise<void> | undefined,
  { session, wire }: Lane,
  options: WaitOptions,
): Promise<void> | undefined {
  if (sent === undefined || (options.signal === undefined && options.timeoutMs === undefined)) return sent;
  const wait = session.waits.start<void>(options);
  sent.then(
    () => wait.settle(),
    (error) => wait.fail(error),
  );
  wait.promise.catch(() => wire.keepBorrowed());
  return wait.promise;
}
