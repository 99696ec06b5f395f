/**
 * testLink: a service and a consumer, connected in memory. Everything above the transport is real. docs/testing.md.
 */
import { LINK_OPTIONS, Link, type LinkOptions, type ReactionsOf } from "../endpoints/service/link.ts";
import type { Peer } from "../endpoints/service/peer.ts";
import {
  checkFactory,
  type HandlersOf,
  HOST_OPTIONS,
  type HostOptions,
  ServiceHost,
} from "../endpoints/service/service-host.ts";
import { asHbiError, type HbiError } from "../errors.ts";
import { anything, checkOptions, nested, type OptionsOf } from "../options.ts";
import { checkHandlers } from "../registry/handlers.ts";
import type { Service } from "../registry/service.ts";
import { type MemoryOptions, memoryOptions, memoryTransportPair } from "../wire/transport/memory.ts";
import type { Transport } from "../wire/transport.ts";

export interface TestLinkOptions<S extends Service, Context> {
  /** the consumer's reactions; optional if the definition has none */
  readonly reactions?: ReactionsOf<S> | undefined;
  readonly host?: HostOptions<S, Context> | undefined;
  readonly link?: LinkOptions<S> | undefined;
  /** how bytes are split, and when the connection breaks */
  readonly memory?: MemoryOptions | undefined;
}

export const TEST_LINK_OPTIONS: OptionsOf<TestLinkOptions<Service, unknown>> = {
  reactions: anything, // checked by the link
  host: nested<HostOptions<Service, unknown>>(HOST_OPTIONS),
  link: nested<LinkOptions<Service>>(LINK_OPTIONS),
  memory: memoryOptions,
};

export interface TestLink<S extends Service, Context> {
  readonly link: Link<S>;
  readonly host: ServiceHost<S, Context>;
  /** The consumer of the current connection, as the service sees it. */
  readonly peer: Peer<S, Context>;
  /** How many times the link has connected. */
  readonly connectionCount: number;
  /** Breaks the current connection without a message, as a network does. */
  cut(): void;
  /** Closes after calls in flight have finished. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Connects a link to the handlers of its service.
 *  @throws HbiError as `serve` and `connect`, and for a missing or extra handler */
export async function testLink<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  handlers: (peer: Peer<S, Context>) => H,
  options: TestLinkOptions<S, Context> = {},
): Promise<TestLink<S, Context>> {
  checkOptions(options, "testLink", TEST_LINK_OPTIONS);
  checkFactory(handlers);
  let broken: HbiError | undefined;
  const factory = (peer: Peer<S, Context>): H => {
    try {
      const made = handlers(peer);
      checkHandlers(service.methods, made);
      return made;
    } catch (thrown) {
      broken ??= asHbiError(thrown);
      throw broken;
    }
  };
  const host = new ServiceHost<S, Context>(service, factory, options.host ?? {});
  await host.described(); // so that its peer is present as soon as the link is open
  const { memory = {}, reactions = {} as ReactionsOf<S>, link: linkOptions = {} } = options;
  let connectionCount = 0;
  let present: Transport | undefined;
  let peer: Peer<S, Context> | undefined;
  const dial = async (): Promise<Transport> => {
    const [near, far] = memoryTransportPair(memory);
    connectionCount += 1;
    present = near;
    host.accept(far).then(
      (accepted) => {
        peer = accepted;
      },
      () => undefined, // the end of the connection reports it to the link
    );
    return near;
  };
  const link = new Link<S>(service, dial, reactions, linkOptions as LinkOptions<S>); // empty if that is permitted
  await link.open().catch((thrown: unknown) => {
    throw broken ?? thrown;
  });
  if (broken !== undefined) {
    await link.disconnect();
    throw broken as HbiError; // assigned by the factory
  }
  const close = () => link.close();
  return {
    link,
    host,
    get peer() {
      return peer as Peer<S, Context>; // present as soon as the link is open
    },
    get connectionCount() {
      return connectionCount;
    },
    cut: () => present?.destroy(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
