/**
 * A soak: a server process and client processes under mixed load for a while, sampled in between with nothing in flight.
 */
import { PeerProcess } from "../chaos/peer-process.ts";
import { growthOf } from "./growth.ts";
import type { Moment, Sample } from "./sample.ts";

const LINKS = 4;
/** so many samples in a run, but none more often than */
const SAMPLES = 60;
const LEAST_EVERY_MS = 250;

export interface Soaked {
  readonly moments: readonly Moment[];
  readonly counts: Readonly<Record<string, number>>;
  /** what has grown, or went wrong */
  readonly troubles: readonly string[];
}

export interface SoakOptions {
  readonly forMs: number;
  /** On a busy machine it goes on until there were as many. */
  readonly leastConversations?: number;
}

export async function soak(
  options: SoakOptions,
  onMoment: (moment: Moment) => void = () => undefined,
): Promise<Soaked> {
  const server = new PeerProcess("server", "test/system/programs/soak-server.ts", [], ["--expose-gc"]);
  const address = await server.heard("listening on");
  const client = new PeerProcess(
    "client",
    "test/system/programs/soak-client.ts",
    [address, String(LINKS)],
    ["--expose-gc"],
  );
  const moments: Moment[] = [];
  const counts: Record<string, number> = {};
  const troubles: string[] = [];
  try {
    await client.heard("connected");
    await sampled(options, server, client, (moment) => {
      moments.push(moment);
      onMoment(moment);
    });
    client.end();
    Object.assign(counts, JSON.parse(await client.heard("counts")));
    server.end();
    for (const each of [client, server]) {
      const left = await each.heard("left");
      await each.exited;
      if (left !== "nothing" || each.errors !== "") troubles.push(`${each.name} left ${left} behind: ${each.errors}`);
    }
    troubles.push(...growthOf(moments));
  } catch (thrown) {
    troubles.push(String(thrown));
  } finally {
    for (const each of [client, server]) each.signal("SIGKILL");
    await Promise.all([client.exited, server.exited]);
  }
  return { moments, counts, troubles };
}

async function sampled(
  { forMs, leastConversations = 0 }: SoakOptions,
  server: PeerProcess,
  client: PeerProcess,
  onMoment: (moment: Moment) => void,
): Promise<void> {
  const everyMs = Math.max(forMs / SAMPLES, LEAST_EVERY_MS);
  let at = 0;
  let last = 0;
  let workedMs = 0;
  for (let i = 1; workedMs < forMs || last < leastConversations; i++) {
    client.say("go");
    const startMs = performance.now();
    await Promise.race([new Promise((resolve) => setTimeout(resolve, everyMs)), client.exited]); // so long the load goes on
    client.say(`sample ${i}`);
    const { conversations, ...held } = JSON.parse(await client.heard(`sample ${i}`)) as Sample & {
      conversations: number;
    };
    const tookMs = performance.now() - startMs;
    workedMs += tookMs;
    server.say(`sample ${i}`);
    const ofServer = JSON.parse(await server.heard(`sample ${i}`)) as Sample;
    at += tookMs / 1_000;
    const perSecond = ((conversations - last) * 1_000) / tookMs;
    last = conversations;
    onMoment({ seconds: at, conversations, perSecond, server: ofServer, client: held });
  }
}
