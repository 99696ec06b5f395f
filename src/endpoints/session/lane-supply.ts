/**
 * LaneSupply: the lanes of a connection beside lane 0, from the first that is needed. What they consist of is loaded
 * then: most connections of a client need none. docs/lanes.md.
 */
import { Chain } from "../../chain.ts";
import { asHbiError, failure } from "../../errors.ts";
import { OnDemand } from "../../on-demand.ts";
import type { SwitchingTransport } from "../../wire/lanes/switching-transport.ts";
import { NOT_LANDED } from "./closing.ts";
import type { Connection } from "./connection.ts";
import type { Lanes, PeerLanes } from "./lanes.ts";
import type { PostedCo } from "./posted-co.ts";

export const LANES: OnDemand<typeof Lanes> = new OnDemand("lanes", async () => (await import("./lanes.ts")).Lanes);

export class LaneSupply {
  readonly #connection: Connection;
  readonly #transport: SwitchingTransport;
  /** once the peer has said that it takes lanes */
  #peer: PeerLanes | undefined;
  #lanes: Lanes | undefined;
  /** conversations that wait until lanes are loaded */
  #waiting: Chain<PostedCo> | undefined;

  constructor(connection: Connection, transport: SwitchingTransport) {
    this.#connection = connection;
    this.#transport = transport;
  }

  /** Undefined until one is needed. */
  get lanes(): Lanes | undefined {
    return this.#lanes;
  }

  /** Whether conversations wait until lanes are loaded, and later ones behind them. */
  get isLoading(): boolean {
    return this.#waiting !== undefined;
  }

  /** Whether the peer has said that it takes them. */
  get isKnown(): boolean {
    return this.#peer !== undefined;
  }

  /** The peer takes them. */
  allow(peer: PeerLanes): void {
    this.#peer ??= peer;
  }

  /** What must be loaded before `needed`. */
  get missing(): OnDemand<unknown> | undefined {
    return this.#peer !== undefined && LANES.part === undefined ? LANES : undefined;
  }

  /** @throws HbiError failed_precondition if the peer has not said that it takes lanes */
  needed(): Lanes {
    if (this.#lanes === undefined) {
      if (this.#peer === undefined || LANES.part === undefined) throw failure("bad_state", "lanes");
      this.#lanes = new LANES.part(this.#connection, this.#transport, this.#peer);
    }
    return this.#lanes;
  }

  /** Whether the conversation gets a lane of its own, now or later. */
  enter(co: PostedCo): boolean {
    if (this.#peer === undefined) return false;
    if (this.missing === undefined) this.needed().enter(co);
    else if (this.#waiting !== undefined) this.#waiting.add(co);
    else {
      this.#waiting = new Chain();
      this.#waiting.add(co);
      void this.#load(this.#waiting);
    }
    return true;
  }

  /** If they cannot be loaded, lane 0 has to do, if it can. */
  async #load(waiting: Chain<PostedCo>): Promise<void> {
    await LANES.load().catch((thrown) => this.#connection.report(asHbiError(thrown), "lanes"));
    try {
      for (let co = waiting.shift(); co !== undefined; co = waiting.shift()) {
        if (this.missing === undefined) this.needed().enter(co);
        else if (co.needsLane) co.abandon(failure("not_loaded", "lanes", NOT_LANDED));
        else co.lane.turn.request(co.taker);
      }
      this.#waiting = undefined;
      this.#connection.posting.introduced();
    } catch (thrown) {
      this.#connection.cut(asHbiError(thrown));
    }
  }

  withdraw(co: PostedCo): void {
    this.#waiting?.remove(co);
    this.#lanes?.withdraw(co);
  }
}
