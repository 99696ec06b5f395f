/**
 * Drain and close while bytes still flow: every answer that was begun arrives, and then both sides are gone. Each takes longer than the
 * 5 s that a socket lives after FIN.
 */
import { quiet } from "hbi/testing";
import { hasOpenssl } from "../../support/authority.ts";
import type { Row, Scope } from "../../support/rows.ts";
import { explained } from "../../support/rows.ts";
import { checksum, readExactly } from "../chaos/content.ts";
import { type Direction, LINES, type Line, type LineName, weathersOf } from "./lines.ts";
import { bodyOf, textOf } from "./service.ts";
import { PATIENT, passed, World, type WorldOptions } from "./world.ts";

const TEXT_BYTES = 200_000;

/** Begins to carry so much; gives what arrives, as a promise in an object, since the row goes on before. */
type Begin = (world: World, bytes: number) => Promise<{ readonly arrived: Promise<void> }>;

/** Answers whose handlers have all ended. */
const answersFlow: Begin = async (world, bytes) => {
  const { caller, far } = world.calling("up");
  const count = Math.round(bytes / TEXT_BYTES);
  far.together = count;
  const calls = Array.from({ length: count }, async (_, i) => {
    const text = await caller.call.give({ id: `text ${i}`, size: TEXT_BYTES }, PATIENT);
    if (text !== textOf(`text ${i}`, TEXT_BYTES)) throw new Error(`text ${i} is damaged`);
  });
  const arrived = counted(calls);
  await far.hasAnswered(count);
  return { arrived };
};

/** The same, once they are with the wire: the first of them has come through. */
const answersOnTheWire: Begin = async (world, bytes) => {
  const before = world.line.down.bytes;
  const begun = await answersFlow(world, bytes);
  await passed(world.line, "down", before + 1_000);
  await quiet(); // the last of them may have been put off
  return begun;
};

const resultBodyFlows: Begin = async (world, bytes) => {
  const { caller } = world.calling("up");
  const { body } = await caller.call.get({ id: "down", size: bytes, source: "buffer" }, PATIENT);
  const read = readExactly("down", bytes, body).then((sum) => {
    if (sum !== checksum("down", bytes)) throw new Error("the body is damaged");
  });
  return { arrived: read };
};

const uploadFlows =
  (source: "buffer" | "chunks"): Begin =>
  async (world, bytes) => {
    const { caller } = world.calling("up");
    const options = { body: bodyOf("up", bytes, source), ...PATIENT };
    const put = caller.call.put({ id: "up", size: bytes, pace: 0 }, options).then((sum) => {
      if (sum !== checksum("up", bytes)) throw new Error("the body is damaged");
    });
    put.catch(() => undefined); // it is looked at when the end has begun
    const before = world.line.up.bytes;
    await passed(world.line, "up", before + TEXT_BYTES);
    return { arrived: put };
  };

const postsFlow: Begin = async (world, bytes) => {
  const { caller, far } = world.calling("up");
  const size = bytes / 4;
  const ids = [0, 1, 2, 3].map((i) => `post ${i}`);
  const posted = ids.map((id) => caller.post.store({ id, size }, { body: bodyOf(id, size, "buffer"), ...PATIENT }));
  const arrived = counted(posted.map(async (post) => (await post).waitCompleted()));
  await posted[0];
  return { arrived: arrived.then(() => far.received("store", 4)) };
};

/** Handed to the wire, and not waited for. */
const pushesFlow =
  (way: "up" | "down"): Begin =>
  async (world, bytes) => {
    const { caller, far } = world.calling(way);
    const count = Math.round(bytes / TEXT_BYTES);
    for (let i = 0; i < count; i++) await caller.post.tell({ id: `${i}`, text: textOf(`${i}`, TEXT_BYTES) }, PATIENT);
    return { arrived: far.received("tell", count) };
  };

const acknowledgedPushesFlow: Begin = async (world, bytes) => {
  const { caller } = world.calling("down");
  const count = Math.round(bytes / TEXT_BYTES);
  const push = async (id: string): Promise<void> => {
    const posted = await caller.post.tell({ id, text: textOf(id, TEXT_BYTES) }, PATIENT);
    await posted.waitCompleted();
  };
  const arrived = counted(Array.from({ length: count }, (_, i) => push(`${i}`)));
  await passed(world.line, "down", world.line.down.bytes + TEXT_BYTES);
  return { arrived };
};

/** @throws Error how many have failed, and why the first one has */
function counted(all: readonly Promise<unknown>[]): Promise<void> {
  const settled = Promise.allSettled(all).then((outcomes) => {
    const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    if (failed.length > 0) throw new Error(`${failed.length} of ${all.length} failed, first: ${explained(failed[0])}`);
  });
  settled.catch(() => undefined); // it is looked at when the end has begun
  return settled;
}

interface Ending {
  readonly name: string;
  readonly direction: Direction;
  readonly begin: Begin;
  readonly end: (world: World) => Promise<unknown>;
  /** what both sides tell their operators by the way, if anything */
  readonly expected?: readonly string[];
}

const ENDINGS = {
  drainWithAnswers: {
    name: "the server drains, answers flow",
    direction: "down",
    begin: answersFlow,
    end: ({ server }) => server.drain("deploy"),
  },
  drainWithResultBody: {
    name: "the server drains, a result body flows",
    direction: "down",
    begin: resultBodyFlows,
    end: ({ server }) => server.drain("deploy"),
  },
  drainWithUpload: {
    name: "the server drains, a body in chunks flows up",
    direction: "up",
    begin: uploadFlows("chunks"),
    end: ({ server }) => server.drain("deploy"),
  },
  drainWithBuffer: {
    name: "the server drains, a body of one buffer flows up",
    direction: "up",
    begin: uploadFlows("buffer"),
    end: ({ server }) => server.drain("deploy"),
  },
  drainWithPushes: {
    name: "the server drains, acknowledged pushes flow",
    direction: "down",
    begin: acknowledgedPushesFlow,
    end: ({ server }) => server.drain("deploy"),
  },
  peerDrainsWithAnswers: {
    name: "one peer is drained, answers flow",
    direction: "down",
    begin: answersFlow,
    end: ({ peer }) => peer.drain("elsewhere"),
  },
  linkClosesWithAnswers: {
    name: "the link closes, answers flow",
    direction: "down",
    begin: answersFlow,
    end: ({ link }) => link.close("done"),
  },
  linkClosesWithUpload: {
    name: "the link closes, a body in chunks flows up",
    direction: "up",
    begin: uploadFlows("chunks"),
    end: ({ link }) => link.close("done"),
  },
  linkClosesWithPosts: {
    name: "the link closes, posts with bodies flow up",
    direction: "up",
    begin: postsFlow,
    end: ({ link }) => link.close("done"),
  },
  linkClosesWithPushes: {
    name: "the link closes, pushes flow down",
    direction: "down",
    begin: pushesFlow("down"),
    end: ({ link }) => link.close("done"),
  },
  bothDrain: {
    name: "the server drains and the link closes, answers flow",
    direction: "down",
    begin: answersFlow,
    end: ({ server, link }) => Promise.all([server.drain("deploy"), link.close("done")]),
  },
  serverCloses: {
    name: "the server closes at once, its answers are on the wire",
    direction: "down",
    begin: answersOnTheWire,
    end: ({ server }) => server.close(),
  },
  linkDisconnects: {
    name: "the link disconnects at once, its posts are on the wire",
    direction: "up",
    begin: pushesFlow("up"),
    end: ({ link }) => link.disconnect(),
  },
} satisfies Record<string, Ending>;

interface Plan extends WorldOptions {
  readonly ending: keyof typeof ENDINGS;
  readonly on: LineName;
  readonly seconds: number;
  readonly isQuick?: boolean;
}

const DRAINS = Object.keys(ENDINGS).filter(
  (name) => name !== "serverCloses" && name !== "linkDisconnects",
) as Plan["ending"][]; // its own keys

/** At 500 kB/s more than the sockets hold; at 20 kB/s all of it is with the system when the end begins. */
const LONG: readonly Plan[] = [
  ...DRAINS.map((ending): Plan => ({ ending, on: "500 kB/s", seconds: 30 })),
  ...DRAINS.map((ending): Plan => ({ ending, on: "20 kB/s", seconds: 40 })),
  ...DRAINS.map((ending): Plan => ({ ending, on: "200 kB/s and 400 ms", seconds: 20 })),
  ...DRAINS.map((ending): Plan => ({ ending, on: "200 kB/s", seconds: 40, isTls: true })),
  { ending: "serverCloses", on: "20 kB/s", seconds: 40 },
  { ending: "serverCloses", on: "20 kB/s", seconds: 40, isTls: true },
];

const QUICK: readonly Plan[] = [
  ...DRAINS.map((ending): Plan => ({ ending, on: "200 kB/s", seconds: 8, isQuick: true })),
  { ending: "serverCloses", on: "20 kB/s", seconds: 10, isQuick: true },
  { ending: "linkDisconnects", on: "20 kB/s", seconds: 10, isQuick: true },
];

export const ENDING_ROWS: readonly Row[] = [...QUICK, ...LONG]
  .filter(({ isTls }) => isTls !== true || hasOpenssl)
  .map((plan) => {
    const { ending, on, seconds, isTls = false, isQuick = false } = plan;
    const name = `${ENDINGS[ending].name}, ${on}${isTls ? ", TLS" : ""}${isQuick ? `, ${seconds} s` : ""}`;
    return { name, isQuick, seconds, run: (scope) => runPlan(scope, plan) };
  });

async function runPlan(scope: Scope, plan: Plan): Promise<string> {
  const { direction, begin, end }: Ending = ENDINGS[plan.ending];
  const line: Line = LINES[plan.on];
  const world = await World.open(scope, weathersOf(line, direction), plan);
  await world.link.call.twice({ n: 1 }); // what the peer speaks is known from its first answer on
  let endedMs = Number.NaN;
  try {
    const { arrived } = await world.undisturbed(begin(world, (line.bytesPerSecond ?? 0) * plan.seconds));
    const startMs = performance.now();
    const ended = end(world).then(() => {
      endedMs = performance.now() - startMs;
    });
    const lost = async (): Promise<never> => {
      await world.over();
      throw new Error("not all of it has arrived when both ends are over");
    };
    await world.undisturbed(Promise.race([arrived, lost()]));
    await ended;
    await world.proxy.whenEmpty();
    if (world.log.entries.length > 0) throw new Error("an operator was told something");
  } catch (thrown) {
    throw new Error(`${explained(thrown)}; ${scope.told()}`);
  }
  return `over ${(endedMs / 1_000).toFixed(1)} s after the end began`;
}
