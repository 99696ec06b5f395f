/**
 * DefinitionCheck: whether the definition of a link is that of its service, as the service's hello says, and if it is
 * not, what differs. docs/handlers.md, "A definition that differs".
 */
import { FAILURES, HbiError, oneLine } from "../../errors.ts";
import { briefDescription } from "../../registry/description/brief-description.ts";
import { compareServices } from "../../registry/description/compare.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import type { Change } from "../../registry/description/differences.ts";
import type { Service } from "../../registry/service.ts";
import type { Introduction } from "../conversation/introduction.ts";
import type { Connection } from "../session/connection.ts";
import { ignore } from "../waits.ts";
import { describedInTurns, ownDescription, ownHash } from "./own-description.ts";

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

const HASH_CHARS = 8;
const MOST_HASHES = 8;

function hashOf(service: Service): string | undefined {
  return ownHash(service)?.slice(0, HASH_CHARS);
}

/** What a server says of a definition and those that it combines. */
export function hashesOf(service: Service): readonly string[] | undefined {
  if (service.parts.length >= MOST_HASHES) return undefined;
  const hashes = [service, ...service.parts].map(hashOf).filter((hash) => hash !== undefined);
  return hashes.length > service.parts.length ? hashes : undefined;
}

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

  /** The service has introduced itself. Until credentials were accepted it describes nothing. */
  readonly introduced = ({ hashes }: Introduction, connection: Connection): void => {
    if (hashes !== undefined) this.#hashes.set(connection, hashes);
    if (!this.isStrict && this.#service.credentials === undefined) this.checkLater(connection);
  };

  /** A difference is only told; the connection is used meanwhile. */
  checkLater(connection: Connection): void {
    if (this.#handling !== "ignore") this.check(connection).catch(ignore); // the service has gone, or describes nothing
  }

  /** @throws HbiError failed_precondition if the difference is an error */
  async check(connection: Connection): Promise<void> {
    const hashes = this.#hashes.get(connection);
    if (hashes === undefined || Object.keys(this.#service.methods).length === 0) return;
    await describedInTurns(this.#service, connection.clock);
    const hash = hashOf(this.#service);
    if (hash === undefined) return;
    if (hashes.includes(hash)) {
      this.mismatch = undefined;
      return;
    }
    const told = await this.#describe(connection);
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

/** A service usually describes only what may be called. A server of several definitions has another name and more
 *  reactions. */
function differenceOf(mine: ServiceDescription, told: ServiceDescription, isCombined: boolean): Mismatch {
  const isBrief = Object.keys(told.reactions).length === 0;
  const all = compareServices(isBrief ? briefDescription(mine) : mine, told);
  const changes = all.filter(({ path, kind }) => {
    const isOfOthers = path === "name" || (path.startsWith("reactions.") && kind === "added");
    return kind !== "text" && !(isCombined && isOfOthers);
  });
  const { name, version } = told;
  return { name, version, changes, isBreaking: changes.some((change) => change.isBreaking) };
}

const MOST_SHOWN = 3;

function errorOf({ name, version, changes }: Mismatch): HbiError {
  const breaking = changes.filter(({ isBreaking }) => isBreaking);
  const shown = breaking.slice(0, MOST_SHOWN).map(({ path, kind, why }) => `${path} ${kind} (${why})`);
  const more = breaking.length > MOST_SHOWN ? `; and ${breaking.length - MOST_SHOWN} more` : "";
  const { code, text } = FAILURES.other_definition;
  const message = oneLine(`${text}: ${name} ${version}: ${shown.join("; ")}${more}`);
  return new HbiError(
    code,
    message,
    { changes: breaking.map((change) => ({ ...change })) },
    {
      reason: "other_definition",
    },
  );
}
