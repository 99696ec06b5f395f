/**
 * Attacker: one connection that sends exactly the given bytes and counts them, without any part of the library.
 */
import { connect, type Socket } from "node:net";
import { Told } from "./told.ts";

export type Fate = "open" | "closed" | "reset" | "refused";

/** Of what is received, so many of the last characters are kept: more than the answers to one flood. */
const MOST_HEARD = 65_536;

export class Attacker {
  readonly told = new Told();
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #sentPackets = 0;
  #heard = "";
  #wake: (() => void)[] = [];
  #fate: Fate = "open";
  #isConnected: boolean;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isConnected = !socket.connecting;
    socket.setNoDelay(true);
    socket.once("connect", () => {
      this.#isConnected = true;
    });
    socket.on("data", (chunk: Buffer) => this.#hear(chunk.toString("latin1")));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.#isConnected) this.#fate = "refused";
      else if (error.code === "ECONNRESET" || error.code === "EPIPE") this.#fate = "reset";
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        if (this.#fate === "open") this.#fate = "closed";
        this.#notify();
        resolve();
      });
    });
  }

  /** Connects. @param from the source address: on Linux, all of 127.0.0.0/8 is this machine */
  static open(address: string, from = "127.0.0.1"): Promise<Attacker> {
    const [host = "", port] = address.replace(/^ws:\/\/([^/]*)\/.*$/, "$1").split(":");
    const attacker = new Attacker(connect({ host, port: Number(port), localAddress: from, noDelay: true }));
    return new Promise((resolve) => {
      attacker.#socket.once("connect", () => resolve(attacker));
      void attacker.closed.then(() => resolve(attacker));
    });
  }

  get isOpen(): boolean {
    return this.#fate === "open";
  }

  /** How it ended: with FIN, with or without an `err`; by a reset; or before it was connected. */
  get fate(): Fate {
    return this.#fate;
  }

  /** Bytes that the system has taken. */
  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  get sentPackets(): number {
    return this.#sentPackets;
  }

  get heardBytes(): number {
    return this.#socket.bytesRead;
  }

  say(bytes: string | Uint8Array, packets = 1): void {
    if (!this.isOpen || this.#socket.destroyed) return;
    this.#sentPackets += packets;
    this.#socket.write(bytes);
  }

  /** Sends it repeatedly, as fast as it is taken, until the connection or the time ends. */
  async flood(bytes: string | Uint8Array, packets: number, over: AbortSignal): Promise<void> {
    const chunk = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    while (this.isOpen && !over.aborted) {
      this.say(chunk, packets);
      if (this.#socket.writableNeedDrain) await this.#happens(over, "drain");
    }
  }

  /** Sends it byte by byte, one every `everyMs`. */
  async drip(bytes: string | Uint8Array, everyMs: number): Promise<void> {
    for (const byte of typeof bytes === "string" ? Buffer.from(bytes) : bytes) {
      if (!this.isOpen) return;
      this.say(Uint8Array.of(byte), 0);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Waits until it has received this, or the connection has ended. */
  async hears(what: string): Promise<void> {
    while (this.isOpen && !this.#heard.includes(what)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** Whether the most recently received bytes contain this. */
  hasHeard(what: string): boolean {
    return this.#heard.includes(what);
  }

  /** The last characters that it has received. */
  recent(characters: number): string {
    return this.#heard.slice(-characters);
  }

  /** Stops reading. */
  deaf(): this {
    this.#socket.pause();
    return this;
  }

  /** Resumes reading. */
  listen(): void {
    this.#socket.resume();
  }

  /** Half-closes the connection. */
  end(): void {
    this.#socket.end();
  }

  /** Resets the connection. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #hear(chunk: string): void {
    this.told.take(chunk);
    this.#heard = (this.#heard + chunk).slice(-MOST_HEARD);
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #happens(over: AbortSignal, event: "drain"): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off(event, done);
        this.#socket.off("close", done);
        over.removeEventListener("abort", done);
        resolve();
      };
      this.#socket.once(event, done);
      this.#socket.once("close", done);
      over.addEventListener("abort", done, { once: true });
      if (over.aborted) done();
    });
  }
}
