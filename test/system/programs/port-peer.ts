/**
 * A worker that is a peer at the other end of each port that it is sent: the server of the test contract, or the client of
 * a transcript, of which it says how often it was called.
 */
import { type MessagePort, parentPort } from "node:worker_threads";
import { Acceptor, Connection, messagePortTransport } from "hbi";
import { Actor, withoutSeedPosts } from "../conformance/actor.ts";
import { contractEnv } from "../conformance/contract.ts";
import { loadTranscripts } from "../conformance/load-transcripts.ts";

export interface Role {
  readonly port: MessagePort;
  /** whose client it plays; without it, it is the server */
  readonly name?: string;
}

const transcripts = loadTranscripts();
const acceptor = new Acceptor(contractEnv, { extension: false, log: () => undefined });

parentPort?.on("message", async ({ port, name }: Role) => {
  const recorded = transcripts.find((transcript) => transcript.name === name);
  if (recorded === undefined) {
    await acceptor.accept(messagePortTransport(port));
    return;
  }
  const actor = new Actor(withoutSeedPosts(recorded, "client"), "client");
  const connection = new Connection(messagePortTransport(port), () => actor.env(), { log: () => undefined });
  await connection.start();
  await actor.perform(connection.posting);
  await connection.drain();
  parentPort?.postMessage(actor.calls.length);
});
