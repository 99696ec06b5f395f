/**
 * The program that is started. What it prints does not disturb the service: it goes to standard error.
 */
import { serveStdio } from "hbi/node";
import { words } from "./service.ts";

await serveStdio(words, (peer) => ({
  async count({ file }) {
    const text = await peer.call.read({ file });
    console.log(`counting ${file}`);
    return text.split(/\s+/).length;
  },
}));
