/**
 * A hostile transport: the other end of a connection, which sends exactly the bytes that a test specifies, and records
 * what it receives. docs/testing.md.
 */
import { systemClock } from "../clock.ts";
import { type MemoryOptions, memoryTransportPair } from "../wire/transport/memory.ts";
import type { Transport } from "../wire/transport.ts";

/** The steps of a hostile peer. */
export type HostileStep =
  /** sends the bytes in one chunk */
  | { readonly say: string | Uint8Array }
  /** sends the bytes one by one, each in a separate turn */
  | { readonly drip: string | Uint8Array }
  /** waits until it has received this */
  | { readonly hear: string | RegExp }
  /** sends this many meaningless bytes */
  | { readonly flood: number }
  /** stops reading */
  | "deaf"
  /** resumes reading */
  | "listen"
  /** half-closes: no more bytes will follow */
  | "end"
  /** breaks the connection */
  | "reset";

const FLOOD_CHUNK = new Uint8Array(64 * 1024).fill(0x61);
/** How many bytes become text at once: each is an argument of one call. */
const PIECE_BYTES = 4_096;

export class HostilePeer {
  readonly #transport: Transport;
  #heard = "";
  #wake: (() => void)[] = [];
  /** Whether the other side has half-closed. */
  hasEnded = false;
  isClosed = false;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.start({
      onData: (chunk) => {
        for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
          this.#heard += String.fromCharCode(...chunk.subarray(at, at + PIECE_BYTES));
        }
        this.#notify();
      },
      onDrain: () => undefined,
      onEnd: () => {
        this.hasEnded = true;
        this.#notify();
      },
      onClose: () => {
        this.isClosed = true;
        this.#notify();
      },
    });
  }

  /** What it received since the last call, one character per byte. */
  heard(): string {
    const heard = this.#heard;
    this.#heard = "";
    return heard;
  }

  /** Sends the bytes at once. */
  say(bytes: string | Uint8Array): void {
    this.#transport.write(bytes);
  }

  /** Half-closes the connection. */
  end(): void {
    this.#transport.end();
  }

  /** Breaks the connection. */
  reset(): void {
    this.#transport.destroy();
  }

  /** Runs the steps in order, and stops early if the connection ends. */
  async play(...steps: readonly HostileStep[]): Promise<string> {
    for (const step of steps) {
      if (this.isClosed) break;
      await this.#do(step);
    }
    return this.heard();
  }

  /** Resolves when the connection is closed. */
  async closed(): Promise<void> {
    while (!this.isClosed) await this.#changed();
  }

  async #do(step: HostileStep): Promise<void> {
    if (step === "deaf") this.#transport.pause();
    else if (step === "listen") this.#transport.resume();
    else if (step === "end") this.end();
    else if (step === "reset") this.reset();
    else if ("say" in step) this.say(step.say);
    else if ("drip" in step) await this.#drip(step.drip);
    else if ("flood" in step) this.#flood(step.flood);
    else await this.#hear(step.hear);
  }

  async #drip(bytes: string | Uint8Array): Promise<void> {
    const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    for (let i = 0; i < all.length && !this.isClosed; i++) {
      this.#transport.write(all.subarray(i, i + 1));
      await new Promise<void>((resolve) => systemClock.soon(resolve));
    }
  }

  #flood(bytes: number): void {
    for (let left = bytes; left > 0; left -= FLOOD_CHUNK.length) {
      this.#transport.write(left < FLOOD_CHUNK.length ? FLOOD_CHUNK.subarray(0, left) : FLOOD_CHUNK);
    }
  }

  async #hear(what: string | RegExp): Promise<void> {
    while (!this.isClosed && !this.#hasHeard(what)) await this.#changed();
  }

  #hasHeard(what: string | RegExp): boolean {
    return typeof what === "string" ? this.#heard.includes(what) : what.test(this.#heard);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** A transport for the code under test (`host.accept(transport)`, or the dial function of a link), and the hostile peer
 *  at its other end. */
export function hostileTransport(memory: MemoryOptions = {}): {
  readonly transport: Transport;
  readonly peer: HostilePeer;
} {
  const [transport, far] = memoryTransportPair(memory);
  return { transport, peer: new HostilePeer(far) };
}

/** A packet: its length in bytes, its directive, its payload. */
export function packet(directive: string, payload: string): string {
  return `[${new TextEncoder().encode(payload).length}#${directive}]${payload}`;
}

/** A whole conversation of scripts. */
export function conversation(id: string, ...codes: readonly string[]): string {
  return packet("co_begin", id) + codes.map((code) => packet("", code)).join("") + packet("co_end", id);
}

/** A whole answer of packets. */
export function answer(id: string, ...packets: readonly string[]): string {
  return packet("co_ack_begin", id) + packets.join("") + packet("co_ack_end", id);
}
