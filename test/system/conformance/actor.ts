/**
 * Plays one side of any transcript with this library, as an application would: posts what that side posted, answers what it
 * answered, in the order of cause and effect that was recorded.
 */
import { type HoCo, HostingEnv, method, type PoCo, type PostingEnd, value } from "hbi";
import { z } from "zod";
import {
  type Brackets,
  bracketsOf,
  type Item,
  type PacketItem,
  type RawItem,
  type Side,
  type Transcript,
} from "./transcript.ts";

const MAX_COUNTER = 9_999_999;
const CONSTRUCTORS = new Set(["Msg", "MsgsInRoom", "dtype"]);
const anything = z.unknown().optional();
const params = { p0: anything, p1: anything, p2: anything, p3: anything, p4: anything, p5: anything };

/** Names of methods that a script calls, one for each statement that is a call. */
export function calledNames(code: string): string[] {
  const names = [...code.matchAll(/(?:^|\n|;)\s*([A-Za-z_]\w*)\(/g)].map((match) => match[1] ?? "");
  return names.filter((name) => !CONSTRUCTORS.has(name)); // an argument on a line of its own
}

/** Without what a seed-era peer posted: this side counts from 101, and the other side would acknowledge other ids. */
export function withoutSeedPosts(transcript: Transcript, side: Side): Transcript {
  const isOwn = new Map<Side, boolean>();
  const items = transcript.items.filter((item) => {
    if (item.kind === "end") return true;
    const directive = item.kind === "packet" ? item.directive : "";
    if (item.kind === "packet" && (directive === "co_begin" || directive === "co_ack_begin")) {
      const isSeed = Number(item.payload) > MAX_COUNTER;
      isOwn.set(item.from, isSeed && (directive === "co_begin") === (item.from === side));
    }
    const isDropped = isOwn.get(item.from) === true;
    if (directive === "co_end" || directive === "co_ack_end") isOwn.set(item.from, false);
    return !isDropped;
  });
  return { ...transcript, items };
}

export class Actor {
  /** what the other side's scripts called, in order: "note(1)" */
  readonly calls: string[] = [];
  readonly received: unknown[] = [];
  readonly #transcript: Transcript;
  readonly #side: Side;
  readonly #own: Brackets;
  readonly #other: Brackets;
  readonly #completed = new Map<string, Promise<void>>();
  readonly #heard = new Map<string, { promise: Promise<void>; resolve: () => void }>();
  /** position in the other side's bracket, by id */
  readonly #read = new Map<string, { at: number; callsLeft: number }>();

  constructor(transcript: Transcript, side: Side) {
    this.#transcript = transcript;
    this.#side = side;
    this.#own = bracketsOf(transcript, side);
    this.#other = bracketsOf(transcript, side === "client" ? "server" : "client");
  }

  env(): HostingEnv {
    const env = new HostingEnv();
    for (const name of CONSTRUCTORS) env.construct(name, value({ params, make: (made) => ({ name, ...made }) }));
    const names = new Set<string>();
    for (const items of this.#other.values()) {
      for (const item of items)
        if (item.kind === "packet") for (const name of calledNames(item.payload)) names.add(name);
    }
    for (const name of names) {
      env.expose(name, method({ params, body: "manual" }), (given, co) => this.#called(name, given, co));
    }
    env.slot("my_name", z.string());
    return env;
  }

  async #called(name: string, given: object, co: HoCo | PoCo): Promise<void> {
    this.calls.push(`${name}(${Object.values(given).map(String).join(",")})`);
    if (!("startSend" in co)) return; // a script of an answer
    const id = co.coSeq;
    const items = this.#other.get(`conversation ${id}`) ?? [];
    const state = this.#read.get(id) ?? { at: 0, callsLeft: 0 };
    this.#read.set(id, state);
    if (state.callsLeft === 0) {
      state.at = items.findIndex((item, i) => i > state.at && isCode(item) && calledNames(item.payload).length > 0);
      state.callsLeft = calledNames((items[state.at] as PacketItem).payload).length;
    }
    state.callsLeft -= 1;
    if (state.callsLeft > 0) return;
    for (state.at += 1; state.at < items.length; state.at++) {
      const item = items[state.at] as PacketItem | RawItem;
      if (item.kind === "raw") await receiveRaw(co, item);
      else if (item.directive === "co_recv") this.received.push(await co.recvObj());
      else break;
    }
    const isLast = !items.slice(state.at).some((item) => isCode(item) && calledNames(item.payload).length > 0);
    state.at -= 1;
    if (!isLast) return;
    await co.finishRecv();
    this.#hear(id).resolve();
    await this.#answer(co, id);
  }

  async #answer(co: HoCo, id: string): Promise<void> {
    const begin = this.#indexOf(this.#side, "co_ack_begin", id);
    await this.#awaitOwnBefore(begin);
    for (const item of (this.#own.get(`answer ${id}`) ?? []).slice(1)) {
      if (item.kind === "raw") await co.sendData(item.bytes);
      else if (item.directive === "") await co.sendCode(item.payload);
      else if (item.directive === "co_recv") await co.sendObj(item.payload);
    }
  }

  /** Posts everything that this side posted. */
  async perform(po: PostingEnd): Promise<void> {
    const tasks: Promise<void>[] = [];
    for (const [key, items] of this.#own) {
      const id = /^conversation (\d+)$/.exec(key)?.[1];
      if (id === undefined) continue;
      const begin = this.#indexOf(this.#side, "co_begin", id);
      await this.#awaitOwnBefore(begin);
      await this.#awaitHeardBefore(begin);
      const task = this.#post(po, id, items.slice(1));
      this.#completed.set(id, task);
      tasks.push(task);
    }
    await Promise.all(tasks);
  }

  async #post(po: PostingEnd, id: string, items: readonly (PacketItem | RawItem)[]): Promise<void> {
    const co = await po.co();
    for (const item of items) {
      if (item.kind === "raw") await co.sendData(item.bytes);
      else if (item.directive === "" && item.payload !== "") await co.sendCode(item.payload);
      else if (item.directive === "co_recv") await co.sendObj(item.payload);
    }
    const answer = this.#other.get(`answer ${id}`) ?? [];
    for (const item of answer) {
      if (item.kind === "raw") await receiveRaw(co, item);
      else if (item.directive === "co_recv") this.received.push(await co.recvObj());
    }
    await co.close();
    if (answer.some((item) => item.kind === "packet" && item.directive === "co_ack_end")) await co.waitCompleted();
  }

  async #awaitOwnBefore(index: number): Promise<void> {
    for (const [id, completed] of this.#completed) {
      const end = this.#indexOf(this.#otherSide, "co_ack_end", id);
      if (end >= 0 && end < index) await completed;
    }
  }

  async #awaitHeardBefore(index: number): Promise<void> {
    for (const key of this.#other.keys()) {
      const id = /^conversation (\d+)$/.exec(key)?.[1];
      if (id === undefined) continue;
      const end = this.#indexOf(this.#otherSide, "co_end", id);
      if (end >= 0 && end < index) await this.#hear(id).promise;
    }
  }

  #hear(id: string): { promise: Promise<void>; resolve: () => void } {
    const known = this.#heard.get(id);
    if (known !== undefined) return known;
    let resolve: () => void = () => undefined;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const made = { promise, resolve };
    this.#heard.set(id, made);
    return made;
  }

  get #otherSide(): Side {
    return this.#side === "client" ? "server" : "client";
  }

  #indexOf(from: Side, directive: string, id: string): number {
    return this.#transcript.items.findIndex(
      (item: Item) =>
        item.from === from && item.kind === "packet" && item.directive === directive && item.payload === id,
    );
  }
}

function isCode(item: PacketItem | RawItem): item is PacketItem {
  return item.kind === "packet" && item.directive === "";
}

async function receiveRaw(co: { recvData(into: Uint8Array): Promise<void> }, item: RawItem): Promise<void> {
  const bytes = new Uint8Array(item.bytes.length);
  await co.recvData(bytes);
  if (!bytes.every((byte, at) => byte === item.bytes[at])) throw new Error("other raw data than recorded");
}
