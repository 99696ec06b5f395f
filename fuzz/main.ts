/**
 * npm run fuzz -- [TARGET] [SECONDS] [--executions N] [--seed N] [--run N] [--input FILE] [--plain] [--keep] [--smoke] [--list]:
 * see README.md.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { countedRun } from "./engine/count.ts";
import { keepGrown } from "./engine/guided.ts";
import { wrongWith } from "./engine/run.ts";
import { runTarget } from "./engine/session.ts";
import type { Target } from "./engine/target.ts";
import { TARGETS } from "./targets/all.ts";

const SMOKE_SECONDS = 60;
const SHORT_SECONDS = 5;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    executions: { type: "string" },
    seed: { type: "string" },
    run: { type: "string" },
    input: { type: "string" },
    plain: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    smoke: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});
const [name, seconds = `${SHORT_SECONDS}`] = positionals;
const targets = name === undefined ? [...TARGETS.values()] : [TARGETS.get(name)].filter((it) => it !== undefined);
const numbers = [seconds, values.seed ?? "0", values.run ?? "0", values.executions ?? "1"];
if (targets.length === 0 || !numbers.every((text) => /^\d{1,9}$/.test(text))) {
  const options = "[--seed N] [--run N] [--input FILE] [--plain] [--keep] | --smoke | --list";
  console.error(
    `usage: npm run fuzz -- [TARGET] [SECONDS | --executions N] ${options}\ntargets: ${[...TARGETS.keys()].join(", ")}`,
  );
  process.exit(2);
}

const { executions, plain: isPlain } = values;
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
let findings = 0;
if (executions !== undefined) findings = await countedRun(targets, { executions: Number(executions), seed, isPlain });
else if (values.list) for (const { name: target, about } of targets) console.log(`${target.padEnd(12)}${about}`);
else for (const target of targets) findings += await fuzz(target);
process.exit(findings === 0 ? 0 : 1);

async function fuzz(target: Target): Promise<number> {
  const { input, smoke, keep } = values;
  if (input !== undefined) {
    const why = await wrongWith(target, new Uint8Array(readFileSync(input)), true);
    console.log(`${target.name}: ${why ?? "nothing is wrong with it"}`);
    return why === undefined ? 0 : 1;
  }
  const { found } = await runTarget(target, {
    seconds: smoke ? SMOKE_SECONDS / targets.length : Number(seconds),
    seed,
    only: values.run === undefined ? undefined : Number(values.run),
    isPlain: isPlain || smoke,
  });
  if (keep) console.log(`  ${keepGrown(target)} inputs are kept`);
  return found === undefined ? 0 : 1;
}
