/**
 * checkService: sends valid and nearly valid calls to the handlers of a service, over a link in memory, and reports
 * what a consumer should never see. docs/testing.md.
 */
import fc from "fast-check";
import { systemClock } from "../clock.ts";
import { type ItemReader, itemsOf } from "../endpoints/service/item-reader.ts";
import type { Peer } from "../endpoints/service/peer.ts";
import type { ServiceCall } from "../endpoints/service/service-call.ts";
import type { HandlersOf } from "../endpoints/service/service-host.ts";
import { failure, HbiError } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { aPositiveInteger, aTime, checkOptions, mustBe, type OptionsOf } from "../options.ts";
import { type InstanceWriter, repr } from "../parser/repr.ts";
import { entryTable } from "../registry/hosting-env.ts";
import type { Method } from "../registry/method.ts";
import type { Service } from "../registry/service.ts";
import { type CallOptions, callsOfMethod, GENERATE_OPTIONS, manualMethods, SHORT_BODY } from "./call-arbitrary.ts";
import { whyNothing } from "./schema-arbitrary.ts";
import { TEST_LINK_OPTIONS, type TestLink, type TestLinkOptions, testLink } from "./test-link.ts";

export type FindingKind =
  /** the handler threw something other than an HbiError, so the caller sees only a reference number */
  | "unexpected_error"
  /** the handler returned a result that its definition refuses */
  | "bad_result"
  /** the handler returned without reading its body or calling `call.body.discard()` */
  | "unread_body"
  /** the service accepted a call that the definition refuses */
  | "accepted"
  /** a refused call or a handler ended the connection; a body that is too short may do so */
  | "connection_lost"
  /** no answer came in time */
  | "no_answer"
  /** no valid call reached the handler: each was refused before, as `error` says, or there are none */
  | "unreachable";

export interface Finding {
  readonly kind: FindingKind;
  readonly method: string;
  /** the parameters of the smallest call that shows it */
  readonly params: Readonly<Record<string, unknown>>;
  readonly bodyLength: number | undefined;
  readonly error: unknown;
}

export interface CheckReport {
  /** the number of calls that were made */
  readonly calls: number;
  readonly findings: readonly Finding[];
  /** methods that were not called: those left out, and those of which only the handlers know what raw data they read */
  readonly unchecked: readonly string[];
}

export interface CheckOptions<S extends Service, Context> extends TestLinkOptions<S, Context>, CallOptions {
  /** the number of valid and of nearly valid calls for each method; 50 by default */
  readonly runs?: number | undefined;
  /** repeats a run */
  readonly seed?: number | undefined;
  /** the time for one call; 5,000 by default */
  readonly timeoutMs?: number | undefined;
  /** methods that are not called, for instance because they end the process */
  readonly leaveOut?: readonly (keyof S["methods"] & string)[] | undefined;
}

const CHECK_OPTIONS: OptionsOf<CheckOptions<Service, unknown>> = {
  ...TEST_LINK_OPTIONS,
  ...GENERATE_OPTIONS,
  runs: aPositiveInteger,
  seed: mustBe("an integer", Number.isSafeInteger),
  timeoutMs: aTime,
  leaveOut: mustBe("a list of names of methods", Array.isArray),
};

interface Shot {
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array | undefined;
  /** the mistake in the call; undefined if it is valid */
  readonly wrong?: string | undefined;
}

/** Calls every method with valid and nearly valid calls.
 *  @throws HbiError invalid_argument if a parameter needs an arbitrary of its own (`overrides`) */
export async function checkService<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  handlers: (peer: Peer<S, Context>) => H,
  options: CheckOptions<S, Context> = {},
): Promise<CheckReport> {
  checkOptions(options, "checkService", CHECK_OPTIONS);
  const { overrides, maxBodyBytes, leaveOut = [] } = options;
  const unknown = leaveOut.find((name) => !Object.hasOwn(service.methods, name));
  if (unknown !== undefined) throw failure("bad_option", `leaveOut: ${unknown} is not declared`);
  const generate: CallOptions = {
    ...(overrides === undefined ? {} : { overrides }),
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
  };
  const range = new Range(service, handlers as never, options as never); // of any service from here on
  const findings: Finding[] = [];
  const unchecked = [...new Set([...leaveOut, ...manualMethods(service)])];
  for (const [name, method] of Object.entries(service.methods)) {
    if (unchecked.includes(name)) continue;
    const nothing = whyNothing(method.signature.schema, generate, { where: name });
    if (nothing !== undefined) {
      const error = failure("bad_argument", nothing);
      findings.push({ kind: "unreachable", method: name, params: {}, bodyLength: undefined, error });
      continue;
    }
    const { valid, wrong } = callsOfMethod(name, method, generate);
    for (const calls of [valid, wrong]) {
      if (calls === undefined) continue;
      const finding = await range.firstOf(calls as fc.Arbitrary<Shot>);
      if (finding !== undefined) findings.push(finding);
    }
  }
  await range.close();
  return { calls: range.calls, findings, unchecked };
}

const MAX_DEPTH = PRESETS.public.maxDepth - 1; // an argument of a call

/** One link for all calls, reopened after a call has ended it. */
class Range {
  readonly #service: Service;
  readonly #handlers: (peer: Peer) => HandlersOf<Service, unknown>;
  readonly #options: CheckOptions<Service, unknown>;
  readonly #writer: InstanceWriter | undefined;
  #test: TestLink<Service, unknown> | undefined;
  /** what the interceptor observed during the current call */
  #seen: Pick<Finding, "kind" | "error"> | undefined;
  #isLanded = false;
  /** of the valid calls of the current method: the last one that did not reach the handler, if none did */
  #unreached: Finding | undefined;
  calls = 0;

  constructor(
    service: Service,
    handlers: (peer: Peer) => HandlersOf<Service, unknown>,
    options: CheckOptions<Service, unknown>,
  ) {
    this.#service = service;
    this.#handlers = handlers;
    this.#options = options;
    this.#writer = entryTable({}, service.values, () => ignore).writer;
  }

  /** The finding of the smallest failing call; undefined if no call fails. */
  async firstOf(calls: fc.Arbitrary<Shot>): Promise<Finding | undefined> {
    const { runs = 50, seed } = this.#options;
    let finding: Finding | undefined;
    let hasReached = false;
    this.#unreached = undefined;
    const property = fc.asyncProperty(calls, async (shot) => {
      const found = await this.#fire(shot);
      hasReached ||= this.#isLanded || shot.wrong !== undefined;
      if (found === undefined) return true;
      finding = found; // the last failing call is the smallest
      return false;
    });
    await fc.check(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
    return finding ?? (hasReached ? undefined : this.#unreached);
  }

  async close(): Promise<void> {
    await this.#test?.link.disconnect();
  }

  async #fire(shot: Shot): Promise<Finding | undefined> {
    const { link } = await this.#open();
    this.calls += 1;
    this.#seen = undefined;
    this.#isLanded = false;
    const error = await this.#send(link.po, shot).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const kind = this.#judge(shot, error);
    const at = { method: shot.name, params: shot.params, bodyLength: shot.body?.length };
    if (kind !== undefined) return { kind, ...at, error: this.#thrown() ?? error };
    if (!this.#isLanded) this.#unreached = { kind: "unreachable", ...at, error };
    return undefined;
  }

  #thrown(): unknown {
    return this.#seen?.error;
  }

  #judge({ wrong }: Shot, error: unknown): FindingKind | undefined {
    if (this.#seen !== undefined) return this.#seen.kind;
    if (error instanceof HbiError && error.code === "deadline_exceeded") return "no_answer";
    if (this.#test?.link.state !== "open" && wrong !== SHORT_BODY) return "connection_lost";
    if (wrong !== undefined && this.#isLanded) return "accepted";
    return error instanceof HbiError && error.reason === "bad_result" ? "bad_result" : undefined;
  }

  /** Sent without validation, so that only the service can refuse the call. */
  async #send(po: TestLink<Service, unknown>["link"]["po"], { name, params, body }: Shot): Promise<void> {
    const { timeoutMs = 5_000 } = this.#options;
    const args = Object.entries(params).filter(([, value]) => value !== undefined);
    const code = `${name}(${args.map(([key, value]) => `${key}=${repr(value, "json", MAX_DEPTH, this.#writer)}`).join(",")})`;
    const method = this.#service.methods[name] as Method; // one of this service's names
    const { needsLane } = method;
    const isOpenEnded = method.spec.body === "unknown";
    const promise =
      body === undefined ? { hasNoRawData: true } : isOpenEnded ? { isOpenEnded } : { rawBytes: body.length };
    const answerBytes = (object: unknown) => method.resultBytes(object);
    const co = po.open({ ...promise, dropsObjects: method.streams === undefined, answerBytes, needsLane, timeoutMs });
    await co.sendCode(code);
    if (body !== undefined) await co.sendData(body);
    if (method.streams === undefined) await co.waitCompleted();
    else await this.#drain(co, itemsOf(co, name, method, method.streams));
  }

  /** Reads and validates what a stream gives within a short time: it need not end. */
  async #drain(co: ReturnType<TestLink<Service, unknown>["link"]["po"]["open"]>, items: ItemReader): Promise<void> {
    await co.recvObj();
    let isLate = false;
    const timer = systemClock.after(STREAM_MS, () => {
      isLate = true;
      items.stop();
    });
    try {
      for (let i = 0; i < MAX_ITEMS; i++) if ("result" in (await items.next())) return;
    } catch (thrown) {
      if (!isLate) throw thrown;
    } finally {
      timer.cancel();
      items.stop();
      co.close().catch(ignore);
    }
  }

  async #open(): Promise<TestLink<Service, unknown>> {
    if (this.#test?.link.state === "open") return this.#test;
    const { host = {}, reactions, link, memory } = this.#options;
    const interceptors = [this.#watch, ...(host.interceptors ?? [])];
    const limits = { maxFailures: MANY, ...host.limits }; // refusing is part of the test
    const quiet = { log: () => undefined, ...host, limits, interceptors };
    this.#test = await testLink<Service, HandlersOf<Service, unknown>, unknown>(this.#service, this.#handlers, {
      ...(reactions === undefined ? {} : { reactions }),
      ...(link === undefined ? {} : { link }),
      ...(memory === undefined ? {} : { memory }),
      host: quiet,
    });
    return this.#test;
  }

  /** The outermost interceptor: observes the handler before the library turns its result into an answer. */
  readonly #watch = async (call: ServiceCall, next: () => unknown): Promise<unknown> => {
    this.#isLanded = true;
    try {
      const result = await next();
      if (!call.isBodyHandled) this.#seen = { kind: "unread_body", error: undefined };
      return result;
    } catch (thrown) {
      if (!(thrown instanceof HbiError)) this.#seen = { kind: "unexpected_error", error: thrown };
      throw thrown;
    }
  };
}

function ignore(): void {}

/** How long, and how many items of a stream are read. */
const STREAM_MS = 100;
const MAX_ITEMS = 1_000;
const MANY = 1_000_000_000;
