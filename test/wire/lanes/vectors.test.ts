/**
 * The recorded vectors of the lanes: each side says the same bytes when the other does, and ends the connection for bytes that are
 * nearly right.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { playAcceptor, playDialer, playNearMiss, readVector } from "./vectors/player.ts";

const folder = new URL("vectors/", import.meta.url);
const NEAR_MISSES = "near-misses.txt";
const files = readdirSync(folder).filter((name) => name.endsWith(".txt") && name !== NEAR_MISSES);

describe.each(files)("%s", (file) => {
  it("as the side that has dialed", () => playDialer(readVector(file)));
  it("as the other side", () => playAcceptor(readVector(file)));
});

describe(NEAR_MISSES, () => {
  const lines = readFileSync(new URL(NEAR_MISSES, folder), "utf8").split("\n");
  const rows = lines.flatMap((line) => {
    const [, reason, about, bytes] = /^(\w+) {2,}(\S.*?) {2,}(\[.*)$/.exec(line) ?? [];
    return reason === undefined ? [] : [[about, reason, bytes]];
  });
  it.each(rows)("%s: %s", async (_, reason, bytes) => {
    expect(await playNearMiss(bytes ?? "")).toBe(reason);
  });
  it("are many", () => expect(rows.length).toBeGreaterThan(40));
});
