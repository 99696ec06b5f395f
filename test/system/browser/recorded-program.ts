/**
 * The side of the page: it plays the clients of recorded conversations.
 */
import { Connection, dialWebSocket } from "hbi";
import { Actor, withoutSeedPosts } from "../conformance/actor.ts";
import { fromFile, type TranscriptFile } from "../conformance/transcript.ts";

/** How often the server has called it. */
export async function play(url: string, file: TranscriptFile): Promise<number> {
  const actor = new Actor(withoutSeedPosts(fromFile(file), "client"), "client");
  const transport = await dialWebSocket(url, { timeoutMs: 10_000 });
  const connection = new Connection(transport, () => actor.env(), { log: () => undefined });
  await connection.start();
  await actor.perform(connection.posting);
  await connection.drain();
  return actor.calls.length;
}
