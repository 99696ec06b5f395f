/**
 * The side of the page: a client of the depot.
 */
import { connect, HbiError, type Link } from "hbi";
import { byteAt, depot } from "./depot.ts";

const told: number[] = [];
const reactions = {
  told: ({ n }: { n: number }) => void told.push(n),
  asked: ({ question }: { question: string }) => `${question} ${told.length}`,
};

let link: Link<typeof depot> | undefined;
const states: string[] = [];

const current = (): Link<typeof depot> => {
  if (link === undefined) throw new Error("no link is open");
  return link;
};

export interface Given {
  readonly reconnect?: { readonly initialDelayMs?: number; readonly maxDelayMs?: number };
  readonly limits?: { readonly maxBodyBytes?: number; readonly keepaliveTimeoutMs?: number };
}

/** One link, for the functions below. */
export async function open(url: string, given: Given = {}): Promise<string> {
  link = await connect(depot, url, reactions, { log: () => undefined, ...given });
  link.onState((state, reason) => void states.push(reason === undefined ? state : `${state}: ${reason.message}`));
  return link.state;
}

export const close = (): Promise<void> => current().close();
export const stateOf = (): string => current().state;
export const statesSoFar = (): string[] => states;
export const toldSoFar = (): number => told.length;
export const add = (a: number, b: number): Promise<number> => current().call.add({ a, b });
export const push = (count: number): Promise<string> => current().call.push({ count });

/** Why it fails: "code: message". */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "nothing has failed";
  } catch (thrown) {
    return thrown instanceof HbiError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
}

export const refusal = (url: string): Promise<string> => failureOf(connect(depot, url, reactions));
export const fail = (): Promise<string> => failureOf(current().call.fail());

const bytesOf = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, at) => byteAt(at));

/** What can be sent, and what is in a form or dropped on a page. */
const FORMS = {
  buffer: bytesOf,
  blob: (size: number) => new Blob([bytesOf(size)]),
  file: (size: number) => new File([bytesOf(size)], "a.bin"),
  "a file of a form": (size: number) => {
    const form = new FormData();
    form.set("file", new File([bytesOf(size)], "a.bin"));
    return form.get("file") as File; // set in the line before
  },
  stream: (size: number) => new Blob([bytesOf(size)]).stream(),
  "a stream that is transformed": (size: number) =>
    new Blob([bytesOf(size)])
      .stream()
      .pipeThrough(new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>()),
  "a slice of a blob": (size: number) => new Blob(["abc", bytesOf(size), "def"]).slice(3, size + 3),
};
export type Form = keyof typeof FORMS;

export const put = (form: Form, size: number): Promise<{ size: number; sum: number }> =>
  current().call.put({ size }, { body: FORMS[form](size) });

/** The file that somebody has chosen in the page. */
export async function putChosen(): Promise<{ size: number; sum: number }> {
  const input = document.querySelector("input");
  const [file] = input?.files ?? [];
  if (file === undefined) throw new Error("no file was chosen");
  return current().call.put({ size: file.size }, { body: file });
}

export function showInput(): void {
  document.body.append(Object.assign(document.createElement("input"), { type: "file" }));
}

let given = 0;
export const givenSoFar = (): number => given;

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024);
  for (let left = size; left > 0; left -= chunk.length) {
    const piece = chunk.subarray(0, Math.min(left, chunk.length));
    given += piece.length;
    yield piece;
  }
}

let upload: Promise<unknown> | undefined;
const abort = new AbortController();

/** An upload that goes on while other functions are called. */
export function beginUpload(size: number): void {
  upload = current().call.put({ size }, { body: zeros(size), signal: abort.signal, timeoutMs: 600_000 });
  upload.catch(() => undefined);
}

export const uploaded = (): Promise<unknown> | undefined => upload;

export async function cancelUpload(): Promise<string> {
  abort.abort();
  return failureOf(Promise.resolve(upload));
}

export interface Loaded {
  readonly size: number;
  readonly isAsSent: boolean;
  /** how often progress was reported, and the last report */
  readonly reports: number;
  readonly last: number | undefined;
}

export async function load(form: "bytes" | "blob" | "stream", size: number): Promise<Loaded> {
  const { body } = await current().call.load({ size });
  let reports = 0;
  let last: number | undefined;
  const onProgress = (bytes: number): void => {
    reports += 1;
    last = bytes;
  };
  const bytes =
    form === "bytes"
      ? await body.bytes()
      : form === "blob"
        ? new Uint8Array(await (await body.blob({ type: "image/png", onProgress })).arrayBuffer())
        : new Uint8Array(await new Response(body.stream()).arrayBuffer());
  return { size: bytes.length, isAsSent: bytes.every((byte, at) => byte === byteAt(at)), reports, last };
}

let unread: { readonly unreadBytes: number; discard(): void } | undefined;

/** A result whose body nobody reads. */
export async function loadUnread(size: number): Promise<number> {
  const { body } = await current().call.load({ size });
  unread = body;
  return body.unreadBytes;
}
export const discardUnread = (): void => unread?.discard();

/** of `add`, in milliseconds: the median and the longest of so many */
export async function latency(calls: number): Promise<{ median: number; most: number }> {
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const start = performance.now();
    await add(i, 1);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { median: times[calls >> 1] ?? 0, most: times.at(-1) ?? 0 };
}
