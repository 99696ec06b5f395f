/**
 * The service that is restarted under load: every call has an id, and is written into the ledger by whoever runs it.
 */
import { defineService, type Link, method, type Peer, type ServiceCall } from "hbi";
import { quiet } from "hbi/testing";
import { z } from "zod";
import { Content, checksum, readExactly } from "../chaos/content.ts";
import type { Ledger } from "./ledger.ts";

const id = z.string().max(40);
const size = z.int().min(0).max(8_000_000);
const body = ({ size }: { size: number }): number => size;

export const restarted = defineService({
  name: "restarted",
  version: "1.0.0",
  methods: {
    work: method({ params: { id }, result: id }),
    /** Is at work until it is let go. */
    hold: method({ params: { id }, result: id }),
    note: method({ params: { id } }),
    upload: method({ params: { id, size }, body, result: z.string() }),
    store: method({ params: { id, size }, body }),
    download: method({ params: { id, size }, result: z.strictObject({ id, size }), resultBody: body }),
    /** Calls `asked` back and posts `told`. */
    ask: method({ params: { id }, result: id }),
  },
  reactions: {
    asked: method({ params: { id }, result: id }),
    told: method({ params: { id } }),
  },
});
export type Restarted = typeof restarted;
export type Consumer = Link<Restarted>;

interface Named {
  readonly id: string;
}
interface Data extends Named {
  readonly size: number;
}

/** Turns of the event loop that a handler takes: more and less, by its id. */
const turnsOf = (id: string): number => (id.length * 7 + id.charCodeAt(id.length - 1)) % 40;

/** Handlers that are held, of all servers. */
export class Holding {
  held = 0;
  readonly signals: AbortSignal[] = [];
  #letGo: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  /** Resolves when it is let go or its signal aborts. */
  hold(signal: AbortSignal): Promise<void> {
    this.held += 1;
    this.signals.push(signal);
    for (const wake of this.#waiting.splice(0)) wake();
    return new Promise((resolve) => {
      this.#letGo.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async holding(count: number): Promise<void> {
    while (this.held < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  letGo(): void {
    for (const resolve of this.#letGo.splice(0)) resolve();
  }
}

/** The handlers of one server. */
export function handlersOf(ledger: Ledger, pushes: Ledger, holding: Holding) {
  return (peer: Peer<Restarted, undefined>) => ({
    async work({ id }: Named) {
      ledger.ran(id);
      await quiet(turnsOf(id));
      return id;
    },
    async hold({ id }: Named, call: ServiceCall<unknown, unknown>) {
      ledger.ran(id);
      await holding.hold(call.signal);
      return id;
    },
    async note({ id }: Named) {
      ledger.ran(id);
      await quiet(turnsOf(id));
    },
    async upload({ id, size }: Data, call: ServiceCall<unknown, unknown>) {
      ledger.ran(id);
      return readExactly(id, size, call.body);
    },
    async store({ id, size }: Data, call: ServiceCall<unknown, unknown>) {
      ledger.ran(id);
      await readExactly(id, size, call.body);
    },
    download({ id, size }: Data) {
      ledger.ran(id);
      return { result: { id, size }, body: bytesOf(id, size) };
    },
    async ask({ id }: Named) {
      ledger.ran(id);
      const push = async (): Promise<void> => (await peer.post.told({ id: `${id}told` })).waitCompleted();
      const told = pushes.make(`${id}told`, push);
      await pushes.make(`${id}asked`, () => peer.call.asked({ id: `${id}asked` }));
      await told;
      return id;
    },
  });
}

export const reactionsOf = (pushes: Ledger) => ({
  async asked({ id }: Named) {
    pushes.ran(id);
    await quiet(turnsOf(id));
    return id;
  },
  told: ({ id }: Named) => pushes.ran(id),
});

export type Kind = "work" | "note" | "upload" | "store" | "download" | "ask";

/** Calls of each kind. @throws Error when an answer is not the right one */
export const KINDS: Readonly<Record<Kind, (link: Consumer, id: string, size: number) => Promise<void>>> = {
  work: async (link: Consumer, id: string) => expectEqual(await link.call.work({ id }), id),
  note: async (link: Consumer, id: string) => (await link.post.note({ id })).waitCompleted(),
  upload: async (link: Consumer, id: string, size: number) =>
    expectEqual(await link.call.upload({ id, size }, { body: bytesOf(id, size) }), checksum(id, size)),
  store: async (link: Consumer, id: string, size: number) =>
    (await link.post.store({ id, size }, { body: bytesOf(id, size) })).waitCompleted(),
  download: async (link: Consumer, id: string, size: number) => {
    const { body } = await link.call.download({ id, size });
    expectEqual(await readExactly(id, size, body), checksum(id, size));
  },
  ask: async (link: Consumer, id: string) => expectEqual(await link.call.ask({ id }), id),
};

function expectEqual(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${String(actual)}, not ${String(expected)}`);
}

const bytesOf = (id: string, size: number): Uint8Array => new Content(id).next(size);
