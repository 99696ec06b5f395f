/**
 * The addresses of a link: it dials one after the other until one accepts. docs/services.md, "Several servers".
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, HbiError } from "../../errors.ts";
import { dialSocket } from "../../wire/transport/node-socket.ts";
import { serverNameOf } from "../../wire/transport/node-tls-dial.ts";
import { type ClientTls, clientContext } from "../../wire/transport/node-tls-options.ts";
import { checkPath } from "../../wire/transport/node-trouble.ts";
import type { Transport } from "../../wire/transport.ts";
import { type Address, type PathAddress, parseAddress, type TcpAddress } from "../address.ts";
import type { Dial } from "../service/reconnect.ts";

/** What is read for each connection: a getter may return another certificate. */
interface DialerOptions {
  readonly clock: Clock;
  tls(): ClientTls | undefined;
}

/** Dials the addresses in turn, each for at most `connectTimeoutMs`. The first attempt begins with the first one. Every
 *  later one begins with the address behind that of the last connection: it was lost, refused, or sent the link away.
 *  @throws HbiError invalid_argument for what can never be dialed */
export function dialer(address: Address | readonly Address[], { clock, tls }: DialerOptions): Dial {
  const targets = (isList(address) ? address : [address]).map((one) => parseAddress(one));
  if (targets.length === 0) throw failure("bad_option", "a link needs at least one address");
  for (const target of targets) checkTarget(target, tls());
  let next = 0;
  return async (dialing): Promise<Transport> => {
    const errors: HbiError[] = [];
    for (const _ of targets) {
      const target = targets[next] as TcpAddress | PathAddress; // below their number
      next = (next + 1) % targets.length;
      try {
        return await dialSocket(target, { ...dialing, clock, tls: tls() });
      } catch (thrown) {
        errors.push(asHbiError(thrown));
        if (dialing.signal.aborted) break;
      }
    }
    throw together(errors);
  };
}

function isList(address: Address | readonly Address[]): address is readonly Address[] {
  return Array.isArray(address);
}

function checkTarget(target: TcpAddress | PathAddress, tls: ClientTls | undefined): void {
  if ("path" in target) checkPath(target.path);
  if (tls === undefined) return;
  clientContext(tls);
  serverNameOf(target, tls);
}

/** One error for all addresses. Unless all have failed with the same code, it is `unavailable`, so that the link goes on
 *  dialing. */
function together(errors: readonly HbiError[]): HbiError {
  const [first, ...others] = errors as readonly [HbiError, ...HbiError[]]; // there is at least one address
  if (others.length === 0) return first;
  const isSame = others.every(({ code }) => code === first.code);
  const words = errors.map(({ message }) => message).join("; ");
  const cause = new AggregateError(errors, words);
  if (!isSame || first.reason === undefined) return failure("connect_failed", words, { cause });
  return new HbiError(first.code, words, undefined, { reason: first.reason, cause });
}
