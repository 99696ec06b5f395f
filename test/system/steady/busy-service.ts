/**
 * What the server offers whose event loop is busy now and then, and what it is told to be.
 */
import { defineService, type LimitOptions, method } from "hbi";
import { z } from "zod";

const data = { id: z.string().max(40), size: z.int().min(0).max(64_000_000) };
const body = ({ size }: { size: number }): number => size;
const n = z.int();

const methods = {
  twice: method({ params: { n }, result: n }),
  take: method({ params: { text: z.string().max(100_000) }, result: n }),
  /** Gives its checksum. */
  put: method({ params: data, body, result: z.string() }),
  get: method({ params: data, result: z.strictObject(data), resultBody: body }),
  /** Calls `asked` back, and gives what it gave. */
  ask: method({ params: { n }, result: n }),
};
const reactions = { asked: method({ params: { n }, result: n }) };

export const busy = defineService({ name: "busy", version: "1.0.0", methods, reactions });
/** The same for those who show a token. */
export const guarded = defineService({
  name: "busy",
  version: "1.0.0",
  methods,
  reactions,
  credentials: { token: z.string().max(100) },
});

export interface BusyOptions {
  readonly limits: LimitOptions;
  readonly isGuarded?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
}
