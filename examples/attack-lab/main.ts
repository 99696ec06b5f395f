/**
 * The attack lab: a server, a working client, and a dozen attackers, one after the other, each on a server of its own.
 * Start reading at attack.ts; the attacks are in attacks/. Usage: main [--short]. Exits with 1 if an attack was not
 * held.
 */
import { fileURLToPath } from "node:url";
import { ATTACKS } from "./attacks/all.ts";
import { performAlone } from "./lab.ts";
import { caughtText, costText, goodText, sawText, sentText, verdictOf } from "./verdict.ts";
import { View } from "./view.ts";

const SHOWN = [
  "pings",
  "endless slow calls",
  "unknown methods",
  "never ended, large answers",
  "HTTP",
  "replies never read",
  "a header, byte by byte",
  "raw data, byte by byte",
  "nested 130,000 deep",
  "a regular expression",
  "a body without end behind a refused call",
  "guessing credentials",
  "200 connections of one address",
  "server: answers to calls never made",
];
const isShort = process.argv[2] === "--short";
const program = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const options = isShort ? { beforeMs: 50, floodMs: 300, share: 0.2 } : { beforeMs: 500, floodMs: 1_000, share: 1 };

const shown = SHOWN.filter((_, i) => !isShort || i % 7 === 0);
const attacks = ATTACKS.filter(({ name }) => shown.includes(name));
const view = new View(attacks.map(({ name }) => name));
let held = 0;
let calls = 0;
let failed = 0;
let sentBytes = 0;
for (const attack of attacks) {
  view.show(attack.name, "under way...", false);
  const result = await performAlone(attack, program, options);
  // Durations mean little while everything runs at once.
  const verdict = isShort ? (result.problems.length === 0 ? "held" : "not held") : verdictOf(attack, result);
  const said = [
    `${verdict} by ${caughtText(attack)}`,
    `sent ${sentText(result.exchange)}`,
    `saw ${sawText(result.exchange)}`,
    costText(result),
    `good client: ${goodText(result)}`,
    ...(verdict === "held" ? [] : result.problems),
  ];
  view.show(attack.name, said.join("; "), true);
  if (verdict === "held") held += 1;
  calls += result.during.calls;
  failed += result.during.failures.length;
  sentBytes += result.exchange.sentBytes;
}
console.log(
  `\n  ${held} of ${attacks.length} attacks held, ${(sentBytes / 1e6).toFixed(0)} MB of them; the good client made ${calls} calls, ${failed} failed.`,
);
process.exit(held === attacks.length ? 0 : 1);
