/**
 * Caller: makes the calls of one end in every way there is, gives them up as planned, and tells the ledger how they end.
 */
import { type Clock, HbiError, type Link, type OpenBody } from "hbi";
import { z } from "zod";
import type { CallRecord, Ledger } from "./ledger.ts";
import { type CallPlan, plainCall } from "./plan.ts";
import { givenBy, PlannedError, sleep, sourceOf } from "./source.ts";
import { bytesOf, checkBytes, isOpenEnded, receivesBody, resultOf, type Trial } from "./trial.ts";

/** A link, or what the service sees of it. */
export type CallingEnd = Pick<Link<Trial>, "call" | "post" | "script" | "po">;

/** Where it calls from. */
export interface CallingPlace {
  /** undefined: there is none yet */
  end(): CallingEnd | undefined;
  isConnected(): boolean;
  /** how long its connection has been quiet, and nobody at work there */
  quietMs(): number;
}

type Options = { readonly signal: AbortSignal; readonly timeoutMs?: number };

export class Caller {
  readonly #name: string;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #callTimeoutMs: number;
  readonly #place: CallingPlace;

  constructor(name: string, ledger: Ledger, clock: Clock, callTimeoutMs: number, place: CallingPlace) {
    this.#name = name;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#callTimeoutMs = callTimeoutMs;
    this.#place = place;
  }

  /** Resolves, and never rejects, when the call is over. */
  make(plan: CallPlan): Promise<void> {
    const end = this.#place.end();
    if (end === undefined) return Promise.resolve();
    const record = this.#invoked(plan);
    const abort = new AbortController();
    const { timeoutMs, abortAfterMs } = plan;
    const options = { signal: abort.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const over = this.#heard(record, this.#start(end, record, options));
    if (abortAfterMs !== undefined) {
      const give = () => {
        if (record.settlements > 0) return;
        this.#ledger.aborted(record);
        abort.abort();
      };
      const timer = this.#clock.after(abortAfterMs, give);
      void over.then(() => timer.cancel());
    }
    return over;
  }

  /** A note that `send` puts into an answer; it gives its number. */
  back(send: (id: number) => Promise<void>): Promise<void> {
    const record = this.#invoked(plainCall({ way: "back", method: "note" }));
    return this.#heard(record, send(record.id));
  }

  #invoked(plan: CallPlan): CallRecord {
    return this.#ledger.invoked(this.#name, plan, plan.timeoutMs ?? this.#callTimeoutMs, this.#place.isConnected());
  }

  #heard(record: CallRecord, promise: Promise<unknown>): Promise<void> {
    return promise.then(
      (value) => this.#ledger.ok(record, value),
      (thrown) => {
        if (thrown instanceof PlannedError) this.#ledger.fail(record, new HbiError("aborted", thrown.message), 0);
        else if (!(thrown instanceof HbiError)) this.#ledger.violated("errors", `${record.id} threw ${String(thrown)}`);
        else this.#ledger.fail(record, thrown, this.#place.quietMs());
      },
    );
  }

  async #start(end: CallingEnd, record: CallRecord, options: Options): Promise<unknown> {
    const { id, plan } = record;
    switch (plan.way) {
      case "call":
        return this.#call(end, record, options);
      case "post": {
        const posted = await this.#post(end, id, plan, options);
        this.#ledger.answered(record);
        await posted.waitCompleted();
        return undefined;
      }
      case "script":
        return end.script((s) => partsOf(plan).map((part) => s.act({ call: id, part })), options);
      case "talk":
        return this.#talk(end, id, plan, options);
      case "back":
        return undefined;
    }
  }

  async #call({ call }: CallingEnd, record: CallRecord, options: Options): Promise<unknown> {
    const { id, plan } = record;
    const params = { call: id, size: plan.size };
    const given = { ...options, body: () => sourceOf(plan.source, bytesOf(id, plan.size), this.#clock) };
    switch (plan.method) {
      case "act":
        return call.act({ call: id, part: 0 }, options);
      case "again":
        return call.again({ call: id, part: 0 }, options);
      case "note":
        return call.note({ call: id, part: 0 }, options);
      case "take":
        return call.take(params, given);
      case "keep":
        return call.keep(params, given);
      case "give":
        return this.#readAnswer(record, await call.give(params, options));
      case "swap":
        return this.#readAnswer(record, await call.swap(params, given));
      case "pour":
        return call.pour(params, given);
      case "drip":
        return this.#readAnswer(record, await call.drip(params, options));
      case "churn":
        return this.#readAnswer(record, await call.churn(params, given));
    }
  }

  #post({ post }: CallingEnd, id: number, plan: CallPlan, options: Options) {
    const params = { call: id, size: plan.size };
    const given = { ...options, body: () => sourceOf(plan.source, bytesOf(id, plan.size), this.#clock) };
    switch (plan.method) {
      case "act":
        return post.act({ call: id, part: 0 }, options);
      case "again":
        return post.again({ call: id, part: 0 }, options);
      case "note":
        return post.note({ call: id, part: 0 }, options);
      case "take":
        return post.take(params, given);
      case "keep":
        return post.keep(params, given);
      case "give":
        return post.give(params, options);
      case "swap":
        return post.swap(params, given);
      case "pour":
        return post.pour(params, given);
      case "drip":
        return post.drip(params, options);
      case "churn":
        return post.churn(params, given);
    }
  }

  /** HBI's own way: packets of scripts, raw data, objects, in one conversation. */
  #talk({ po }: CallingEnd, id: number, plan: CallPlan, options: Options): Promise<unknown> {
    const { method, size, source } = plan;
    if (method === "take") {
      return po.converse(
        async (co) => {
          await co.sendCode(`take(${id}, ${size})`);
          await co.sendData(sourceOf(source, bytesOf(id, size), this.#clock));
          return co.recvObj(z.int());
        },
        { ...options, rawBytes: size, hasNoRawAnswer: true, dropsObjects: true },
      );
    }
    const parts = partsOf(plan);
    return po.converse(
      async (co) => {
        for (const part of parts) await co.sendCode(`${method}(${id}, ${part})`);
        const results: number[] = [];
        if (method === "act") for (const _ of parts) results.push(await co.recvObj(z.int()));
        await co.waitCompleted();
        return method === "act" ? results : undefined;
      },
      { ...options, hasNoRawData: true, hasNoRawAnswer: true, dropsObjects: true },
    );
  }

  /** The result, and how much of its raw data was read. */
  async #readAnswer(
    record: CallRecord,
    answer: { readonly result: object; readonly body: OpenBody },
  ): Promise<unknown> {
    const { id, plan } = record;
    const { result, body } = answer;
    this.#ledger.answered(record);
    return { result, read: await this.#read(id, plan, body) };
  }

  async #read(id: number, { reading, size }: CallPlan, body: OpenBody): Promise<number> {
    switch (reading) {
      case "late":
        await sleep(this.#clock, 250, undefined);
        return checkBytes(id, await body.bytes());
      case "bytes":
        return checkBytes(id, await body.bytes());
      case "half": {
        const half = new Uint8Array(size >> 1);
        await body.readInto(half);
        body.discard();
        return checkBytes(id, half);
      }
      case "chunks": {
        let read = 0;
        for await (const chunk of body) read += checkBytes(id, chunk);
        return read;
      }
      case "discard":
        body.discard();
        return 0;
      case "never":
        return 0;
    }
  }
}

/** What a call gives when nothing goes wrong. */
export function expectedOf({ id, plan }: CallRecord): unknown {
  const { way, method, reading, handler } = plan;
  const isOpen = isOpenEnded(method);
  const size = isOpen && !receivesBody(method) ? givenBy(plan.source, plan.size) : plan.size;
  if (way === "post" || way === "back" || method === "note" || method === "keep") return undefined;
  if (method === "take" || method === "pour") {
    return READS_ALL.has(handler.body) ? size : handler.body === "half" ? plan.size >> 1 : 0;
  }
  if (receivesBody(method)) {
    const all = isOpen ? givenBy(handler.source, size) : size;
    const read = reading === "half" ? size >> 1 : reading === "discard" || reading === "never" ? 0 : all;
    return { result: { call: id, size }, read };
  }
  const results = partsOf(plan).map((part) => resultOf(id, part));
  return way === "call" ? results[0] : results;
}

const READS_ALL: ReadonlySet<string> = new Set(["read", "chunks", "lazy"]);

function partsOf({ parts }: CallPlan): number[] {
  return Array.from({ length: parts }, (_, part) => part);
}
