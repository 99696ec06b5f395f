/**
 * ItemReader: the items of a stream of values as they arrive, and its result. What a peer sends is read by the restricted
 * reader, under the limits of a packet, and validated. docs/streams-of-values.md.
 */
import type { z } from "zod";
import { failure, HbiError, ofCall, ownError } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import { isReadable, parseValue } from "../../parser/landing-reader.ts";
import { RARE_TOKENS } from "../../parser/rare-tokens.ts";
import { recognised } from "../../registry/error-value.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { landValue } from "../../registry/land-value.ts";
import type { Method, Streams } from "../../registry/method.ts";
import { limited } from "../../registry/method-limits.ts";
import { validate } from "../../registry/validate.ts";
import { Body } from "../conversation/body.ts";
import { ERROR, FrameReader, ITEM, type ItemFrame } from "../conversation/item-frames.ts";
import type { PoCo } from "../session/po-co.ts";

export interface ItemContext {
  readonly name: string;
  readonly streams: Streams;
  /** the called method of this name, whose declared errors are recognised */
  readonly methodOf: (name: string) => Method | undefined;
  readonly env: HostingEnv;
  readonly limits: Limits;
}

/** What is next: an item, or the result, behind which nothing is. */
export type ItemStep = { readonly item: unknown } | { readonly result: unknown };

export class ItemReader {
  readonly #body: Body;
  readonly #context: ItemContext;
  readonly #frames: FrameReader;
  #chunks: AsyncGenerator<Uint8Array, void, void> | undefined;
  #index = 0;

  constructor(body: Body, context: ItemContext) {
    this.#body = body;
    this.#context = context;
    this.#frames = new FrameReader(context.limits.maxPacketBytes);
  }

  /** One at a time. @throws HbiError of the peer, or of what it has sent; then it has stopped */
  async next(): Promise<ItemStep> {
    try {
      const frame = await this.#frame();
      if (frame === undefined) throw failure("bad_answer", "the stream ends without its result");
      if (frame.kind === ITEM) return { item: await this.#valueOf(frame, this.#context.streams.yields) };
      const last = await this.#last(frame);
      if ((await this.#frame()) !== undefined) throw failure("bad_answer", "something follows the result");
      if (last instanceof HbiError) throw last;
      return { result: last };
    } catch (thrown) {
      this.stop();
      const own = ownError(thrown);
      throw own === undefined ? thrown : ofCall(own, this.#context.name);
    }
  }

  /** Nothing more is wanted: the handler is told. */
  stop(): void {
    this.#body.discard();
  }

  async #frame(): Promise<ItemFrame | undefined> {
    this.#chunks ??= this.#body[Symbol.asyncIterator]();
    for (;;) {
      const frame = this.#frames.next();
      if (frame !== undefined) return frame;
      const { done, value } = await this.#chunks.next();
      if (done !== true) this.#frames.push(value);
      else if (this.#frames.isEmpty) return undefined;
      else throw failure("bad_answer", "the stream ends inside an item");
    }
  }

  async #valueOf({ text }: ItemFrame, schema: z.core.$ZodType): Promise<unknown> {
    const at = `item ${this.#index}`;
    this.#index += 1;
    const value = await this.#landed(text, at);
    return validate(schema, value, "bad_answer", `${this.#context.name}: ${at}`);
  }

  async #last({ kind, text }: ItemFrame): Promise<unknown> {
    const value = await this.#landed(text, "the last frame");
    const { streams, name, methodOf } = this.#context;
    if (kind === ERROR) {
      if (value instanceof HbiError) return recognised(value, methodOf);
      throw failure("bad_answer", "the error of the stream is none");
    }
    if (value instanceof HbiError) throw failure("bad_answer", "the result of the stream is an error");
    return streams.result === undefined ? undefined : validate(streams.result, value, "bad_answer", name);
  }

  async #landed(text: string, at: string): Promise<unknown> {
    const { env, limits } = this.#context;
    if (!isReadable(text, limits)) await RARE_TOKENS.load();
    try {
      return landValue(parseValue(text, limits), env);
    } catch (thrown) {
      const own = ownError(thrown);
      throw failure("bad_answer", own === undefined ? at : `${at}: ${own.message}`, { cause: thrown });
    }
  }
}

/** The items of a conversation whose head was received. */
export function itemsOf(co: PoCo, name: string, method: Method, streams: Streams): ItemReader {
  return itemsIn(new Body(co, TO_THE_END, name), co, name, method, streams);
}

/** The same, of its raw data. */
export function itemsIn(body: Body, { env, limits }: PoCo, name: string, method: Method, streams: Streams): ItemReader {
  return new ItemReader(body, {
    ...{ name, env, streams, limits: limited(limits, method.spec.limits?.result) },
    methodOf: (called) => (called === name ? method : undefined),
  });
}
