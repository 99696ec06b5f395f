/**
 * DefinitionCheck: whether the definition of a link is that of its service, as the service's hello says, and if it is
 * not, what differs. What describes and compares them is loaded on demand, so that a bundler keeps it apart.
 * docs/handlers.md, "A definition that differs".
 */

import { ownError } from "../../errors.ts";
import { loaded } from "../../on-demand.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import type { Change } from "../../registry/description/differences.ts";
import type { Service } from "../../registry/service.ts";
import type { Introduction } from "../conversation/introduction.ts";
import type { Connection } from "../session/connection.ts";

/** How the definition of the service differs from that of the link. */
export interface Mismatch {
  /** the name and the version of the service's definition */
  readonly name: string;
  readonly version: string;
  /** from this definition to that of the service; empty if it does not describe what differs */
  readonly changes: readonly Change[];
  /** whether calls may fail because of it */
  readonly isBreaking: boolean;
}

/** `warn`: a difference that may make calls fail goes to the log; `error`: it refuses the connection. */
export type MismatchHandling = "warn" | "error" | "ignore" | ((mismatch: Mismatch) => unknown);

const COMPARES = "what compares definitions";

export class DefinitionCheck {
  /** the last difference; undefined if there is none, or none is known */
  mismatch: Mismatch | undefined;
  readonly #service: Service;
  readonly #handling: MismatchHandling;
  readonly #describe: (connection: Connection) => Promise<ServiceDescription>;
  readonly #hashes = new WeakMap<Connection, readonly string[]>();
  /** what was told already: a link that reconnects does not repeat it */
  #told: string | undefined;

  /** @param describe asks the service for its description */
  constructor(
    service: Service,
    handling: MismatchHandling = "warn",
    describe: (connection: Connection) => Promise<ServiceDescription>,
  ) {
    this.#service = service;
    this.#handling = handling;
    this.#describe = describe;
  }

  /** Whether a connection is refused for it, so that its check must be awaited. */
  get isStrict(): boolean {
    return this.#handling === "error";
  }

  /** The service has introduced itself. Until credentials were accepted it describes nothing. What it says first of its
   *  definition counts: a service that says another one in each of its calls would be asked for as many descriptions. */
  readonly introduced = ({ hashes }: Introduction, connection: Connection): void => {
    if (hashes === undefined || this.#hashes.has(connection)) return;
    this.#hashes.set(connection, hashes);
    if (!this.isStrict && this.#service.credentials === undefined) this.checkLater(connection);
  };

  /** A difference is only told; the connection is used meanwhile. */
  checkLater(connection: Connection): void {
    if (this.#handling === "ignore") return;
    this.check(connection).catch((thrown) => {
      const own = ownError(thrown); // otherwise the service has gone, or describes nothing
      if (own?.reason === "not_loaded") connection.report(own, "definition");
    });
  }

  /** @throws HbiError failed_precondition if the difference is an error */
  async check(connection: Connection): Promise<void> {
    const hashes = this.#hashes.get(connection);
    if (hashes === undefined || Object.keys(this.#service.methods).length === 0) return;
    const { describedInTurns, ownDescription, ownHash } = await loaded(import("./own-description.ts"), COMPARES);
    await describedInTurns(this.#service, connection.clock);
    const hash = ownHash(this.#service);
    if (hash === undefined) return;
    if (hashes.includes(hash)) {
      this.mismatch = undefined;
      return;
    }
    const told = await this.#describe(connection);
    const { differenceOf, errorOf } = await loaded(import("./definition-difference.ts"), COMPARES);
    const mismatch = differenceOf(ownDescription(this.#service), told, hashes.length > 1);
    this.mismatch = mismatch;
    if (this.isStrict && mismatch.isBreaking) throw errorOf(mismatch);
    if (this.#told === told.hash) return;
    this.#told = told.hash;
    const handling = this.#handling;
    if (typeof handling === "function") connection.hear(() => handling(mismatch), "onMismatch");
    else if (mismatch.isBreaking) connection.report(errorOf(mismatch), "definition");
  }
}
