/**
 * The lines: what they carry, and how much of it makes a row long enough.
 */
import type { Weather } from "../../support/chaos-lane.ts";
import type { Way, Weathers } from "../../support/chaos-proxy.ts";

export interface Line {
  readonly weather: Weather;
  /** undefined: as much as the machine can */
  readonly bytesPerSecond: number | undefined;
}

/** A small buffer: what does not fit waits in the sockets, as on the way to a slow peer. */
const steady = (bytesPerSecond: number): Line => ({
  weather: { bytesPerSecond, bufferBytes: 16_000 },
  bytesPerSecond,
});

export const LINES = {
  "20 kB/s": steady(20_000),
  "100 kB/s": steady(100_000),
  "200 kB/s": steady(200_000),
  "500 kB/s": steady(500_000),
  "400 ms": { weather: { latencyMs: 400 }, bytesPerSecond: undefined },
  "200 kB/s and 400 ms": {
    weather: { bytesPerSecond: 200_000, bufferBytes: 16_000, latencyMs: 400 },
    bytesPerSecond: 200_000,
  },
  "a fast line": { weather: {}, bytesPerSecond: undefined },
} satisfies Record<string, Line>;
export type LineName = keyof typeof LINES;

export type Direction = Way | "both";

/** The weather where the bytes go; the other direction carries little and is free. Latency is that of both. */
export function weathersOf({ weather }: Line, direction: Direction): Weathers {
  if (direction === "both" || weather.latencyMs !== undefined) return weather;
  return direction === "up" ? { up: weather, down: {} } : { up: {}, down: weather };
}

export const waysOf = (direction: Direction): readonly Way[] => (direction === "both" ? ["up", "down"] : [direction]);
