/**
 * The addresses of a link: it dials one after the other until one accepts. docs/services.md, "Several servers".
 */
import { asHbiError, failure, HbiError } from "../../errors.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Dial } from "./reconnect.ts";

/** Dials in turn, each for at most `connectTimeoutMs`. The first attempt begins with the first one. Every later one
 *  begins with the one behind that of the last connection: it was lost, refused, or sent the link away.
 *  @throws HbiError invalid_argument if there is none */
export function dialInTurn(dials: readonly Dial[]): Dial {
  if (dials.length === 0) throw failure("bad_option", "a link needs at least one address");
  let next = 0;
  return async (dialing): Promise<Transport> => {
    const errors: HbiError[] = [];
    for (const _ of dials) {
      const dial = dials[next] as Dial; // below their number
      next = (next + 1) % dials.length;
      try {
        return await dial(dialing);
      } catch (thrown) {
        errors.push(asHbiError(thrown));
        if (dialing.signal.aborted) break;
      }
    }
    throw together(errors);
  };
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
