/**
 * The same service and consumers over real sockets, for some seconds and in haste; a proxy cuts them off now and then.
 */
import { type Link, systemClock } from "hbi";
import { connect, serve } from "hbi/node";
import { ChaosProxy } from "../../../support/chaos-proxy.ts";
import { Random } from "../random.ts";
import { sleep } from "../source.ts";
import { Consumer } from "./consumer.ts";
import type { Newer, Version } from "./definitions.ts";
import { type AnyPeer, Provider } from "./provider.ts";
import { Record } from "./record.ts";
import { definitionOf, reactionsOf } from "./town.ts";

const HASTE = 100;

export interface SocketsOptions {
  readonly seed: number;
  /** of the service */
  readonly version: Version;
  readonly forMs: number;
}

export async function runOverSockets({ seed, version, forMs }: SocketsOptions): Promise<Record> {
  const clock = systemClock;
  const record = new Record(() => clock.now());
  const random = new Random(seed, 1);
  const shared = { clock, random, record, haste: HASTE };
  const provider = new Provider({ version, ...shared });
  const told = (side: string, sideVersion: Version) => (entry: { readonly where: string; readonly error: Error }) => {
    const isMeant = entry.where.startsWith("conversation") || (entry.where === "definition" && sideVersion !== version);
    if (!isMeant) record.violated(`${side}, ${entry.where}: ${entry.error.message}`);
  };
  const handlers = (peer: AnyPeer) => provider.handlers(peer) as never; // of this version
  const server = await serve(definitionOf(version), "127.0.0.1:0", handlers, { log: told("service", version) });
  const open = async (name: string, consumerVersion: Version) => {
    const proxy = await ChaosProxy.listen(server.address, seed);
    const known = new Set(server.peers);
    const link: Link<Newer> = await connect(
      definitionOf(consumerVersion),
      proxy.address,
      reactionsOf(consumerVersion),
      { reconnect: { initialDelayMs: 10 }, log: told(name, consumerVersion) },
    );
    await link.ping(); // the service knows it
    const peer = [...server.peers].find((each) => !known.has(each)) as AnyPeer | undefined; // a version of the same
    return { name, consumerVersion, proxy, link, peer };
  };
  const sites = [await open("A", "older"), await open("B", "newer")];
  const untilMs = clock.now() + forMs;
  const live = async ({ name, consumerVersion, proxy, link, peer }: (typeof sites)[number]): Promise<void> => {
    const options = { name, version: consumerVersion, serviceVersion: version, ...shared };
    const cutting = async (): Promise<void> => {
      for (;;) {
        await sleep(clock, random.between(forMs / 8, forMs / 2), undefined);
        if (clock.now() >= untilMs) return;
        record.cut(name);
        for (const connection of proxy.connections) connection.reset();
      }
    };
    await Promise.all([
      new Consumer(link, options).run(untilMs),
      new Consumer(link, options).run(untilMs),
      provider.push(name, consumerVersion, () => peer, untilMs),
      cutting(),
    ]);
    await link.close();
    await proxy.close();
  };
  await Promise.all(sites.map(live));
  await server.close();
  return record;
}
