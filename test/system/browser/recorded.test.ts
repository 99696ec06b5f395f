/**
 * Recorded servers of the reference, and our client in a page: over the WebSocket of the browser, from a bundle, which loads on demand what
 * a conversation needs.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { describeInBrowser, inPage, type Site, serveProgram } from "../../support/browser.ts";
import { withoutSeedPosts } from "../conformance/actor.ts";
import { differences } from "../conformance/compare.ts";
import { loadTranscripts, readData } from "../conformance/load-transcripts.ts";
import { expectedCalls, NOT_OF_WEB_SOCKETS, NOT_PLAYED } from "../conformance/played.ts";
import { replay } from "../conformance/replay.ts";
import { bracketsOf, type TranscriptFile } from "../conformance/transcript.ts";

describeInBrowser("our client in a page says what recorded servers accept", (browser) => {
  let site: Site;
  let server: WebSocketServer;
  beforeAll(async () => {
    site = await serveProgram(new URL("recorded-program.ts", import.meta.url));
    server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
  });
  afterAll(async () => {
    await site.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it("each of them", async () => {
    const program = inPage<typeof import("./recorded-program.ts")>(await browser.open(site.url));
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/hbi`;
    const played = loadTranscripts().filter(
      ({ name }) => NOT_PLAYED.client[name] === undefined && !NOT_OF_WEB_SOCKETS.includes(name),
    );
    expect(played.length).toBeGreaterThan(25);
    for (const recorded of played) {
      const transcript = withoutSeedPosts(recorded, "client");
      const accepted = once(server, "connection");
      const calls = program.play(url, readData(recorded.name) as TranscriptFile);
      const [socket] = (await Promise.race([accepted, calls])) as [WebSocket];
      const { seen, missing } = await replay(transcript, "server", createWebSocketStream(socket));
      expect([recorded.name, missing]).toEqual([recorded.name, undefined]);
      expect([recorded.name, differences(bracketsOf(transcript, "client"), seen)]).toEqual([recorded.name, []]);
      expect([recorded.name, await calls]).toEqual([recorded.name, expectedCalls(transcript, "server")]);
    }
  });
});
