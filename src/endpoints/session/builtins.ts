/**
 * The library's own methods for peers that support the extension: ping, cancel, goaway, describe. docs/protocol.md,
 * section 7.
 */
import { z } from "zod";
import { failure } from "../../errors.ts";
import type { Builtins, ExposedMethod, HostingEnv } from "../../registry/hosting-env.ts";
import { type Method, method } from "../../registry/method.ts";
import { CANCEL, DESCRIBE, GO_AWAY, PING } from "./builtin-names.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { HostingEnd } from "./hosting-end.ts";

/** Runs only for conversations whose token declares the extension; for others the name does not exist. */
type Run = (params: never, ho: HostingEnd) => unknown;

function builtin(name: string, declared: Method, run: Run): [string, ExposedMethod] {
  const handler = (params: never, co: { readonly isExtended?: boolean }, env: HostingEnv): unknown => {
    if (co.isExtended !== true) throw failure("unknown_name", name);
    return run(params, env.ho as HostingEnd); // of this folder
  };
  return [name, { kind: "method", name, method: declared, handler: handler as never }];
}

const ping = method({ params: {}, result: z.null() });
const cancel = method({ params: { id: z.string().max(16) } });
const goAway = method({ params: { reason: z.string().max(512).optional() } });
const describe = method({ params: {}, result: z.string() });

const COMMON: readonly [string, ExposedMethod][] = [
  builtin(PING, ping, () => null),
  builtin(CANCEL, cancel, ({ id }: { id: string }, ho) => ho.cancel(id)),
  builtin(GO_AWAY, goAway, ({ reason }: { reason?: string }, ho) => ho.peerGoesAway(reason)),
];
const SHARED: Builtins = new Map(COMMON);

/** One table for all connections of a service. */
const DESCRIBED = new WeakMap<() => string, Builtins>();

export function builtinsOf({ describe: text }: ConnectionOptions): Builtins {
  if (text === undefined) return SHARED;
  let builtins = DESCRIBED.get(text);
  if (builtins === undefined) {
    builtins = new Map([...COMMON, builtin(DESCRIBE, describe, text)]);
    DESCRIBED.set(text, builtins);
  }
  return builtins;
}
