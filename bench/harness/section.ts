/**
 * Section: the measurements of one job, as written to results.json, and the arithmetic on them.
 */

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: "more" | "less";
}

/** One row of one metric, with a value for each round. */
export interface Sample {
  readonly row: string;
  readonly metric: string;
  readonly values: readonly number[];
  /** CPU microseconds per operation */
  readonly clientMicros?: readonly number[];
  readonly serverMicros?: readonly number[];
  readonly serverRssMib?: readonly number[];
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly version?: string;
  /** not this library */
  readonly isPeer?: boolean;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly metrics: readonly Metric[];
  readonly samples: readonly Sample[];
  readonly remarks: readonly string[];
  /** Violations: the run fails. */
  readonly failures?: readonly string[];
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = low] = sorted.length % 2 === 1 ? [sorted[middle]] : sorted.slice(middle - 1);
  return { median: (low + high) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** The median and the bounds of the middle half. */
export function quartiles(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  return spread(sorted.slice(cut, sorted.length - cut));
}

export function sampleOf(section: Section, row: string, metric: string): Sample | undefined {
  return section.samples.find((sample) => sample.row === row && sample.metric === metric);
}

/** Values of the same round are divided by each other: they were measured within seconds. */
export function ratio(over: Sample, under: Sample): Spread {
  return spread(
    over.values.flatMap((value, round) => (under.values[round] === undefined ? [] : [value / under.values[round]])),
  );
}

const MAX_DIGITS = 5;

/** Three significant digits, with grouped thousands. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const fraction = Math.min(digits, MAX_DIGITS);
  const rounded = fraction > 0 ? value : Number(value.toPrecision(3));
  return rounded.toLocaleString("en-US", { minimumFractionDigits: fraction, maximumFractionDigits: fraction });
}

export function spreadText({ median, min, max }: Spread): string {
  return min === max ? figure(median) : `${figure(median)} (${figure(min)} to ${figure(max)})`;
}

/** Collects samples round by round. */
export class Samples {
  readonly #byKey = new Map<string, { row: string; metric: string; points: Point[] }>();

  add(row: string, metric: string, point: Point): void {
    const key = JSON.stringify([row, metric]);
    const found = this.#byKey.get(key);
    if (found === undefined) this.#byKey.set(key, { row, metric, points: [point] });
    else found.points.push(point);
  }

  all(): Sample[] {
    return [...this.#byKey.values()].map(({ row, metric, points }) => ({
      row,
      metric,
      values: points.map(({ value }) => value),
      ...listOf("clientMicros", points),
      ...listOf("serverMicros", points),
      ...listOf("serverRssMib", points),
    }));
  }
}

export interface Point {
  readonly value: number;
  readonly clientMicros?: number;
  readonly serverMicros?: number;
  readonly serverRssMib?: number;
}

function listOf<K extends keyof Point>(key: K, points: readonly Point[]): { [P in K]?: number[] } {
  const values = points.flatMap((point) => (point[key] === undefined ? [] : [point[key]]));
  return values.length === 0 ? {} : ({ [key]: values } as { [P in K]: number[] });
}
