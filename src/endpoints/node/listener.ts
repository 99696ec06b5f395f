/**
 * Listener: a listening socket, TCP or Unix, and the file of the latter. What it accepts is passed to a Door, which is the
 * Reception of the same address, or leads to another process. docs/services.md, "Serving".
 */
import { type BigIntStats, chmodSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { failure, HbiError } from "../../errors.ts";
import { checkPath, codeOf, listenTrouble } from "../../wire/transport/node-trouble.ts";
import { formatAddress, type ParsedAddress, type PathAddress, type TcpAddress, webTarget } from "../address.ts";
import { ignore } from "../waits.ts";
import type { Listening } from "./listeners.ts";
import type { Door, Reception } from "./reception.ts";
import { closeSparingOthers, fileAt, removeStaleSocket } from "./socket-file.ts";

export interface ListenerOptions {
  readonly socketMode: number | undefined;
  readonly reception: Reception;
  readonly door: Door;
}

export class Listener implements Listening {
  readonly stopped: Promise<void>;
  readonly reception: Reception;
  readonly #address: ParsedAddress;
  readonly #target: TcpAddress | PathAddress;
  readonly #mode: number | undefined;
  readonly #door: Door;
  #server: Server | undefined;
  /** of a Unix socket, as it was bound */
  #file: BigIntStats | undefined;
  #resolveStopped: () => void = ignore;

  /** @throws HbiError invalid_argument */
  constructor(address: ParsedAddress, { socketMode, reception, door }: ListenerOptions) {
    if ("path" in address) checkPath(address.path);
    this.#address = address;
    this.#target = "url" in address ? webTarget(address) : address;
    this.#mode = socketMode;
    this.reception = reception;
    this.#door = door;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined) throw failure("wrong_stage", "the server does not listen");
    if (typeof bound === "string") return bound;
    const isTls = "isSecure" in this.#address && this.#address.isSecure;
    const place = formatAddress({ host: bound.address, port: bound.port, isSecure: isTls });
    if (!("url" in this.#address)) return place;
    const { isSecure, path } = webTarget(this.#address);
    return `${isSecure ? "wss" : "ws"}://${place}${path}`;
  }

  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#door.take(socket),
    );
    this.#server = server;
    try {
      await this.#bind(server);
    } catch (thrown) {
      this.#server = undefined;
      server.close(ignore);
      throw thrown instanceof HbiError ? thrown : listenTrouble(this.#target, thrown as Error); // an error event has an Error
    }
    server.once("close", () => this.#resolveStopped());
    // A failing accept (no file descriptors left) concerns that connection; the server continues.
    server.on("error", (cause) => this.#door.report(cause));
  }

  async #bind(server: Server): Promise<void> {
    const address = this.#target;
    try {
      await bound(server, address);
    } catch (thrown) {
      const isInUse = thrown instanceof Error && codeOf(thrown) === "EADDRINUSE";
      if (!isInUse || "host" in address || address.path.startsWith("\0")) throw thrown; // an abstract socket has no file
      await removeStaleSocket(address.path, thrown);
      await bound(server, address);
    }
    if ("host" in address) return;
    this.#file = fileAt(address.path);
    if (this.#mode !== undefined) chmodSync(address.path, this.#mode);
  }

  stop(): void {
    const server = this.#server;
    if (server?.listening !== true) return;
    this.#server = undefined;
    const address = this.#target;
    if ("host" in address) server.close();
    else closeSparingOthers(address.path, this.#file, () => server.close());
  }
}

function bound(server: Server, address: TcpAddress | PathAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const target = "host" in address ? { host: address.host, port: address.port } : { path: address.path };
    server.listen(target, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
