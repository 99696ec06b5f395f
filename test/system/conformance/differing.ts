/**
 * Which transcripts are of the test contract, and where an implementation may go its own way, with the reason.
 */
import type { Transcript } from "./transcript.ts";

/** The chat and the jobs of the seed era have functions of their own. */
export function isOfContract({ name }: Transcript): boolean {
  return !name.startsWith("chat") && !name.startsWith("seed-era") && !name.startsWith("hello");
}

const REFUSED = "a failure ends the connection, in words of its own";
export const OWN_WAY: Readonly<Record<string, string>> = {
  "failing-script": REFUSED,
  "failing-script-go": REFUSED,
  "failing-script-py-client-go-server": REFUSED,
  "unknown-function": REFUSED,
  "unknown-function-go-server": REFUSED,
  "half-close-after-co-end": "what arrived before the end of the stream may still be answered",
  "half-close-mid-conversation": "the note may be landed or not",
  "nested-co-begin": REFUSED,
  "literals-other": "forms outside of the landing grammar are refused; test/parser compares every one",
  "literals-python": "forms outside of the landing grammar are refused; test/parser compares every one",
  "unexpected-object": "the client ends the connection",
};
