/**
 * Figures as people read them.
 */
const UNITS = ["bytes", "kB", "MB", "GB"] as const;

/** "1.5 MB" */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${digits(value, unit === 0)} ${count === 1 ? "byte" : UNITS[unit]}`;
}

/** "12 s", "3 min 5 s", or less than a second as `milliseconds` */
export function duration(ms: number): string {
  if (ms < 9_950) return milliseconds(ms);
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "27 MB/s", always in this unit, as it changes while it is read */
export function rate(bytesPerSecond: number): string {
  const value = bytesPerSecond / 1e6;
  return `${value < 0.05 ? 0 : digits(value)} MB/s`;
}

/** "2.6 ms", "364 ms", "1.2 s" */
export function milliseconds(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return ms < 999.5 ? `${digits(ms)} ms` : `${digits(ms / 1_000)} s`;
}

/** Two or three digits: "1.2", "56", "789". */
function digits(value: number, isWhole = false): string {
  return value < 9.95 && !isWhole ? value.toFixed(1) : value.toFixed(0);
}
