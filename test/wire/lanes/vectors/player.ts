/**
 * Plays a vector of the lanes: a conversation of two sides, byte by byte, which each of them must have with the other's bytes. A second
 * implementation needs the files alone; their format is in README.md.
 */
import { readFileSync } from "node:fs";
import { defineService, type HandlersOf, HbiError, Link, method, ServiceHost, type Transport } from "hbi";
import { type HostilePeer, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { expect } from "vitest";
import { z } from "zod";

/** `>` and `<`: bytes of the side that has dialed, and of the other; `!` and `?`: what their applications do. */
type Step = readonly [side: ">" | "<" | "!" | "?", text: string];

interface Vector {
  readonly windowBytes: number;
  readonly maxLanes: number;
  readonly steps: readonly Step[];
}

export function readVector(file: string): Vector {
  const lines = readFileSync(new URL(file, import.meta.url), "utf8").split("\n");
  const of = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
  const steps: [Step[0], string][] = [];
  for (const line of lines.filter((line) => /^[<>!?] /.test(line))) {
    const side = line[0] as Step[0]; // one of these four
    const last = steps.at(-1);
    if (last?.[0] === side && (side === ">" || side === "<"))
      last[1] += line.slice(2); // said at once
    else steps.push([side, line.slice(2)]);
  }
  return { windowBytes: of("window"), maxLanes: of("lanes"), steps };
}

/** `{5*a}` stands for `aaaaa`. */
function expanded(text: string): string {
  return text.replaceAll(/\{(\d+)\*(.)\}/g, (_, count: string, char: string) => char.repeat(Number(count)));
}

function contracted(text: string): string {
  return text.replaceAll(/([a-z])\1{19,}/g, (run) => `{${run.length}*${run[0]}}`);
}

const size = z.int();
const vectors = defineService({
  name: "vectors",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }),
    put: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
    refuse: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
    get: method({ params: { size }, result: z.object({ size }), resultBody: ({ size }) => size }),
    store: method({ params: {}, body: "unknown", result: z.int() }),
    load: method({ params: {}, result: z.string(), resultBody: "unknown" }),
  },
  reactions: { take: method({ params: { size }, body: ({ size }) => size, result: z.int() }) },
});

/** What an application gives as it is told to. */
class Source {
  #given: string[] = [];
  #end: "open" | "done" | "failed" = "open";
  #wake = (): void => undefined;

  give(text: string): void {
    this.#given.push(text);
    this.#wake();
  }

  end(how: "done" | "failed"): void {
    this.#end = how;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const text = this.#given.shift();
      if (text !== undefined) yield Buffer.from(text, "latin1");
      else if (this.#end === "done") return;
      else if (this.#end === "failed") throw new HbiError("aborted", "no more");
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

const read = async (body: AsyncIterable<Uint8Array>): Promise<number> => {
  let got = 0;
  for await (const chunk of body) got += chunk.length;
  return got;
};

function optionsOf({ windowBytes, maxLanes }: Vector) {
  const limits = { laneWindowBytes: windowBytes, maxLanes, maxInFlight: 100, keepaliveMs: Number.POSITIVE_INFINITY };
  return { limits, clock: new ManualClock(), log: () => undefined };
}

/** What each side says of itself; only `lanes` and `window` count here. */
function hello({ windowBytes, maxLanes }: Vector): string {
  return packet("co_begin", `100;x;n;m=100;p=262144;lanes=${maxLanes};window=${windowBytes}`) + packet("co_end", "100");
}

const WELCOME = packet("co_ack_begin", "100") + packet("co_ack_end", "100");

/** What a real side says, compared with what the vector has. */
class Comparison {
  readonly #peer: HostilePeer;
  #heard = "";
  #expected = "";

  constructor(peer: HostilePeer) {
    this.#peer = peer;
    peer.heard(); // what was before it
  }

  expects(text: string): void {
    this.#expected += expanded(text);
  }

  async check(): Promise<void> {
    await quiet(20);
    this.#heard += this.#peer.heard();
    expect(contracted(this.#heard)).toBe(contracted(this.#expected));
  }
}

type Actions = Readonly<Record<string, (argument: string) => unknown>>;

/** A link, and what its application does. */
async function dialing(
  vector: Vector,
  transport: Transport,
): Promise<{ link: Link<typeof vectors>; actions: Actions }> {
  const take = (_: unknown, call: { readonly body: AsyncIterable<Uint8Array> }) => read(call.body);
  const link = await new Link(vectors, async () => transport, { take }, optionsOf(vector)).open();
  let source = new Source();
  let abort = new AbortController();
  const begin = (): { readonly body: Source; readonly signal: AbortSignal } => {
    source = new Source();
    abort = new AbortController();
    return { body: source, signal: abort.signal };
  };
  const actions: Actions = {
    add: (argument) => link.call.add({ a: Number(argument), b: 1 }),
    put: (argument) => link.call.put({ size: Number(argument) }, begin()),
    upload: (argument) => {
      const body = Buffer.from(expanded(argument), "latin1");
      return link.call.put({ size: body.length }, { body: [body] });
    },
    refuse: (argument) => link.call.refuse({ size: Number(argument) }, begin()),
    store: () => link.call.store({}, begin()),
    get: (argument) => link.call.get({ size: Number(argument) }).then(({ body }) => read(body)),
    load: () => link.call.load({}).then(({ body }) => read(body)),
    give: (argument) => source.give(expanded(argument)),
    done: () => source.end("done"),
    fail: () => source.end("failed"),
    abort: () => abort.abort(),
  };
  return { link, actions };
}

/** A host, and what its application does. */
function accepting(vector: Vector, transport: Transport): Actions {
  let source = new Source();
  const body = (): Source => {
    source = new Source();
    return source;
  };
  const handlers: HandlersOf<typeof vectors, undefined> = {
    add: ({ a, b }) => a + b,
    put: (_, call) => read(call.body),
    refuse: () => {
      throw new HbiError("permission_denied", "no");
    },
    store: (_, call) => read(call.body),
    get: ({ size }) => ({ result: { size }, body: body() }),
    load: () => ({ result: "x", body: body() }),
  };
  const host = new ServiceHost(vectors, () => handlers, { ...optionsOf(vector), describe: false });
  void host.accept(transport);
  return {
    take: (argument) => {
      for (const { call } of host.peers) return call.take({ size: Number(argument) }, { body: body() });
    },
    give: (argument) => source.give(expanded(argument)),
    done: () => source.end("done"),
    fail: () => source.end("failed"),
  };
}

/** What is separated by `;` is done at once. */
function run(actions: Actions, text: string): void {
  for (const part of text.split("; ")) {
    const [name = "", argument = ""] = part.split(/ (.*)/);
    const action = actions[name];
    if (action === undefined) throw new Error(`no action ${name}`);
    Promise.resolve(action(argument)).catch(() => undefined); // what becomes of it shows in the bytes
  }
}

/** Bytes that a host must not accept from the side that has dialed, and the reason with which it ends the connection. */
export async function playNearMiss(bytes: string): Promise<string> {
  const { transport, peer } = hostileTransport();
  let reason = "none";
  const options = optionsOf({ windowBytes: 1_000, maxLanes: 2, steps: [] });
  const log = ({ error }: { readonly error: HbiError }) => {
    reason = error.reason ?? error.code;
  };
  const handlers = { add: () => 1, put: () => 1, refuse: () => 1, store: () => 1, get: () => ({}), load: () => ({}) };
  const host = new ServiceHost(vectors, () => handlers as never, { ...options, log });
  void host.accept(transport);
  await peer.play({ say: hello({ windowBytes: 1_000, maxLanes: 2, steps: [] }) }, { hear: "co_end]100;" });
  peer.say(WELCOME + expanded(bytes));
  await quiet(20);
  const hasEnded = peer.hasEnded || peer.isClosed;
  peer.reset();
  return hasEnded ? reason : "none";
}

/** A link has the part of the side that has dialed. */
export async function playDialer(vector: Vector): Promise<void> {
  const { transport, peer } = hostileTransport();
  const { link, actions } = await dialing(vector, transport);
  await peer.play({ hear: "co_end]100;" });
  peer.say(hello(vector) + WELCOME);
  await quiet(20);
  await play(vector, peer, actions, ">");
  expect(link.state).toBe("open");
  peer.reset();
  await link.closed;
}

/** A host has the other part. */
export async function playAcceptor(vector: Vector): Promise<void> {
  const { transport, peer } = hostileTransport();
  const actions = accepting(vector, transport);
  await peer.play({ say: hello(vector) }, { hear: "co_end]100;" });
  peer.say(WELCOME);
  await quiet(20);
  await play(vector, peer, actions, "<");
  expect(peer.hasEnded || peer.isClosed).toBe(false);
  peer.reset();
}

/** @param own the side that is real */
async function play({ steps }: Vector, peer: HostilePeer, actions: Actions, own: ">" | "<"): Promise<void> {
  const said = new Comparison(peer);
  const acts = own === ">" ? "!" : "?";
  for (const [side, text] of steps) {
    if (side === own) said.expects(text);
    else if (side === acts || side === (own === ">" ? "<" : ">")) {
      await said.check();
      if (side === acts) run(actions, text);
      else peer.say(expanded(text));
    }
  }
  await said.check();
}
