/**
 * How a side introduces itself, which is said whenever a peer is met, and told apart from what a test is about.
 */
import { describeService, PRESETS, type Service } from "hbi";
import type { SaidDefinition } from "../../src/endpoints/conversation/introduction.ts";
import { helloToken } from "../../src/endpoints/conversation/token.ts";

const HELLO = /\[\d+#co_begin\]100;x;n;[^[]*\[\d+#co_end\]100;x;n;[^[]*/;
const ANSWER = "[3#co_ack_begin]100[3#co_ack_end]100";

/** What was heard, without the hello and the answer to one. */
export function withoutHello(heard: string): string {
  return heard.replace(HELLO, "").replace(ANSWER, "");
}

/** The id of the hello of a side with these limits, a client's by default, and with what it says of its definition. */
export function helloOf(preset: "public" | "client" = "client", definition?: SaidDefinition): string {
  return helloToken(PRESETS[preset], 0, definition, true);
}

/** The id of the hello of a server of this definition. */
export function helloOfServer(service: Service): string {
  return helloOf("public", { hashes: [describeService(service).hash.slice(0, 8)] });
}
