/**
 * Every attack of examples/attack-lab, short: it is caught by the limit that it is about, memory is bounded, the good client's calls succeed,
 * nobody is told more than a line, and nothing is thrown that nobody catches. HBI_ATTACKS=long adds those that take a minute. What attacks
 * cost is measured by `npm run attack-report`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Attack } from "../../../examples/attack-lab/attack.ts";
import { ATTACKS, FAMILIES } from "../../../examples/attack-lab/attacks/all.ts";
import { Grounds, needs } from "../../../examples/attack-lab/grounds.ts";
import { MOST_MIB, perform } from "../../../examples/attack-lab/lab.ts";
import type { Result } from "../../../examples/attack-lab/result.ts";
import { hasOpenssl } from "../../support/authority.ts";
import { program } from "../../support/programs.ts";

const built = (name: string) => program(`examples/attack-lab/${name}.ts`);
const SHORT = { beforeMs: 0, floodMs: 200, share: 0.05 };

const isLongRun = process.env["HBI_ATTACKS"] === "long";
/** Several attack at once on one machine, and what was attacked before has left room: twice what a server of its own may grow by. */
const ROOM = 2;
/** One after the other on the same server. */
const MOST_OF_ONE = 12;

function whyNot({ open, kind, isLong = false }: Attack): string | undefined {
  if (open !== undefined) return open;
  if (kind === "tls" && !hasOpenssl) return "the openssl command is missing";
  return isLong && !isLongRun ? "HBI_ATTACKS=long asks for it" : undefined;
}

const attacks = ATTACKS.filter((attack) => whyNot(attack) === undefined);
const results = new Map<Attack, Promise<Result>>();
/** So many servers are attacked at once: more than most machines have processors, as most attacks wait for a deadline. */
const LANES = 4;
let lanes: Promise<unknown>[] = [];

/** Attacks that need the same share a server and its client, one after the other. */
function groupsOf(all: readonly Attack[]): Attack[][] {
  const groups: Attack[][] = [];
  const open = new Map<string, Attack[]>();
  for (const attack of all) {
    const key = JSON.stringify(needs(attack));
    let group = open.get(key);
    if (group === undefined || group.length === MOST_OF_ONE) {
      group = [];
      groups.push(group);
      open.set(key, group);
    }
    group.push(attack);
  }
  return groups;
}

beforeAll(() => {
  const told = new Map<Attack, (result: Promise<Result>) => void>();
  for (const attack of attacks) results.set(attack, new Promise((resolve) => told.set(attack, resolve)));
  for (const result of results.values()) result.catch(() => undefined); // told by its own test
  const groups = groupsOf(attacks).sort((a, b) => b.length - a.length);
  const run = async (group: readonly Attack[]): Promise<void> => {
    const grounds = await Grounds.prepare(group[0] as Attack, built); // no group is empty
    for (const attack of group) {
      const result = perform(attack, grounds, SHORT);
      told.get(attack)?.(result);
      await result.catch(() => undefined);
    }
    await grounds.stop();
  };
  lanes = Array.from({ length: LANES }, async () => {
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      const own = group;
      await run(own).catch((thrown) => {
        for (const attack of own) told.get(attack)?.(Promise.reject(thrown));
      });
    }
  });
});
afterAll(async () => {
  await Promise.all(lanes);
}, 120_000);

describe.each(FAMILIES)("$title", ({ attacks }) => {
  it.for(attacks)("$name", { timeout: 180_000 }, async (attack, { skip }) => {
    const reason = whyNot(attack);
    skip(reason !== undefined, reason);
    const result = await results.get(attack);
    expect(result?.problems).toEqual([]);
    expect(result?.during.failures).toEqual([]);
    expect(result?.cost.growthMib).toBeLessThan(ROOM * (attack.mostMib ?? MOST_MIB));
  });
});
