/**
 * Results: bench/results.json, which keeps the last run of each job, and what is generated from it: bench/results.md
 * and the plots.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { fileURLToPath } from "node:url";
import { chart } from "./chart.ts";
import { CORES } from "./processes.ts";
import type { Section } from "./section.ts";
import { asMarkdown, tablesOf, verdictTable } from "./tables.ts";
import { verdictsOf } from "./targets.ts";

interface Measured {
  readonly date: string;
  readonly machine: string;
  readonly rounds: number;
  readonly section: Section;
}

/** Built into bench/.cache/harness. */
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

function machine(): string {
  const pinned = CORES === undefined ? "not pinned" : "client and server pinned to a core each";
  const [cpu] = cpus();
  return `Node ${process.versions.node}, ${platform()} ${arch()}, ${cpus().length} cores (${cpu?.model.trim() ?? "?"}), ${pinned}`;
}

/** Replaces the same sections of earlier runs. */
export function writeResults(sections: readonly Section[], rounds: number, order: readonly string[]): void {
  const file = path("results.json");
  const earlier: Measured[] = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Measured[]) : []; // written below
  const names = new Set(sections.map(({ name }) => name));
  const date = new Date().toISOString().slice(0, 10);
  const rank = ({ section }: Measured) => order.findIndex((job) => section.name.startsWith(job));
  const all = [
    ...earlier.filter(({ section }) => !names.has(section.name)),
    ...sections.map((section) => ({ date, machine: machine(), rounds, section })),
  ].sort((a, b) => rank(a) - rank(b));
  writeFileSync(file, `${JSON.stringify(all, rounded, 1)}\n`);
  writeFileSync(path("results.md"), markdown(all));
  for (const section of sections) writeFileSync(path(`${section.name}.svg`), chart(section));
}

/** More digits than are significant would change with every run. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}

function markdown(all: readonly Measured[]): string {
  const parts = all.map(({ date, machine, rounds, section }) => {
    const verdicts = verdictsOf(section);
    return [
      `## ${section.title}`,
      `${date}, ${rounds} rounds. ${machine}.`,
      ...tablesOf(section).map(asMarkdown),
      ...(verdicts.length === 0 ? [] : [asMarkdown(verdictTable(verdicts))]),
      ...section.remarks,
      ...(section.failures ?? []).map((failure) => `FAILED: ${failure}`),
      `![${section.title}](${section.name}.svg)`,
    ].join("\n\n");
  });
  return `# Measured\n\nWritten by \`npm run bench\`: medians, in brackets the least and the most.\n\n${parts.join("\n\n")}\n`;
}
