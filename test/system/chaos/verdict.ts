/**
 * Verdict: what must hold of the journals of an episode, whatever was killed, and what was counted on the way.
 */
import type { HbiError } from "hbi";
import type { Entry, Event } from "./journal.ts";
import { PLACES } from "./plan.ts";
import { asked, part, RETRIES, told } from "./service.ts";
import type { Sprung } from "./sprung.ts";

export interface Verdict {
  readonly violations: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
}

/** What the library may say of a call whose peer or network is gone; everything else was no accident. */
const ACCIDENTS: ReadonlySet<string> = new Set<HbiError["code"]>([
  "unavailable",
  "aborted",
  "deadline_exceeded",
  "cancelled",
]);

interface Story {
  readonly id: string;
  kind: string;
  /** who made it */
  by: string;
  readonly times: Record<Event, number>;
  failure: readonly string[] | undefined;
}

/** @param killed names of processes that could not say how their calls ended */
export function verdictOf(entries: readonly Entry[], killed: ReadonlySet<string>, sprung: readonly Sprung[]): Verdict {
  const stories = storiesOf(entries);
  const violations = entries.filter(({ event }) => event === "bad").map(({ by, id, words }) => `${by}: ${id} ${words}`);
  const counts = new Map<string, number>();
  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1);
  for (const story of stories.values()) {
    const wrong = wrongOf(story, killed.has(story.by));
    if (wrong !== undefined) violations.push(`${wrong}: ${retold(story)}`);
    count(outcomeOf(story));
    if (story.times.ack === 0 && story.times.land > 0) count("landed, and not known");
    if (story.times.begin > 1) count("landed again by a retry");
  }
  for (const story of stories.values()) {
    if (story.kind !== "script" || !story.id.endsWith(part("", 0))) continue;
    const times = [0, 1, 2].map((n) => stories.get(part(story.id.slice(0, -part("", 0).length), n))?.times);
    times.slice(1).forEach((each, n) => {
      if ((each?.begin ?? 0) > (times[n]?.land ?? 0)) violations.push(`out of order: ${retold(story)}`);
    });
  }
  for (const each of sprung) {
    const expected = expectedOf(each);
    if (expected === undefined) continue;
    const times = stories.get(expected.id)?.times;
    if ((times?.[expected.event] ?? 0) === expected.times) continue;
    violations.push(`${each.fault.act} in the middle of ${each.fault.place}: ${expected.id} ${JSON.stringify(times)}`);
  }
  return { violations, counts };
}

function storiesOf(entries: readonly Entry[]): Map<string, Story> {
  const stories = new Map<string, Story>();
  for (const { by, event, id, words } of entries) {
    if (event === "bad") continue;
    let story = stories.get(id);
    if (story === undefined) {
      const times = { call: 0, begin: 0, land: 0, ack: 0, sent: 0, fail: 0, bad: 0 };
      story = { id, kind: "", by: "", times, failure: undefined };
      stories.set(id, story);
    }
    if (event === "call") {
      story.by = by;
      story.kind = words[0] ?? "";
    }
    story.times[event] += 1;
    if (event === "fail") story.failure = words;
  }
  return stories;
}

/** What is wrong with it, if anything. */
function wrongOf({ kind, times, failure }: Story, isCallerKilled: boolean): string | undefined {
  const attempts = kind === "put" ? 1 + RETRIES : times.call;
  const settled = times.ack + times.fail + times.sent;
  if (times.begin > attempts) return "landed more often than it was sent";
  if (times.land > times.begin) return "landed without a beginning";
  if (times.ack > 0 && times.land === 0) return "acknowledged, and never landed";
  if (settled > 1) return "settled twice";
  if (settled === 0 && !isCallerKilled) return "never settled";
  if (failure === undefined) return undefined;
  const [code = "", mayHaveLanded] = failure;
  if (mayHaveLanded === "false" && times.begin > 0) return "landed, and cannot have landed";
  if (!ACCIDENTS.has(code)) return "failed as it should not";
  return undefined;
}

function outcomeOf({ times, failure }: Story): string {
  if (times.ack > 0) return "acknowledged";
  if (times.sent > 0) return "posted";
  if (failure === undefined) return "unknown, its caller was killed";
  const [code = "", mayHaveLanded] = failure;
  if (mayHaveLanded === "true") return "lost, may have landed";
  return mayHaveLanded === "false" ? "lost, cannot have landed" : code;
}

const FATAL = new Set(["killServer", "killClient", "reset", "closeUp", "closeDown"]);

/** What is known beforehand of the call in whose middle it happened. */
function expectedOf({
  id,
  fault,
}: Sprung): { readonly id: string; readonly event: Event; readonly times: number } | undefined {
  const { act, place, isDelivered } = fault;
  const { way } = PLACES[place];
  if (!FATAL.has(act)) return { id, event: "ack", times: 1 };
  const isLost =
    act === "reset" ||
    act === (way === "up" ? "closeUp" : "closeDown") ||
    act === (way === "up" ? "killServer" : "killClient") ||
    (act.startsWith("kill") && !isDelivered);
  switch (place) {
    case "script":
      return isLost ? { id, event: "begin", times: 0 } : undefined;
    case "data":
      return isLost ? { id, event: "land", times: 0 } : undefined;
    case "answer":
    case "answerData":
      return isLost ? { id, event: "ack", times: 0 } : { id, event: "land", times: 1 };
    case "push":
      return isLost ? { id: told(id, 0), event: "begin", times: 0 } : undefined;
    case "pushData":
      return isLost ? { id: asked(id), event: "land", times: 0 } : undefined;
    case "work":
      return { id, event: "begin", times: 1 };
  }
}

function retold({ id, kind, times, failure }: Story): string {
  return `${kind} ${id} ${JSON.stringify(times)} ${failure ?? ""}`;
}
