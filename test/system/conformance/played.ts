/**
 * Which transcripts a peer of this library can play, and what the other side then calls.
 */
import { calledNames } from "./actor.ts";
import type { Side, Transcript } from "./transcript.ts";

/** What an Actor of ours cannot play, and why. */
export const NOT_PLAYED: Readonly<Record<Side, Readonly<Record<string, string>>>> = {
  client: {
    "co-send-request": "hand-made bytes: see the test of getObj",
    "co-send-request-go": "hand-made bytes: see the test of getObj",
    "disconnect-with-reason-by-client": "its reason comes from the application: see the test of disconnect",
    "err-from-peer": "hand-made bytes",
    "failing-script": "the server ends the connection: see the tests of lost connections",
    "failing-script-go": "the server ends the connection: see the tests of lost connections",
    "failing-script-py-client-go-server": "the server ends the connection: see the tests of lost connections",
    "half-close-after-co-end": "hand-made bytes",
    "half-close-mid-conversation": "hand-made bytes",
    "literals-other": "a list of literals: test/parser",
    "literals-python": "a list of literals: test/parser",
    "nested-co-begin": "hand-made bytes that our client never sends",
    "object-not-asked-for": "hand-made bytes that our client never sends",
    "seed-era-client-master-server": "the ids of a seed-era client are memory addresses",
    "seed-era-jobs": "the ids of a seed-era client are memory addresses",
    "seed-era-server-master-client": "recorded to show that the reference's client dies: see below",
    "unexpected-object": "recorded to show that the client ends the connection: see the test of that",
    "unknown-directive": "hand-made bytes that our client never sends",
    "unknown-directive-go": "hand-made bytes that our client never sends",
    "unknown-function": "the server ends the connection",
    "unknown-function-go-server": "the server ends the connection: see the tests of lost connections",
    "zero-length-packets": "our client never sends packets of no length",
    "zero-length-packets-go": "our client never sends packets of no length",
  },
  server: {
    "co-send-request": "played by the contract server above",
    "co-send-request-go": "played by the contract server above",
    "disconnect-with-reason": "played by the contract server above",
    "failing-script": "played by the contract server above",
    "failing-script-go": "played by the contract server above",
    "failing-script-py-client-go-server": "played by the contract server above",
    "half-close-after-co-end": "played by the contract server above",
    "half-close-mid-conversation": "played by the contract server above",
    "literals-other": "a list of literals: test/parser",
    "literals-python": "a list of literals: test/parser",
    "nested-co-begin": "played by the contract server above",
    "object-not-asked-for": "played by the contract server above",
    "seed-era-jobs": "a seed-era server acknowledges before the question; its client waits for that",
    "seed-era-server-master-client": "the ids of a seed-era server are memory addresses",
    "unknown-directive": "played by the contract server above",
    "unknown-directive-go": "played by the contract server above",
    "unknown-function": "played by the contract server above",
    "unknown-function-go-server": "played by the contract server above",
  },
};

/** What is not played over a WebSocket: a direction cannot end alone, and an application that disconnects in the turn after a call does not
 *  wait for the message that has the end of the conversation. */
export const NOT_OF_WEB_SOCKETS: readonly string[] = [
  "half-close-after-co-end",
  "half-close-mid-conversation",
  "disconnect-with-reason",
];

/** The number of calls that this side's scripts make. */
export function expectedCalls(transcript: Transcript, from: Side): number {
  let calls = 0;
  for (const item of transcript.items) {
    if (item.from !== from || item.kind !== "packet" || item.directive !== "") continue;
    calls += calledNames(item.payload).length;
  }
  return calls;
}
