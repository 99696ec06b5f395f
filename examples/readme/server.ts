import { createHash, getHashes } from "node:crypto";
import { HbiError } from "hbi";
import { serve } from "hbi/node";
import { hashing } from "./definition.ts";

await serve(hashing, "127.0.0.1:3232", (peer) => ({
  async hash({ algorithm }, call) {
    if (!getHashes().includes(algorithm)) throw new HbiError("not_found", "no such algorithm", { algorithm });
    const start = performance.now();
    const hash = createHash(algorithm);
    for await (const chunk of call.body) hash.update(chunk); // streamed, never held as a whole
    await peer.post.hashed({ algorithm, ms: performance.now() - start }); // push
    return hash.digest("hex");
  },
}));
