import { createHash } from "node:crypto";
import { HostingEnv, method, script } from "hbi";
import { HBIS } from "hbi/node";
import { z } from "zod";

const hash = method({
  params: { name: z.string().max(200), size: z.int().min(0).max(1e9) },
  body: ({ size }) => size, // the number of raw bytes that follow the call
  result: z.string(),
});

const server = new HBIS("127.0.0.1:3232", () => {
  const env = new HostingEnv(); // one per connection: exactly what this peer may call
  env.expose("hash", hash, async ({ name }, co) => {
    const sha256 = createHash("sha256");
    for await (const chunk of co.recvChunks()) sha256.update(chunk); // streamed, never held as a whole
    void env.po.notif(script`hashed(${name})`); // push: either side starts conversations
    return sha256.digest("hex");
  });
  return env;
});
await server.serveUntilClosed();
