/**
 * How a side introduces itself, which is said whenever a peer is met, and told apart from what a test is about.
 */
const HELLO = /\[\d+#co_begin\]100;x;n;[^[]*\[\d+#co_end\]100;x;n;[^[]*/;
const ANSWER = "[3#co_ack_begin]100[3#co_ack_end]100";

/** What was heard, without the hello and the answer to one. */
export function withoutHello(heard: string): string {
  return heard.replace(HELLO, "").replace(ANSWER, "");
}
