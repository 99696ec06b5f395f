/**
 * Listeners: everything on which a server listens, as one. All of it serves the connections of one Acceptor.
 */
import { failure } from "../../errors.ts";
import { mustBe, type OptionsOf } from "../../options.ts";
import { type ServerTls, serverTls } from "../../wire/transport/node-tls-options.ts";
import {
  type Address,
  formatAddress,
  isList,
  type ParsedAddress,
  parseAddress,
  schemeSecurity,
  UNUSED_TLS,
  webTarget,
} from "../address.ts";
import type { Acceptor } from "../session/acceptor.ts";
import { ignore, markHandled } from "../waits.ts";
import { Listener } from "./listener.ts";
import { type Door, Reception } from "./reception.ts";
import type { WebSocketGate } from "./web-socket-gate.ts";
import { type WebSocketOptions, webSocketOptions } from "./web-socket-options.ts";

export interface ListenOptions {
  /** Serves over TLS; with `ca`, clients must present a certificate, which `peer.identity` describes. */
  readonly tls?: ServerTls | undefined;
  /** The permissions of Unix sockets: 0o660 admits the group. Default: as the process's umask says. */
  readonly socketMode?: number | undefined;
}

export const LISTEN_OPTIONS: OptionsOf<ListenOptions> = {
  tls: serverTls,
  socketMode: mustBe(
    "permissions from 0 to 0o777",
    (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0o777,
  ),
};

/** Where a server accepts connections. */
export interface Listening {
  /** As bound. @throws HbiError failed_precondition before it listens */
  readonly address: string;
  /** undefined if something else accepts for it */
  readonly reception?: Reception;
  /** Resolves when it has stopped listening. */
  readonly stopped: Promise<void>;
  /** @throws HbiError unavailable if the address cannot be bound */
  listen(): Promise<void>;
  stop(): void;
}

export class Listeners {
  readonly #acceptor: Acceptor;
  readonly #all: readonly Listening[];
  #closed: Promise<unknown> | undefined;
  #isListening = false;

  constructor(acceptor: Acceptor, all: readonly Listening[]) {
    this.#acceptor = acceptor;
    this.#all = all;
  }

  /** That of the first. @throws HbiError failed_precondition before it listens */
  get address(): string {
    return this.addresses[0] as string; // there is at least one
  }

  /** @throws HbiError failed_precondition before it listens */
  get addresses(): readonly string[] {
    return this.#all.map(({ address }) => address);
  }

  /** Resolves when it has stopped listening and every connection has ended. */
  get closed(): Promise<void> {
    return this.#closed?.then(ignore) ?? Promise.resolve();
  }

  /** @throws HbiError unavailable if an address cannot be bound; failed_precondition after it was closed */
  async listen(): Promise<void> {
    if (this.#isListening) return;
    if (this.#acceptor.isEnding) throw failure("wrong_stage", "the server is closed");
    this.#isListening = true;
    const bound: Listening[] = [];
    try {
      for (const each of this.#all) {
        await each.listen();
        bound.push(each);
      }
    } catch (thrown) {
      this.#isListening = false;
      for (const each of bound) each.stop();
      throw thrown;
    }
    this.#closed = Promise.all([...this.#all.map(({ stopped }) => stopped), this.#acceptor.closed]);
    if (this.#acceptor.isEnding) this.#stop();
  }

  /** @throws HbiError invalid_argument, without changing anything; failed_precondition without TLS */
  reloadTls(tls: ServerTls): void {
    const secure = this.#all.flatMap(({ reception }) => (reception?.isSecure === true ? [reception] : []));
    if (secure.length === 0) throw failure("wrong_stage", "the server has no TLS");
    for (const each of secure) each.reloadTls(tls);
  }

  /** Stops listening and ends the connections. */
  end(endConnections: () => Promise<void>): Promise<void> {
    return markHandled(this.#end(endConnections));
  }

  async #end(endConnections: () => Promise<void>): Promise<void> {
    const ended = endConnections(); // first, so that no further connection is accepted
    this.#stop();
    await ended;
    for (const { reception } of this.#all) reception?.abandon();
    if (this.#acceptor.connections.size === 0) await this.#closed; // otherwise a handler called this, and its connection waits for it
  }

  #stop(): void {
    for (const each of this.#all) each.stop();
  }
}

/** Creates the gate of an address for WebSockets. */
export type GateMaker = (path: string) => WebSocketGate;

/** The listeners of these addresses. @param gate undefined if no address is for WebSockets
 *  @param doorOf where what an address accepts goes, if not to its reception
 *  @throws HbiError invalid_argument */
export function listenersAt(
  parsed: readonly ParsedAddress[],
  acceptor: Acceptor,
  { tls, socketMode }: ListenOptions,
  gate: GateMaker | undefined,
  doorOf: (reception: Reception, at: number) => Door = (reception) => reception,
): Listeners {
  if (socketMode !== undefined && !parsed.some((one) => "path" in one))
    throw failure("bad_option", "socketMode is for a Unix socket");
  const all = receptionsAt(parsed, acceptor, tls, gate).map((reception, at) => {
    const address = parsed[at] as ParsedAddress; // one for each
    return new Listener(address, { socketMode, reception, door: doorOf(reception, at) });
  });
  return new Listeners(acceptor, all);
}

/** One for each address. @throws HbiError invalid_argument */
export function receptionsAt(
  parsed: readonly ParsedAddress[],
  acceptor: Acceptor,
  tls: ServerTls | undefined,
  gate: GateMaker | undefined,
): Reception[] {
  acceptor.name = parsed.map(formatAddress).join(", ");
  const isSecure = securityOf(parsed, tls !== undefined);
  return parsed.map((address, at) => {
    const web = "url" in address ? gate?.(webTarget(address).path) : undefined;
    return new Reception(acceptor, {
      isTcp: !("path" in address),
      tls: isSecure[at] === true ? tls : undefined,
      web,
    });
  });
}

export function addressesOf(given: Address | readonly Address[]): ParsedAddress[] {
  const parsed = (isList(given) ? given : [given]).map((one) => parseAddress(one));
  if (parsed.length === 0) throw failure("bad_option", "a server needs at least one address");
  return parsed;
}

/** Which of the addresses use TLS: the scheme says so, or else the option. @throws HbiError invalid_argument */
function securityOf(parsed: readonly ParsedAddress[], hasTls: boolean): boolean[] {
  const isSecure = parsed.map((address) => schemeSecurity(address) ?? hasTls);
  const [wanting] = parsed.filter((_, at) => isSecure[at] === true && !hasTls);
  if (wanting !== undefined)
    throw failure("bad_option", "tls:// and wss:// need the option tls with a key and a certificate");
  if (hasTls && !isSecure.includes(true)) throw failure("bad_option", UNUSED_TLS);
  return isSecure;
}

/** What `serve` adds for WebSockets. */
export interface WebListenOptions extends ListenOptions {
  /** For addresses that are `ws://` or `wss://`: which pages may connect, and what clients may send. */
  readonly webSocket?: WebSocketOptions | undefined;
}

export const WEB_LISTEN_OPTIONS: OptionsOf<WebListenOptions> = { ...LISTEN_OPTIONS, webSocket: webSocketOptions };
