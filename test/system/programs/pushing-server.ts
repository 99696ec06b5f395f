/**
 * A server that pushes to whoever connects, before they have said anything, while they speak and when they are gone, and waits for none of
 * it. What would end the process ends it: no listener is in the way.
 */
import { serve } from "hbi/node";
import { handlersOf, kinds, Work } from "../../endpoints/service/fixture.ts";

const work = new Work();
const server = await serve(
  kinds,
  "127.0.0.1:0",
  (peer) => {
    const push = (): void => {
      void peer.post.told({ text: "hello" });
      void peer.post.given({ size: 100_000 }, { body: new Uint8Array(100_000) });
      void peer.call.asked({ question: "who is there?" });
      void peer.po.notif("told('hello')");
    };
    push();
    void peer.closed.then(push);
    return handlersOf(work)(peer);
  },
  { log: push },
);

/** Also in the middle: when something is told of a peer. */
function push(): void {
  for (const peer of server.peers) void peer.post.told({ text: "something is wrong" });
}

console.log(`listening on ${server.address}`);
process.stdin.resume().once("end", () => {
  void server.close();
  void server.closed.then(() => process.exit(process.exitCode));
});
