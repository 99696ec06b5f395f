/**
 * A push to all consumers, one of which has stopped reading: the others get it at once.
 */
import { connect as connectSocket } from "node:net";
import { defineService, type HbiError, method } from "hbi";
import { connect, serve } from "hbi/node";
import { expect, it } from "vitest";
import { z } from "zod";

const news = defineService({
  name: "news",
  version: "1.0.0",
  methods: {},
  reactions: {
    told: method({ params: { text: z.string().max(100_000) } }),
    asked: method({ params: {}, result: z.boolean() }),
  },
});

it("a consumer that does not read delays no other, whether the pushes are posted or called", async () => {
  const server = await serve(news, "127.0.0.1:0", () => ({}), { log: () => undefined });
  const dead = connectSocket(Number(server.address.split(":")[1]), "127.0.0.1").pause();
  dead.on("error", () => undefined);
  let heard = 0;
  let allHeard: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    allHeard = resolve;
  });
  const COUNT = 100;
  const told = () => {
    heard += 1;
    if (heard === COUNT) allHeard();
  };
  const link = await connect(news, server.address, { told, asked: () => true });
  while (server.peers.size < 2) await new Promise(setImmediate);

  const text = "x".repeat(90_000); // together more than the buffers of the system and of the library take
  let stuck = 0;
  for (let i = 0; i < COUNT; i++) {
    for (const peer of server.peers) {
      stuck += 1;
      const ended = () => {
        stuck -= 1;
      };
      void peer.post.told({ text }).then(ended, ended);
    }
  }
  await done;
  expect(stuck).toBeGreaterThan(0); // awaiting one after the other would stand here

  const answers = await Promise.allSettled([...server.peers].map((peer) => peer.call.asked({}, { timeoutMs: 500 })));
  const results = answers.map((one) => (one.status === "fulfilled" ? one.value : (one.reason as HbiError).code)); // typed any
  expect(results.sort()).toEqual(["deadline_exceeded", true]);
  dead.destroy();
  await link.close();
  await server.close();
});
