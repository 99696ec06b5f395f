/**
 * The plan of an episode: all that is left to chance, drawn from the seed and the episode's number before anything runs.
 */

import type { Weather } from "../../support/chaos-lane.ts";
import type { Way } from "../../support/chaos-proxy.ts";
import { Random } from "../simulation/random.ts";
import type { Kind } from "./load.ts";

/** In the middle of what something happens: which call is made for it, and the direction that is held there. */
export const PLACES = {
  script: { kind: "record", way: "up", isData: false },
  data: { kind: "upload", way: "up", isData: true },
  answer: { kind: "record", way: "down", isData: false },
  answerData: { kind: "download", way: "down", isData: true },
  push: { kind: "push", way: "down", isData: false },
  pushData: { kind: "ask", way: "down", isData: true },
  work: { kind: "hold", way: "up", isData: false },
} as const satisfies Record<string, { readonly kind: Kind; readonly way: Way; readonly isData: boolean }>;
export type Place = keyof typeof PLACES;

/** How often each of them is drawn. */
const ACTS = {
  killServer: 6,
  killClient: 4,
  stopServer: 1,
  stopClient: 1,
  restartServer: 1,
  restartClient: 1,
  reset: 1,
  closeUp: 1,
  closeDown: 1,
  stall: 1,
};
export type Act = keyof typeof ACTS;

export interface Fault {
  readonly place: Place;
  readonly act: Act;
  readonly link: number;
  /** raw bytes of the call */
  readonly size: number;
  /** bytes that are passed on behind its id */
  readonly bytesBehind: number;
  /** when a peer is killed: whether what the network still holds arrives */
  readonly isDelivered: boolean;
  /** calls that each worker makes meanwhile */
  readonly grant: number;
}

export interface Plan {
  readonly seed: number;
  readonly episode: number;
  readonly weather: Weather;
  readonly links: number;
  readonly maxBytes: number;
  readonly faults: readonly Fault[];
}

/** Small pieces cost time, so there is less to cut then. */
const WEATHERS: readonly [Sky, ...Sky[]] = [
  { weather: {}, maxBytes: 300_000 },
  { weather: { latencyMs: 2, jitterMs: 5 }, maxBytes: 200_000 },
  { weather: { sliceBytes: 1_400, jitterMs: 2 }, maxBytes: 100_000 },
  { weather: { sliceBytes: 50 }, maxBytes: 20_000 },
  { weather: { sliceBytes: 1 }, maxBytes: 2_500 },
  { weather: { bytesPerSecond: 1_500_000, latencyMs: 1 }, maxBytes: 60_000 },
];
interface Sky {
  readonly weather: Weather;
  readonly maxBytes: number;
}

const FAULTS = 16;

/** The deck of all places and acts is dealt out over the episodes, so each of them comes. */
export function planOf(seed: number, episode: number): Plan {
  const deck = [...Array(FAULTS).keys()].map((i) => card(seed, episode * FAULTS + i));
  return planned(seed, episode, deck);
}

/** A few episodes in which each place sees both kills, and each other act comes once. */
export function coverage(seed: number, episodes: number): Plan[] {
  const places = Object.keys(PLACES) as Place[]; // its own keys
  const others = (Object.keys(ACTS) as Act[]).slice(2);
  const kills = places.flatMap((place): Card[] => [
    [place, "killServer"],
    [place, "killClient"],
  ]);
  const turned = others.map((act, i): Card => [places[(i + seed) % places.length] ?? "script", act]);
  const cards = shuffled([...kills, ...turned], new Random(seed, 1));
  return [...Array(episodes).keys()].map((i) =>
    planned(
      seed,
      i,
      cards.filter((_, k) => k % episodes === i),
    ),
  );
}

type Card = readonly [Place, Act];

function planned(seed: number, episode: number, cards: readonly Card[]): Plan {
  const random = new Random(seed, 2, episode * 7_919);
  const { weather, maxBytes } = random.pick(WEATHERS);
  const links = random.between(1, 3);
  const faults = cards.map(([place, act]): Fault => {
    const size = random.between(2_000, maxBytes);
    return {
      place,
      act,
      link: random.below(links),
      size,
      bytesBehind: PLACES[place].isData ? random.between(100, size - 100) : random.between(1, 2_500),
      isDelivered: random.chance(50),
      grant: random.between(2, 6),
    };
  });
  return { seed, episode, weather, links, maxBytes, faults };
}

const DECK = (Object.keys(PLACES) as Place[]).flatMap((place) =>
  Object.entries(ACTS).flatMap(([act, count]) => Array.from({ length: count }, (): Card => [place, act as Act])),
);

function card(seed: number, at: number): Card {
  const round = Math.floor(at / DECK.length);
  return shuffled(DECK, new Random(seed, 3, round))[at % DECK.length] ?? ["script", "killServer"];
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(random.below(rest.length), 1));
}
