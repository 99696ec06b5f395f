/**
 * What the tests import of Node, for a page: servers that are reached over the browser's WebSocket, and a stream with what the library
 * uses of one.
 */
import { type Address, HbiError, Link, type LinkOptions, type ReactionsOf, type Service, ServiceHost } from "hbi";
import { webSocketPair } from "./carriers-in-page.ts";

const hosts = new Map<Address, ServiceHost<Service, unknown>>();
let ports = 0;

type Host<S extends Service> = ServiceHost<S, undefined>;
type Parameters<S extends Service> = ConstructorParameters<typeof ServiceHost<S, undefined>>;

/** An address that ends with the port 0 is a new one. */
export async function serve<S extends Service>(
  service: S,
  where: string,
  handlers: Parameters<S>[1],
  options?: Parameters<S>[2],
): Promise<Host<S> & { readonly address: string }> {
  const host = new ServiceHost<S, undefined>(service, handlers, options);
  ports += 1;
  const address = where.replace(/:0$/, `:${ports}`);
  hosts.set(address, host as never); // by whatever service
  const close = host.close.bind(host);
  const drain = host.drain.bind(host);
  const leave = (): void => {
    if (hosts.get(address) === (host as never)) hosts.delete(address);
  };
  return Object.assign(host, {
    address,
    close(reason?: string) {
      leave();
      return close(reason);
    },
    drain(reason?: string) {
      leave();
      return drain(reason);
    },
  });
}

export function connect<S extends Service>(
  service: S,
  address: string,
  reactions: ReactionsOf<S>,
  options: LinkOptions<S>,
): Promise<Link<S>> {
  const limits = { maxBufferedBytes: 16 * 1024 * 1024, ...options.limits };
  const dial = async () => {
    const host = hosts.get(address);
    if (host === undefined) throw new HbiError("unavailable", "nobody listens there");
    const { dialed, accepted } = await webSocketPair();
    host.accept(accepted).catch(() => undefined);
    return dialed;
  };
  return new Link<S>(service, dial, reactions, { ...options, limits }).open();
}

export class Readable {
  destroyed = false;
  readonly #chunks: Iterable<Uint8Array>;
  constructor(chunks: Iterable<Uint8Array>) {
    this.#chunks = chunks;
  }
  static from(chunks: Iterable<Uint8Array>): Readable {
    return new Readable(chunks);
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#chunks;
    } finally {
      this.destroyed = true;
    }
  }
  on(): this {
    return this;
  }
  destroy(): void {
    this.destroyed = true;
  }
}
