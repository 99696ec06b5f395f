/**
 * What a bundle keeps in parts of their own, and loads when it is needed. Without a bundler, `eager.ts` provides the
 * parts that packets need from the beginning. docs/performance.md, "What a client loads".
 */
import { failure } from "./errors.ts";

const INSTEAD = "where import() is not allowed, as in a service worker, bundle everything into one file";

/** @param code a promise of `import()`
 *  @param what it is, for the message
 *  @throws HbiError not_loaded, with the cause; another attempt may succeed */
export async function loaded<T>(code: Promise<T>, what: string): Promise<T> {
  try {
    return await code;
  } catch (cause) {
    throw failure("not_loaded", `${what}; ${INSTEAD}`, { cause });
  }
}

/** A part that is used at once wherever it is needed, after whoever needs it has waited for it. */
export class OnDemand<T> {
  static #missing = 0;
  /** for messages */
  readonly what: string;
  readonly #load: () => Promise<T>;
  #part: T | undefined;

  constructor(what: string, load: () => Promise<T>) {
    this.what = what;
    this.#load = load;
    OnDemand.#missing += 1;
  }

  /** Whether nothing is missing, so that nobody need ask. */
  static get isComplete(): boolean {
    return OnDemand.#missing === 0;
  }

  /** Undefined until it is loaded. */
  get part(): T | undefined {
    return this.#part;
  }

  provide(part: T): void {
    if (this.#part === undefined) OnDemand.#missing -= 1;
    this.#part = part;
  }

  /** Resolves when it is there. @throws HbiError not_loaded, with the cause; another attempt may succeed */
  async load(): Promise<T> {
    const part = this.#part ?? (await loaded(this.#load(), this.what));
    this.provide(part);
    return part;
  }
}
