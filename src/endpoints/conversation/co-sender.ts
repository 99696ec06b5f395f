/**
 * Sending, for both kinds of conversation: code and objects as packets, buffers as raw data.
 */
import type { Bracket } from "../lane/bracket.ts";
import { asBytes, type Buffers } from "../lane/buffers.ts";
import type { Lane } from "../lane/lane.ts";
import type { WaitOptions } from "../waits.ts";
import { feedOf } from "./body-source.ts";

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
