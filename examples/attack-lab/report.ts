/**
 * npm run attack-report: runs every attack at full strength, one after the other, and writes the outcome to docs/attack-report.md.
 * Usage: [PART_OF_A_NAME] runs only the attacks whose names contain it, and writes nothing.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import { type Attack, QUICK } from "./attack.ts";
import { FAMILIES } from "./attacks/all.ts";
import { MOST_HELD_MS, MOST_MIB, performAlone } from "./lab.ts";
import type { Result } from "./result.ts";
import { caughtText, costText, goodText, problemsOf, sawText, sentText, verdictOf } from "./verdict.ts";

const DOCUMENT = "docs/attack-report.md"; // relative to the package, where npm runs scripts
const BEGIN = "<!-- attack-report -->";
const END = "<!-- /attack-report -->";
const HEADER = ["attack", "limit", "sent", "caught by", "the attacker saw", "cost", "the good client", ""];
const program = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const options = { beforeMs: 500, floodMs: 1_500, share: 1 };

const LEGEND = `_Limit_: the limit that stops the attack, and values that were lowered for it. _Cost_: CPU and memory (RSS) of the attacked process
from the beginning of the attack to its end, and the longest time that one turn of its event loop took. _The good client_ calls every 10 ms
on a connection of its own; shown is its p99 before and during the attack. _Held_: the limit stopped the attack, no call of the good client
failed, the attacker was told one line at most, no turn of the event loop took more than ${MOST_HELD_MS} ms, and memory grew by less than ${MOST_MIB} MiB. Attacks
on many connections have higher bounds of their own.`;

const wanted = process.argv[2] ?? "";
const sections: string[] = [];
const counts = { held: 0, open: 0, "not held": 0 };
for (const { title, attacks } of FAMILIES) {
  const chosen = attacks.filter(({ name }) => name.includes(wanted));
  if (chosen.length === 0) continue;
  console.log(title);
  const rows = [HEADER];
  for (const attack of chosen) {
    const result = await performAlone(attack, program, options);
    const verdict = verdictOf(attack, result);
    counts[verdict] += 1;
    rows.push(row(attack, result));
    console.log(`  ${verdict.padEnd(9)} ${attack.name}: ${costText(result)}; ${goodText(result)}`);
    for (const problem of problemsOf(attack, result)) console.log(`            ${problem}`);
  }
  sections.push(`**${title}**\n\n${table(rows)}`);
}
const summary = `${counts.held} held, ${counts.open} open, ${counts["not held"]} not held`;
console.log(summary);
if (wanted === "") write([LEGEND, ...sections, footer()].join("\n\n"));
process.exit(counts["not held"] === 0 ? 0 : 1);

function row(attack: Attack, result: Result): string[] {
  const { exchange, remarks } = result;
  const limits = Object.entries(attack.limits ?? {})
    .filter(([name]) => attack.limits !== QUICK || attack.limit.includes(name))
    .map(([name, value]) => `${name} ${value}`);
  const limit = limits.length === 0 ? attack.limit : `${attack.limit} (here: ${limits.join(", ")})`;
  const verdict = verdictOf(attack, result);
  const why = verdict === "held" ? [] : [attack.open ?? problemsOf(attack, result).join("; ")];
  return [
    attack.name,
    limit,
    sentText(exchange),
    caughtText(attack),
    [sawText(exchange), ...remarks].join("; "),
    costText(result),
    goodText(result),
    [verdict, ...why].join(": "),
  ];
}

/** A Markdown table with aligned columns. */
function table(rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((cells) => cells.map((cell) => cell.replace(/[|\\<]/g, "\\$&")));
  const widths = HEADER.map((_, column) => Math.max(3, ...escaped.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[], fill: string) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(" | ")} |`;
  const [header = [], ...others] = escaped;
  return [
    line(header, " "),
    line(
      HEADER.map(() => ""),
      "-",
    ),
    ...others.map((cells) => line(cells, " ")),
  ].join("\n");
}

function footer(): string {
  const [cpu] = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const machine = `${cpus().length} × ${cpu?.model.trim()}, ${memory}, ${type()} ${release()}, Node ${process.version}`;
  const load = `load average ${loadavg()[1]?.toFixed(0)}`;
  return `${summary}. ${machine}, ${load}, ${new Date().toISOString().slice(0, 10)}.`;
}

/** Replaces the text between the marks. */
function write(text: string): void {
  const found = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, "utf8") : `# Attack report\n\n${BEGIN}\n${END}\n`;
  const [begin, end] = [found.indexOf(BEGIN), found.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} has no ${BEGIN} ... ${END}`);
  writeFileSync(DOCUMENT, `${found.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${found.slice(end)}`);
}
