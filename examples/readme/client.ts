import { HbiError } from "hbi";
import { connect } from "hbi/node";
import { hashing } from "./definition.ts";

const link = await connect(hashing, "127.0.0.1:3232", {
  hashed: ({ algorithm, ms }) => console.log(`${algorithm} took ${ms.toFixed(1)} ms`),
});

const body = new TextEncoder().encode("Hello, HBI!");
const hash = (algorithm: string) => link.call.hash({ algorithm, size: body.length }, { body });

console.log(await Promise.all(["md5", "sha1", "sha256"].map(hash))); // pipelined on one connection

try {
  await hash("md17");
} catch (error) {
  if (!(error instanceof HbiError) || error.code !== "not_found") throw error;
  console.log(error.message, error.details); // refused; the connection stays open
}
await link.close();
