/**
 * HostingEnv: the closed set of names that one peer may use. Methods, value constructors and slots are kept in a Map; a
 * peer's text never indexes an object of the application.
 */
import type { z } from "zod";
import { failure, type HbiError, refusal } from "../errors.ts";
import type { InstanceWriter, WrittenInstance } from "../parser/repr.ts";
import { type Call, ODD_OBJECT } from "../parser/tree.ts";
import { requireSchema } from "./accepted-schema.ts";
import { isMarked } from "./copies.ts";
import { errorValue } from "./error-value.ts";
import { checkHandlers } from "./handlers.ts";
import type { Given, Method, Params, ParamsOf, ValueConstructor } from "./method.ts";
import { hasCallLimits, mostPacketBytes } from "./method-limits.ts";
import { checkName, checkPlainName } from "./names.ts";
import { prepare } from "./prepared-schema.ts";

export type Awaitable<T> = T | PromiseLike<T>;

/** The ends of a connection. Their types belong to a later folder. */
export interface Ends {
  readonly po: unknown;
  readonly ho: unknown;
  /** the conversation whose script is being landed */
  readonly co: unknown;
}

/** What a handler must return: the input of the declared result. Without a declared result, the return value is
 *  ignored. */
export type ResultOf<R extends z.core.$ZodType | undefined> = R extends z.core.$ZodType ? z.input<R> : unknown;

export type Handler<P extends Given, R extends z.core.$ZodType | undefined, Co> = (
  params: ParamsOf<P>,
  co: Co,
) => Awaitable<ResultOf<R>>;

export type Handlers<M extends Readonly<Record<string, Method>>, Co> = {
  readonly [K in keyof M]: M[K] extends Method<infer P, infer R> ? Handler<P, R, Co> : never;
};

export interface ExposedMethod {
  readonly kind: "method";
  readonly name: string;
  readonly method: Method;
  readonly handler: (params: never, co: never, env: never) => unknown;
  /** the handler's timeout; undefined: `handlerTimeoutMs` of the limits */
  readonly timeoutMs?: number | undefined;
}
export interface ExposedValue {
  readonly kind: "value";
  readonly name: string;
  readonly maker: ValueConstructor;
}
export interface Slot {
  readonly kind: "slot";
  readonly name: string;
  readonly schema: z.core.$ZodType;
  value: unknown;
}
export type Entry = ExposedMethod | ExposedValue | Slot;

/** The names that all connections of a service share: created once. */
export interface EntryTable {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly writer: InstanceWriter | undefined;
  /** the largest packet that a method of the definition permits, of a call or of a result; 0 if none sets that */
  readonly mostPacketBytes: number;
  /** whether one of the methods has limits of its own for its calls */
  readonly hasLimits: boolean;
}

/** The library's own methods for peers that support the extension; their names begin with `$hbi.`. */
export type Builtins = ReadonlyMap<string, ExposedMethod>;

const NOTHING: EntryTable = { entries: new Map(), writer: undefined, mostPacketBytes: 0, hasLimits: false };
const HBI_ERROR: Entry = { kind: "value", name: "HbiError", maker: errorValue as never }; // the table holds values of every type

/** Refused like a value constructor with an invalid argument, wherever it occurs: nothing runs, and the raw data behind
 *  it stays known. */
const REFUSED_OBJECT: Entry = {
  kind: "value",
  name: ODD_OBJECT,
  maker: {
    spec: {},
    signature: { bind: refuseObject },
    make: (_name: string, call: Call) => refuseObject(call),
  } as never, // no other member is used
};

function refuseObject({ args }: Call): never {
  throw refusal("bad_key", String(args[0]));
}

type InitHook = (po: never, ho: never) => unknown;
type CleanupHook = (po: never, ho: never, reason: HbiError | undefined) => unknown;

/** The hosting environment of one connection. Create one per connection: its slots, `po` and `ho` belong to one
 *  peer. */
export class HostingEnv<E extends Ends = Ends> {
  readonly #shared: EntryTable;
  #own: Map<string, Entry> | undefined;
  #init: InitHook[] | undefined;
  #cleanup: CleanupHook[] | undefined;
  #writer: InstanceWriter | undefined;
  #builtins: Builtins | undefined;
  #isPreAuth = false;
  /** see EntryTable */
  mostPacketBytes: number;
  hasLimits: boolean;
  #po: unknown;
  #ho: unknown;
  #isAttached = false;
  /** leads the handlers of a shared table to their connection */
  readonly bound: unknown;

  constructor(shared: EntryTable = NOTHING, bound?: unknown) {
    if (!(shared?.entries instanceof Map)) throw failure("bad_option", "HostingEnv takes no options: use its methods");
    this.#shared = shared;
    this.#writer = shared.writer;
    this.mostPacketBytes = shared.mostPacketBytes;
    this.hasLimits = shared.hasLimits;
    this.bound = bound;
  }

  /** The posting end of the connection. After the end of the connection, posting there fails.
   *  @throws HbiError failed_precondition before the environment is connected */
  get po(): E["po"] {
    if (this.#po === undefined) throw failure("wrong_stage", "the hosting environment is not connected");
    return this.#po;
  }

  /** The hosting end of the connection, also after its end. @throws HbiError failed_precondition before the environment
   *  is connected */
  get ho(): E["ho"] {
    if (this.#ho === undefined) throw failure("wrong_stage", "the hosting environment is not connected");
    return this.#ho;
  }

  /** Lets the peer call `name`. The handler receives the validated parameters and the conversation that is being
   *  landed. */
  expose<P extends Given, R extends z.core.$ZodType | undefined>(
    name: string,
    method: Method<P, R>,
    handler: Handler<P, R, E["co"]>,
  ): this {
    checkName(name, "method");
    if (!isMarked(method, "method", name)) throw failure("bad_option", `${name} is not a method()`);
    if (typeof handler !== "function") throw failure("bad_option", `${name} has no handler`);
    // The signature above has checked the types against each other; the table holds methods of every type.
    const entry = { kind: "method", name, method: method as unknown as Method, handler } as unknown as ExposedMethod;
    this.#add(entry);
    this.mostPacketBytes = Math.max(this.mostPacketBytes, mostPacketBytes([entry.method], "call"));
    this.hasLimits ||= hasCallLimits([entry.method]);
    return this;
  }

  /** Exposes each method with the handler of the same name. Missing and extra handlers throw. */
  exposeAll<M extends Readonly<Record<string, Method>>>(methods: M, handlers: Handlers<M, E["co"]>): this {
    checkHandlers(methods, handlers);
    for (const [name, method] of Object.entries(methods)) {
      const handler = handlers[name as keyof M] as Handler<Given, z.core.$ZodType | undefined, E["co"]>; // typed by Handlers
      this.expose(name, method, handler.bind(handlers));
    }
    return this;
  }

  /** Lets the peer assign `name = value`, validated by the schema. Read the value with `get`. */
  slot<S extends z.core.$ZodType>(name: string, schema: S, initial?: z.output<S>): this {
    checkPlainName(name, "slot");
    requireSchema(schema, `slot ${name} has no zod schema`);
    prepare(schema, `slot ${name}`);
    this.#add({ kind: "slot", name, schema, value: initial });
    return this;
  }

  /** Lets the peer write `name(...)` where a value is expected. */
  construct<P extends Params, T>(name: string, maker: ValueConstructor<P, T>): this {
    checkName(name, "value");
    if (!isMarked(maker, "value", name)) throw failure("bad_option", `${name} is not a value()`);
    const own = this.#add({ kind: "value", name, maker: maker as unknown as ValueConstructor }); // the table holds values of every type
    const shared = this.#shared.writer;
    if (maker.spec.is !== undefined) {
      this.#writer = (instance) => writtenBy(own.values(), instance) ?? shared?.(instance);
    }
    return this;
  }

  /** The value that the peer assigned to a slot, or its initial value; undefined before that. */
  get(name: string): unknown {
    const entry = this.#own?.get(name);
    if (entry?.kind !== "slot") throw failure("bad_option", `${name} is not a slot`);
    return entry.value;
  }

  /** Runs on connect, before anything of the peer is landed (HBI's `__hbi_init__`, docs/protocol.md, section 6). Send
   *  notifications here; do not wait for answers. */
  onInit(hook: (po: E["po"], ho: E["ho"]) => unknown): this {
    this.#init ??= [];
    this.#init.push(hook);
    return this;
  }

  /** Runs once after the connection has ended; `reason` is undefined after an orderly close. */
  onCleanup(hook: (po: E["po"], ho: E["ho"], reason: HbiError | undefined) => unknown): this {
    this.#cleanup ??= [];
    this.#cleanup.push(hook);
    return this;
  }

  lookup(name: string): Entry | undefined {
    const entry = this.#shared.entries.get(name) ?? this.#own?.get(name) ?? this.#builtin(name);
    if (entry !== undefined) return entry;
    return name === HBI_ERROR.name ? HBI_ERROR : name === ODD_OBJECT ? REFUSED_OBJECT : undefined;
  }

  /** A peer that has not authenticated cannot learn which names exist or that handlers exist at all. */
  #builtin(name: string): Entry | undefined {
    return this.#isPreAuth ? undefined : this.#builtins?.get(name);
  }

  /** Whether this is the environment of a peer that has not authenticated. Every other name is refused as
   *  `unauthenticated`, whether it exists or not, and may have had raw data behind it. */
  get isPreAuth(): boolean {
    return this.#isPreAuth;
  }

  /** Makes this the environment of a peer that has not authenticated. */
  asPreAuth(): this {
    this.#isPreAuth = true;
    return this;
  }

  /** Writes instances as constructor calls of the exposed values that recognise them; undefined if there are none. */
  get writer(): InstanceWriter | undefined {
    return this.#writer;
  }

  /** Called by the connection only. @throws HbiError failed_precondition if another connection uses this environment */
  attach(po: E["po"], ho: E["ho"], builtins?: Builtins): void {
    if (this.#isAttached) throw failure("wrong_stage", "the hosting environment serves another connection");
    this.#isAttached = true;
    this.#po = po;
    this.#ho = ho;
    this.#builtins = builtins;
  }

  /** Called by the connection only. */
  detach(): void {
    this.#isAttached = false;
    this.#builtins = undefined;
  }

  async runInit(): Promise<void> {
    for (const hook of this.#init ?? []) await hook(this.po as never, this.ho as never); // as typed by onInit
  }

  get hasInit(): boolean {
    return this.#init !== undefined;
  }

  async runCleanup(reason: HbiError | undefined): Promise<void> {
    for (const hook of this.#cleanup ?? []) await hook(this.#po as never, this.#ho as never, reason); // as typed by onCleanup
  }

  /** Returns the environment's own entries. */
  #add(entry: Entry): ReadonlyMap<string, Entry> {
    this.#own ??= new Map();
    if (this.#own.has(entry.name) || this.#shared.entries.has(entry.name))
      throw failure("bad_option", `${entry.name} is exposed already`);
    return this.#own.set(entry.name, entry);
  }
}

/** The constructor call of an instance that one of the values recognises. Its members have the names of the
 *  parameters. @throws HbiError invalid_argument if the parameters refuse them */
function writtenBy(entries: Iterable<Entry>, instance: object): WrittenInstance | undefined {
  for (const entry of entries) {
    if (entry.kind !== "value" || entry.maker.spec.is?.(instance) !== true) continue;
    const members = instance as Readonly<Record<string, unknown>>; // recognised by the value's own `is`
    const { signature } = entry.maker;
    const given: Record<string, unknown> = {};
    for (const name of signature.names) {
      const member = members[name];
      if (member !== undefined) given[name] = member;
    }
    const { sent } = signature.send(entry.name, given);
    return [entry.name, signature.names.map((name) => sent[name]), signature.names];
  }
  return undefined;
}

/** Timeouts of handlers by method name. */
export type HandlerTimes = Readonly<Record<string, number | undefined>>;

/** The table of a definition, shared by all connections. `handlerOf` returns the function that runs a method.
 *  @param called the methods that this side calls, whose results it receives */
export function entryTable(
  methods: Readonly<Record<string, Method>>,
  values: Readonly<Record<string, ValueConstructor>>,
  handlerOf: (name: string, method: Method) => ExposedMethod["handler"],
  times: HandlerTimes = {},
  called: Readonly<Record<string, Method>> = {},
): EntryTable {
  const entries = new Map<string, Entry>();
  for (const [name, method] of Object.entries(methods)) {
    const ownMs = method.streams === undefined ? undefined : Number.POSITIVE_INFINITY; // a stream may last
    const timeoutMs = (Object.hasOwn(times, name) ? times[name] : undefined) ?? ownMs;
    entries.set(name, { kind: "method", name, method, handler: handlerOf(name, method), timeoutMs });
  }
  const makers = Object.entries(values).map(([name, maker]): ExposedValue => ({ kind: "value", name, maker }));
  for (const maker of makers) entries.set(maker.name, maker);
  const isWriting = makers.some(({ maker }) => maker.spec.is !== undefined);
  const own = Object.values(methods);
  return {
    entries,
    writer: isWriting ? (instance) => writtenBy(makers, instance) : undefined,
    mostPacketBytes: Math.max(mostPacketBytes(own, "call"), mostPacketBytes(Object.values(called), "result")),
    hasLimits: hasCallLimits(own),
  };
}
