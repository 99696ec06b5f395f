/**
 * How a side introduces itself, which is said whenever a peer is met, and told apart from what a test is about.
 */
import { PRESETS } from "hbi";
import { helloToken } from "../../src/endpoints/conversation/token.ts";

const HELLO = /\[\d+#co_begin\]100;x;n;[^[]*\[\d+#co_end\]100;x;n;[^[]*/;
const ANSWER = "[3#co_ack_begin]100[3#co_ack_end]100";

/** What was heard, without the hello and the answer to one. */
export function withoutHello(heard: string): string {
  return heard.replace(HELLO, "").replace(ANSWER, "");
}

/** The id of the hello of a side with these limits: a client's by default. */
export function helloOf(preset: "public" | "client" = "client"): string {
  return helloToken(PRESETS[preset]);
}
