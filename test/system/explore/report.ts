/**
 * The text of an exploration: its size, and each violation as a readable sequence that can be replayed.
 */
import type { Exploration, Finding } from "./explorer.ts";
import type { Story } from "./run.ts";
import type { World } from "./world.ts";

/** The first finding of each property, which has the shortest path. */
export function firstOfEach(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ property }, at) => findings.findIndex((finding) => finding.property === property) === at);
}

/** The findings that are not marked as known. */
export function unexpected({ world: { known = [] }, findings }: Exploration): Finding[] {
  return firstOfEach(findings).filter(({ property }) => !known.includes(property));
}

export const HEADING = row("world", ["states", "transitions", "run", "depth", "ends", "seconds"]);

export function explorationRow(exploration: Exploration, seconds: number): string {
  const { world, states, transitions, taken, depth, ends, isWhole, findings } = exploration;
  const counts = [states, transitions, taken, depth, ends].map((count) => count.toLocaleString("en"));
  const marks = [
    ...(isWhole ? [] : ["stopped: there are more states"]),
    ...firstOfEach(findings).map(({ property, story: { path } }) => {
      const isKnown = world.known?.includes(property) === true;
      return `${isKnown ? "known: " : "VIOLATED: "}${property} (${path.length} steps)`;
    }),
  ];
  return [row(world.name, [...counts, seconds.toFixed(1)]), ...marks.map((mark) => `    ${mark}`)].join("\n");
}

function row(name: string, columns: readonly string[]): string {
  return `${name.padEnd(56)}${columns.map((column) => column.padStart(12)).join("")}`;
}

export function findingText(world: World, { property, what, story }: Finding): string {
  return [
    `${world.name}: "${property}" does not hold: ${what}`,
    storyText(story),
    `replay it:  npm run explore -- --replay '${world.name}' ${story.path.join(",")}`,
  ].join("\n");
}

/** Each choice, and below it what came of it. */
export function storyText({ events }: Story): string {
  return events.flatMap(({ label, notes }) => [`  ${label}`, ...notes.map((note) => `      ${note}`)]).join("\n");
}
