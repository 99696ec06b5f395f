/**
 * Crossing: what the bytes tell of the calls: on which connection each was written, and whether its cancellation was delivered.
 */
import type { Ledger } from "./ledger.ts";
import type { End, PipeWatch } from "./pipe.ts";
import { callIn } from "./service.ts";
import type { Piece } from "./wire-text.ts";
import { otherSide, type Side } from "./world.ts";

const CANCEL = /^\$hbi\.cancel\("(\d+)"\)$/;

export class Crossing implements PipeWatch {
  readonly #ledger: Ledger;
  readonly #cancelled = new Set<string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  written({ pipe }: End, pieces: readonly Piece[]): void {
    for (const { words } of pieces) {
      const id = callIn(words);
      const call = id === undefined ? undefined : this.#ledger.call(id);
      if (call !== undefined) call.writtenAt ??= pipe.number;
    }
  }

  delivered({ side, pipe }: End, pieces: readonly Piece[]): void {
    for (const { words } of pieces) {
      const [, seq] = CANCEL.exec(words) ?? [];
      if (seq !== undefined) this.#cancelled.add(conversation(otherSide(side), pipe.number, seq));
    }
  }

  /** Whether the cancellation of a conversation has been delivered to its host. */
  isCancelled(poster: Side, pipe: number, seq: string): boolean {
    return this.#cancelled.has(conversation(poster, pipe, seq));
  }
}

function conversation(poster: Side, pipe: number, seq: string): string {
  return `${poster} ${pipe} ${seq}`;
}
