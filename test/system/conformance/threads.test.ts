/**
 * The recorded conversations between threads: over message ports, with our server or our client in a worker.
 */
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { messagePortTransport } from "hbi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { program } from "../../support/programs.ts";
import { transportDuplex } from "../../support/transport-duplex.ts";
import { withoutSeedPosts } from "./actor.ts";
import { differences } from "./compare.ts";
import { isOfContract, OWN_WAY } from "./differing.ts";
import { loadTranscripts } from "./load-transcripts.ts";
import { expectedCalls, NOT_PLAYED } from "./played.ts";
import { replay } from "./replay.ts";
import { bracketsOf } from "./transcript.ts";

const transcripts = loadTranscripts();
let worker: Worker;
beforeAll(async () => {
  worker = new Worker(program("test/system/programs/port-peer.ts"));
  await once(worker, "online");
});
afterAll(() => worker.terminate());

/** Its other end is with the worker. */
function portTo(role: { name?: string }) {
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ port: port2, ...role }, [port2]);
  return transportDuplex(messagePortTransport(port1));
}

/** Its application disconnects in the turn after a call, and does not wait for the message that has the end of the conversation. */
const HASTY = "disconnect-with-reason";

it.each(
  transcripts
    .filter(({ name }) => name !== HASTY && OWN_WAY[name] === undefined)
    .filter(isOfContract)
    .map((transcript) => [transcript.name, transcript] as const),
)("our server in a worker answers the recorded client of %s as the reference did", async (_, transcript) => {
  const { seen, missing } = await replay(transcript, "client", portTo({}));
  expect(missing).toBeUndefined();
  expect(differences(bracketsOf(transcript, "server"), seen)).toEqual([]);
});

it.each(
  transcripts
    .filter(({ name }) => NOT_PLAYED.client[name] === undefined)
    .map((recorded) => [recorded.name, withoutSeedPosts(recorded, "client")] as const),
)("our client in a worker says what the recorded server of %s accepts", async (name, transcript) => {
  const called = once(worker, "message");
  const { seen, missing } = await replay(transcript, "server", portTo({ name }));
  expect(missing).toBeUndefined();
  expect(differences(bracketsOf(transcript, "client"), seen)).toEqual([]);
  expect(await called).toEqual([expectedCalls(transcript, "server")]);
});
