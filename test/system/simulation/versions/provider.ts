/**
 * Provider: the service in either version. It pushes to its consumers whatever its own version has, as it cannot know which of them are
 * older.
 */
import type { Clock, HandlersOf, Peer, ServiceCall } from "hbi";
import type { Random } from "../random.ts";
import { sleep } from "../source.ts";
import { type Newer, OLDER_TEXT, type Older, type Version } from "./definitions.ts";
import type { Record } from "./record.ts";

export interface ProviderOptions {
  readonly version: Version;
  readonly clock: Clock;
  readonly random: Random;
  readonly record: Record;
  readonly haste: number;
}

/** Its consumer was asked to go elsewhere: a push may not go to this connection any more. A link goes to the next one by itself. */
const DRAINING = "draining";

export type AnyPeer = Peer<Newer, undefined>;

export class Provider {
  readonly #options: ProviderOptions;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  handlers(peer: AnyPeer): HandlersOf<Newer, undefined> | HandlersOf<Older, undefined> {
    const found = async ({ text }: { readonly text: string }, { signal }: ServiceCall): Promise<number> => {
      const { clock, haste, random } = this.#options;
      if (random.chance(30)) this.#notify(peer);
      if (random.chance(60)) await sleep(clock, random.between(0, 300) / haste, signal);
      return text.length;
    };
    return {
      search: found,
      ...(this.#options.version === "newer" ? { suggest: found } : {}),
      order: ({ count }: { readonly count: number }) => count,
      upload: async ({ size }: { readonly size: number }, { body }: ServiceCall) => {
        let read = 0;
        for await (const chunk of body) {
          read += chunk.length;
          if (this.#options.random.chance(5)) this.#notify(peer);
        }
        return read === size ? read : -1;
      },
    };
  }

  /** Nobody waits for it, and nothing may come of it. */
  #notify(peer: AnyPeer): void {
    const { record, version } = this.#options;
    const posted = version === "newer" ? peer.post.progress({ part: 1 }) : peer.post.news({ text: "half of it" });
    record.count("push that nobody waits for");
    posted.then(
      (post) => post.waitCompleted().catch(() => undefined),
      () => undefined,
    );
  }

  /** Pushes now and then, many at once. Never rejects. */
  async push(name: string, consumerVersion: Version, peer: () => AnyPeer | undefined, untilMs: number): Promise<void> {
    const { clock, haste, random } = this.#options;
    while (clock.now() < untilMs) {
      await sleep(clock, random.between(100, 20_000) / haste, undefined);
      const present = peer();
      if (present?.isConnected !== true) continue;
      const count = random.pick([1, 5, 60]);
      const one = random.chance(50)
        ? this.#alert(name, consumerVersion, present)
        : this.#news(name, consumerVersion, present);
      await Promise.all(Array.from({ length: count }, one));
    }
  }

  #alert(name: string, consumerVersion: Version, peer: AnyPeer): () => Promise<void> {
    const { record, version } = this.#options;
    if (version === "older") return this.#news(name, consumerVersion, peer);
    const outcome = [consumerVersion === "older" ? "unimplemented" : "ok", DRAINING];
    return () => record.attempt(name, "alert", outcome, 5, () => peer.call.alert({ text: "hello" }));
  }

  #news(name: string, consumerVersion: Version, peer: AnyPeer): () => Promise<void> {
    const { record, version } = this.#options;
    const isLong = version === "newer";
    const text = "x".repeat(isLong ? OLDER_TEXT + 1 : OLDER_TEXT);
    const outcome = [isLong && consumerVersion === "older" ? "invalid_argument" : "ok", DRAINING];
    const posted = async () => void (await (await peer.post.news({ text })).waitCompleted());
    return () => record.attempt(name, "news", outcome, undefined, posted);
  }
}
