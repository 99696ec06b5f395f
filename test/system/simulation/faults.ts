/**
 * Faults: what a network and the two programs do to a connection, and how often each has happened.
 */
import type { History } from "./history.ts";
import type { Fault } from "./plan.ts";
import type { LinkSite } from "./site.ts";

export class Faults {
  readonly counts = new Map<string, number>();
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  happened(fault: string, where: string): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    this.#history.add(where, `FAULT ${fault}`);
  }

  /** To the present connection of the link, if there is one. */
  happens(fault: Fault, site: LinkSite, isFromPeer: boolean, ms: number): void {
    const [near, far] = site.ends.slice(-2);
    if (near === undefined || far === undefined) return;
    this.happened(fault, isFromPeer ? far.label : near.label);
    const end = isFromPeer ? far : near;
    switch (fault) {
      case "cut":
        end.destroy();
        return;
      case "stall":
        near.holdUp(ms);
        far.holdUp(ms);
        return;
      case "deaf":
        end.holdUp(ms);
        return;
      case "drain":
        void end.connection?.drain("as planned");
        return;
      case "goodbye":
        void end.connection?.disconnect("as planned");
        return;
      case "close":
        void site.link.close();
        return;
    }
  }
}
