/**
 * npm run conformance -- HOST:PORT [NAME ...]: plays the recorded clients to any server that offers the test contract, and
 * compares its answers with those of the reference.
 */
import { connect } from "node:net";
import { differences } from "./compare.ts";
import { isOfContract, OWN_WAY } from "./differing.ts";
import { loadTranscripts } from "./load-transcripts.ts";
import { connected, replay } from "./replay.ts";
import { bracketsOf } from "./transcript.ts";

const [address, ...names] = process.argv.slice(2);
const match = /^(.*):(\d+)$/.exec(address ?? "");
if (match === null) {
  console.error("usage: npm run conformance -- HOST:PORT [NAME ...]");
  process.exit(2);
}
const [, host = "", port = ""] = match;

let passed = 0;
let failed = 0;
for (const transcript of loadTranscripts()) {
  if (!isOfContract(transcript) || (names.length > 0 && !names.includes(transcript.name))) continue;
  const socket = await connected(connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true }));
  const { seen, missing } = await replay(transcript, "client", socket);
  const lines = [...(missing === undefined ? [] : [missing]), ...differences(bracketsOf(transcript, "server"), seen)];
  const allowed = OWN_WAY[transcript.name];
  const isPassed = lines.length === 0 || allowed !== undefined;
  if (isPassed) passed += 1;
  else failed += 1;
  console.log(
    `${isPassed ? "PASS" : "FAIL"} ${transcript.name}${lines.length > 0 && allowed ? ` (may differ: ${allowed})` : ""}`,
  );
  if (!isPassed) for (const line of lines.slice(0, 5)) console.log(`     ${line}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
