/**
 * The handlers of the chaos service: they write down what lands, and what became of the calls that they make themselves.
 */
import { type CallOn, HbiError, type Peer } from "hbi";
import { Random } from "../simulation/random.ts";
import { checksum, chunksOf, Damage, readExactly } from "./content.ts";
import type { Journal } from "./journal.ts";
import { answered, asked, type Chaos, PATIENCE_MS, told } from "./service.ts";

type Call = CallOn<Chaos, undefined>;
interface Params {
  readonly id: string;
  readonly pad: string;
}
interface Data {
  readonly id: string;
  readonly size: number;
}

export class Serving {
  readonly #journal: Journal;
  readonly #atWork: (id: string) => void;
  readonly #held = new Map<string, () => void>();

  constructor(journal: Journal, atWork: (id: string) => void) {
    this.#journal = journal;
    this.#atWork = atWork;
  }

  letGo(id: string): void {
    this.#held.get(id)?.();
  }

  readonly handlers = (peer: Peer<Chaos, undefined>) => ({
    record: (params: Params) => this.#lands(params, () => params.pad),
    put: (params: Params) => this.#lands(params, () => params.pad),
    note: (params: Params) => this.#lands(params, () => undefined),
    upload: (params: Data, call: Call) => this.#lands(params, () => readExactly(params.id, params.size, call.body)),
    store: (params: Data, call: Call) =>
      this.#lands(params, async () => void (await readExactly(params.id, params.size, call.body))),
    download: (params: Data) => this.#lands(params, () => answerOf(params)),
    exchange: (params: Data, call: Call) =>
      this.#lands(params, async () => {
        await readExactly(params.id, params.size, call.body);
        return answerOf(params);
      }),
    push: ({ id, pad, count }: Params & { readonly count: number }) =>
      this.#lands({ id }, async () => {
        for (let n = 0; n < count; n++) {
          this.#journal.write("call", told(id, n), "told");
          await peer.post.told({ id, pad, n }).catch((thrown) => this.#failed(told(id, n), thrown));
          this.#journal.write("sent", told(id, n));
        }
        return count;
      }),
    ask: ({ id, size }: Data) => this.#lands({ id }, () => this.#ask(peer, { id: asked(id), size })),
    hold: ({ id }: { readonly id: string }, call: Call) => this.#lands({ id }, () => this.#hold(id, call.signal)),
  });

  async #lands<T>({ id }: { readonly id: string }, work: () => T | Promise<T>): Promise<T> {
    this.#journal.write("begin", id);
    try {
      const result = await work();
      this.#journal.write("land", id);
      return result;
    } catch (thrown) {
      if (thrown instanceof Damage || !(thrown instanceof HbiError)) this.#journal.write("bad", id, String(thrown));
      throw thrown;
    }
  }

  async #ask(peer: Peer<Chaos, undefined>, { id, size }: Data): Promise<string> {
    this.#journal.write("call", id, "asked");
    try {
      const body = chunksOf(id, size, new Random(size));
      const sum = await peer.call.asked({ id, size }, { body, timeoutMs: PATIENCE_MS });
      if (sum !== checksum(id, size)) this.#journal.write("bad", id, "a wrong checksum");
      this.#journal.write("ack", id);
      return sum;
    } catch (thrown) {
      return this.#failed(id, thrown);
    }
  }

  #failed(id: string, thrown: unknown): never {
    const { code, mayHaveLanded, reason } = thrown as HbiError; // nothing else is thrown by a call
    this.#journal.write("fail", id, code, String(mayHaveLanded), String(reason));
    throw thrown;
  }

  async #hold(id: string, signal: AbortSignal): Promise<string> {
    const over = new Promise<void>((resolve) => {
      this.#held.set(id, resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#atWork(id);
    await over;
    this.#held.delete(id);
    return id;
  }
}

function answerOf({ id, size }: Data) {
  const body = chunksOf(answered(id), size, new Random(size));
  return { result: { id, size }, body };
}
