/**
 * Tables: measurements as cells, for the terminal and as Markdown.
 */
import { type Metric, ratio, type Sample, type Section, sampleOf, spread, spreadText } from "./section.ts";
import { type Verdict, verdictText } from "./targets.ts";

export interface Table {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const MISSING = "";

export function tablesOf(section: Section): Table[] {
  const values = table(
    section,
    section.title,
    ({ unit }) => unit,
    (sample) => spreadText(spread(sample.values)),
  );
  const ours = table(
    section,
    "hbi is so many times as fast",
    () => "",
    (sample, { better }) => {
      const own = sampleOf(section, "hbi", sample.metric);
      return own === undefined || own === sample || better === "less" ? MISSING : spreadText(ratio(own, sample));
    },
  );
  const cpu = table(
    section,
    "CPU of one, client + server",
    () => "µs",
    ({ clientMicros, serverMicros }) =>
      clientMicros === undefined || serverMicros === undefined
        ? MISSING
        : `${micros(clientMicros)} + ${micros(serverMicros)}`,
  );
  const memory = table(
    section,
    "Memory of the server, RSS",
    () => "MiB",
    ({ serverRssMib }) => (serverRssMib === undefined ? MISSING : Math.max(...serverRssMib).toFixed(0)),
  );
  return [values, ...[ours, cpu, memory].filter(({ rows }) => rows.length > 0)];
}

function micros(values: readonly number[]): string {
  const { median } = spread(values);
  return median.toFixed(median < 10 ? 1 : 0);
}

/** A column for each metric, and the rows that have a value in one. */
function table(
  section: Section,
  title: string,
  unitOf: (metric: Metric) => string,
  cell: (sample: Sample, metric: Metric) => string,
): Table {
  const header = section.metrics.map((metric) =>
    [metric.name, unitOf(metric)].filter((part) => part !== "").join(", "),
  );
  const cells = (row: string) =>
    section.metrics.map((metric) => {
      const sample = sampleOf(section, row, metric.name);
      return sample === undefined ? MISSING : cell(sample, metric);
    });
  return {
    title,
    header: ["", ...header],
    rows: section.rows
      .map(({ name, title: row, version }) => [version === undefined ? row : `${row} ${version}`, ...cells(name)])
      .filter((row) => row.slice(1).some((text) => text !== MISSING)),
  };
}

export function verdictTable(verdicts: readonly Verdict[]): Table {
  return {
    title: "What is to be reached",
    header: ["", "wanted", "measured", "reached"],
    rows: verdicts.map((verdict) => [`${verdict.section}: ${verdict.what}`, verdict.wanted, ...verdictText(verdict)]),
  };
}

export function asText({ title, header, rows }: Table): string {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [`${title}`, line(header), ...rows.map(line)].map((text) => `  ${text}`).join("\n");
}

export function asMarkdown({ title, header, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(header.map((_, column) => (column === 0 ? "---" : "---:")));
  return [`**${title}**`, "", line(header), rule, ...rows.map(line)].join("\n");
}
