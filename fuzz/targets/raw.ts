/**
 * raw: conversations that promise how much raw data they have, over scripts that say something else about it, or can't be read. The data
 * is made of packets. None of it is ever run, and what stands behind it is, unless a script claims more than was promised.
 */
import fc from "fast-check";
import { z } from "zod";
import { Connection, HostingEnv, method } from "../../src/index.ts";
import { Drawing } from "../engine/drawing.ts";
import { FedPeer } from "../engine/fed-peer.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";

const MOST = 5_000;
const n = z.int().min(0).max(MOST);
const LIMITS = { maxBufferedBytes: 2_000, maxInFlight: 3, maxDrainBytes: 100_000, maxFailures: 1_000 };
const MOST_STEPS = 20_000;
/** Timers until each handler that never ends has been given up. */
const MOST_PASSES = 40;
const encoder = new TextEncoder();
const PIECE = packet("co_end", "102") + whole("103;x;n", "loot()") + packet("co_recv", "1") + packet("err", "loot");
/** The same methods for all runs: schemas cost more than one. */
const METHODS = {
  sum: method({ params: { n }, body: ({ n }) => n, result: z.int() }),
  leave: method({ params: { n }, body: ({ n }) => n }),
  some: method({ params: { n }, body: "manual", result: z.int() }),
  chunks: method({ params: { n }, body: "manual" }),
  fails: method({ params: { n }, body: ({ n }) => n }),
  never: method({ params: { n }, body: ({ n }) => n }),
  plain: method({ params: { n }, result: z.int() }),
  loot: method({ params: {} }),
  honest: method({ params: {}, result: z.int() }),
};

export const raw: Target = {
  name: "raw",
  about:
    "raw data of a promised length, made of packets, behind scripts that lie about it: none is run, what follows is, but for claims of more",
  words: [],
  baseMs: 500,
  share: 4,
  inputs: fc.uint8Array({ minLength: 6, maxLength: 40 }),
  async run(input) {
    const drawing = new Drawing(input);
    const time = new StillTime();
    const peer = new FedPeer(time.clock);
    const called: string[] = [];
    const options = { clock: time.clock, limits: LIMITS, log: () => undefined };
    const host = new Connection(peer, () => envOf(called, time), options);
    await host.start();
    const { said, claims } = conversations(drawing);
    const bytes = encoder.encode(`${said}${whole("999;x;n", "honest()")}`);
    const step = 1 + drawing.below(3_000);
    for (let at = 0; at < bytes.length; at += step) {
      peer.give(bytes.slice(at, at + step));
      if (drawing.below(2) === 0) await time.settle(200);
    }
    await time.settle();
    for (let i = 0; i < MOST_PASSES && !called.includes("honest"); i++) await time.pass();
    const isServed = called.includes("honest");
    peer.giveEnd();
    await time.finish(MOST_STEPS);
    must(!called.includes("loot"), () => `raw data was run: ${said}`);
    const what = () => `${said}: ${peer.said.slice(-200)}`;
    if (claims.includes("more")) must(!isServed, () => `what stands behind more than was promised is read: ${what()}`);
    else must(isServed || claims.includes("unknown"), () => `what stands behind raw data is not read: ${what()}`);
    must(host.hosting.liveCount + host.waits.size === 0 && time.timerCount === 0, "something is left");
  },
};

/** Whether a script claims more raw data than was promised; unknown: its handler may, if it comes to that. */
type Claim = "no more" | "more" | "unknown";

/** Some of them, each of which keeps its promise. */
function conversations(drawing: Drawing): { said: string; claims: Claim[] } {
  let said = "";
  const claims: Claim[] = [];
  for (let i = drawing.below(3); i >= 0; i--) {
    const length = drawing.pick([0, 1, PIECE.length, PIECE.length * 5, 4_999]);
    const data = PIECE.repeat(Math.ceil(length / PIECE.length)).slice(0, length);
    const deadline = drawing.below(3) === 0 ? ";d=5" : "";
    const promise = length === 0 && drawing.below(2) === 0 ? "n" : `b=${length}`;
    const [script, claim] = scriptOf(drawing, length);
    said += packet("co_begin", `102;x;${promise}${deadline}`) + packet("", script) + data;
    said += packet("co_end", "102");
    claims.push(claim);
  }
  return { said, claims };
}

const BY_HAND = ["some", "chunks"];
const WITHOUT = ["plain", "no_such_thing"];

function scriptOf(drawing: Drawing, length: number): [string, Claim] {
  const off = drawing.pick([0, 0, 0, 1, -1, 40]);
  const name = drawing.pick(["sum", "leave", "some", "chunks", "fails", "never", "plain", "no_such_thing"]);
  const script = `${name}(${Math.max(length + off, 0)})`;
  const isMore = off > 0 && length + off <= MOST && !WITHOUT.includes(name);
  const claim = !isMore ? "no more" : BY_HAND.includes(name) ? "unknown" : "more";
  return drawing.pick<[string, Claim]>([
    [script, claim],
    [script, claim],
    [script, claim],
    [`${script}; plain(1)`, claim],
    [`plain(1); ${script}`, claim],
    [`${name}("x")`, "no more"],
    [`${name}(`, "no more"],
    [`${name}()`, "no more"],
  ]);
}

function packet(directive: string, payload: string): string {
  return `[${payload.length}#${directive}]${payload}`;
}

function whole(id: string, code: string): string {
  return packet("co_begin", id) + packet("", code) + packet("co_end", id);
}

function envOf(called: string[], time: StillTime): HostingEnv {
  const env = new HostingEnv();
  env.expose("sum", METHODS.sum, async (_, co) => {
    let sum = 0;
    for await (const chunk of co.recvChunks()) sum += chunk.length;
    return sum;
  });
  env.expose("leave", METHODS.leave, () => undefined);
  env.expose("some", METHODS.some, async ({ n }, co) => {
    await co.recvData(new Uint8Array(Math.floor(n / 2)));
    return n;
  });
  env.expose("chunks", METHODS.chunks, async ({ n }, co) => {
    for await (const _ of co.recvChunks(n)) break; // the rest is left
  });
  env.expose("fails", METHODS.fails, () => {
    throw new Error("always");
  });
  env.expose(
    "never",
    METHODS.never,
    (_, co) => new Promise<void>((resolve) => co.signal.addEventListener("abort", () => resolve())),
  );
  env.expose("plain", METHODS.plain, ({ n }) => n);
  env.expose("loot", METHODS.loot, () => void called.push("loot"));
  env.expose("honest", METHODS.honest, async () => {
    called.push("honest");
    await new Promise<void>((resolve) => void time.clock.after(0, resolve));
    return 1;
  });
  return env;
}
