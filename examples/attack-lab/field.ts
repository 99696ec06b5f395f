/**
 * Field: the means of an attack: the address of its target, connections, time.
 */
import { setMaxListeners } from "node:events";
import { createServer, type Server } from "node:net";
import type { LimitOptions, Reason } from "hbi";
import { Attacker, type Fate } from "./attacker.ts";
import type { Child } from "./child.ts";
import type { Exchange, Visit, Workplace } from "./result.ts";
import { complaint } from "./told.ts";

export interface Effort {
  /** the duration of a flood */
  readonly floodMs: number;
  /** the share of connections and repetitions that are used */
  readonly share: number;
}

const AFTERMATH_MS = 3_000;
const LAST_WORDS_MS = 50;

export class Field {
  readonly place: Workplace;
  readonly remarks: string[] = [];
  /** violations that the attack itself has observed */
  readonly failures: string[] = [];
  readonly #effort: Effort;
  readonly #client: Child;
  readonly #victim: Child;
  readonly #limits: LimitOptions | undefined;
  readonly #attackers: Attacker[] = [];
  #server: Server | undefined;
  #over: AbortSignal | undefined;

  constructor(place: Workplace, client: Child, victim: Child, effort: Effort, limits: LimitOptions | undefined) {
    this.place = place;
    this.#victim = victim;
    this.#client = client;
    this.#effort = effort;
    this.#limits = limits;
    setMaxListeners(0, this.never); // one per attacker
  }

  /** Aborts when floods should end; the time starts with the first access. */
  get over(): AbortSignal {
    if (this.#over === undefined) {
      this.#over = AbortSignal.timeout(this.#effort.floodMs);
      setMaxListeners(0, this.#over); // one per attacker
    }
    return this.#over;
  }

  /** For attacks that end with the connection. */
  readonly never: AbortSignal = new AbortController().signal;

  /** This many, or a share of them if time is short. */
  many(count: number): number {
    return Math.max(Math.ceil(count * this.#effort.share), 2);
  }

  async open(from?: string): Promise<Attacker> {
    const attacker = await Attacker.open(this.place.address, from);
    this.#attackers.push(attacker);
    return attacker;
  }

  /** Many connections at once. @param from the source address of each */
  async openMany(count: number, from: (i: number) => string = () => "127.0.0.1"): Promise<Attacker[]> {
    const opened: Attacker[] = [];
    while (opened.length < count) {
      const wave = Array.from({ length: Math.min(100, count - opened.length) }, (_, i) =>
        this.open(from(opened.length + i)),
      );
      opened.push(...(await Promise.all(wave)));
    }
    return opened;
  }

  /** The duration of a flood. */
  passes(): Promise<void> {
    const { over } = this;
    return new Promise((resolve) => {
      if (over.aborted) resolve();
      else over.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Resolves when the client has finished its visit. */
  get visited(): Promise<unknown> {
    return this.#client.ask("visited");
  }

  /** Resolves when the target has logged this reason. */
  logs(reason: Reason): Promise<void> {
    return this.#victim.hasLogged([reason], this.never);
  }

  /** A property that must hold from the attacker's view. */
  must(holds: boolean, what: string): void {
    if (!holds) this.failures.push(what);
  }

  /** Another client connects and calls. Resolves to why it could not. */
  knock(): Promise<string | undefined> {
    return this.#client.ask<string | undefined>("knock", this.place);
  }

  /** Another client, of an address that has no part in the attack, is served now. */
  async welcomes(): Promise<void> {
    const why = await this.knock();
    this.must(why === undefined, `a newcomer of another address was refused: ${why}`);
  }

  /** Lets the client visit a server that treats each connection this way. */
  async lure(does: Visit["does"], treat: (attacker: Attacker) => Promise<unknown>): Promise<void> {
    const treated = new Promise<void>((resolve) => {
      this.#server = createServer((socket) => {
        const attacker = new Attacker(socket);
        this.#attackers.push(attacker);
        void treat(attacker).then(() => resolve());
      });
    });
    const server = this.#server;
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const bound = server?.address();
    const port = typeof bound === "object" ? bound?.port : undefined;
    const place: Workplace = { address: `127.0.0.1:${port}`, kind: "open", limits: this.#limits };
    await this.#client.ask("visit", { place, does } satisfies Visit);
    await treated;
  }

  /** Collects the final packets, and ends remaining connections. @param areEnded whether all should have ended
   *  already */
  async leave(areEnded: boolean): Promise<Exchange> {
    const aftermath = new Promise((resolve) => setTimeout(resolve, areEnded ? AFTERMATH_MS : LAST_WORDS_MS));
    for (const attacker of this.#attackers) attacker.listen();
    await Promise.race([Promise.all(this.#attackers.map(({ closed }) => closed)), aftermath]);
    const exchange = this.#exchange();
    for (const attacker of this.#attackers) attacker.destroy();
    this.#server?.close();
    return exchange;
  }

  #exchange(): Exchange {
    const sum = (of: (attacker: Attacker) => number) => this.#attackers.reduce((all, one) => all + of(one), 0);
    const fates: Record<Fate, number> = { open: 0, closed: 0, reset: 0, refused: 0 };
    for (const { fate } of this.#attackers) fates[fate] += 1;
    const told = this.#attackers.map(({ told }) => told);
    const complaints = new Set(told.flatMap(({ lines }) => [...lines].flatMap((line) => complaint(line) ?? [])));
    return {
      connections: this.#attackers.length,
      sentBytes: sum(({ sentBytes }) => sentBytes),
      sentPackets: sum(({ sentPackets }) => sentPackets),
      heardBytes: sum(({ heardBytes }) => heardBytes),
      lastWords: told.findLast(({ lastWords }) => lastWords !== undefined)?.lastWords ?? "",
      fates,
      complaints: [...complaints],
    };
  }
}
