/**
 * What keeps a process from ending: handles and timers, by kind.
 */

/** Beside the pipes of the process itself. */
export function resources(): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== "PipeWrap") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const all = [...counts].map(([kind, count]) => `${kind}:${count}`).sort();
  return all.length === 0 ? "nothing" : all.join(",");
}

const WITHIN_MS = 10_000;

/** Says `left nothing` when the process ends by itself; what is left, and ends it, if it does not within a while. */
export function tellWhatIsLeft(): void {
  const left = (what: string): void => {
    console.log(`left ${what}`);
    process.exit(what === "nothing" ? 0 : 1);
  };
  process.once("beforeExit", () => left(resources()));
  setTimeout(() => left(resources()), WITHIN_MS).unref(); // a deadline: what still stands then is left
}
