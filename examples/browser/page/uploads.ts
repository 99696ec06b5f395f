/**
 * Uploads: what happens to a file from its choice to its result. Nothing here knows the document.
 */
import { HbiError, type Link } from "hbi";
import type { Action, JobResult } from "../../jobs/service.ts";
import type { desk } from "../service.ts";

/** `offline` waits for a connection; `working` has been sent and is not answered yet. */
export type Phase = "waiting" | "offline" | "sending" | "working" | End;
type End = "done" | "cancelled" | "failed";

export interface Upload {
  readonly id: number;
  readonly file: File;
  readonly action: Action;
  readonly phase: Phase;
  /** of the present attempt */
  readonly sentBytes: number;
  /** when the connection took the first of them, in ms of `performance.now()` */
  readonly startedAt: number;
  readonly endedAt: number;
  /** the service's result, or why there is none */
  readonly outcome: string;
}

export const isOver = ({ phase }: Upload): boolean => phase === "done" || phase === "cancelled" || phase === "failed";

export interface UploadListener {
  /** Its phase may have changed. */
  changed(upload: Upload): void;
  /** The connection has taken so many bytes. */
  sent(bytes: number): void;
}

const AT_ONCE = 3;
const PATIENCE_MS = 3_600_000;

/** As only this file may change it. */
type Own = { -readonly [K in keyof Upload]: Upload[K] } & { abort: AbortController };

const UNSENT = { phase: "waiting", sentBytes: 0, startedAt: 0, endedAt: 0, outcome: "" } as const;

export class Uploads {
  readonly #link: Link<typeof desk>;
  readonly #listener: UploadListener;
  readonly #all = new Map<number, Own>();
  readonly #queue: Own[] = [];
  #running = 0;
  #lastId = 0;

  constructor(link: Link<typeof desk>, listener: UploadListener) {
    this.#link = link;
    this.#listener = listener;
    link.onState(() => this.#linkChanged());
  }

  add(file: File, action: Action): Upload {
    const id = ++this.#lastId;
    const upload: Own = { id, file, action, ...UNSENT, abort: new AbortController() };
    this.#all.set(id, upload);
    this.#enqueue(upload);
    return upload;
  }

  /** The service is told, and its handler stops. */
  cancel({ id }: Upload): void {
    const upload = this.#all.get(id);
    if (upload === undefined || isOver(upload)) return;
    const at = this.#queue.indexOf(upload);
    if (at >= 0) this.#queue.splice(at, 1);
    this.#end(upload, "cancelled");
    upload.abort.abort();
  }

  /** Sends what was cancelled or has failed once more. */
  again({ id }: Upload): void {
    const upload = this.#all.get(id);
    if (upload === undefined || !isOver(upload)) return;
    Object.assign(upload, UNSENT, { abort: new AbortController() });
    this.#enqueue(upload);
  }

  /** One that is over. */
  forget({ id }: Upload): void {
    this.#all.get(id)?.abort.abort(); // the answer to a result that was pushed may still be on its way
    this.#all.delete(id);
  }

  /** The service pushes a result as soon as it has it. */
  done(id: number, { result }: JobResult): void {
    const upload = this.#all.get(id);
    if (upload !== undefined && !isOver(upload)) this.#end(upload, "done", result);
  }

  #enqueue(upload: Own): void {
    this.#queue.push(upload);
    upload.phase = this.#phaseOf(upload);
    this.#listener.changed(upload);
    this.#next();
  }

  #next(): void {
    for (const upload of this.#queue.splice(0, AT_ONCE - this.#running)) void this.#send(upload);
  }

  async #send(upload: Own): Promise<void> {
    const { id, file, action, abort } = upload;
    const isPresent = () => upload.abort === abort && !isOver(upload); // else it was cancelled, and perhaps begun anew
    this.#running += 1;
    upload.startedAt = performance.now();
    try {
      const options = { body: () => this.#chunksOf(upload), signal: abort.signal, timeoutMs: PATIENCE_MS };
      const { result } = await this.#link.call.do_job({ id, action, dataLen: file.size }, options);
      if (isPresent()) this.#end(upload, "done", result);
    } catch (error) {
      if (isPresent()) this.#end(upload, "failed", reasonOf(error));
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }

  /** Called by the link for each attempt, and read as fast as the connection takes it. A chunk was taken when the next one
   *  is wanted. */
  async *#chunksOf(upload: Own): AsyncGenerator<Uint8Array> {
    const reader = upload.file.stream().getReader();
    let sentBytes = 0;
    try {
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        yield step.value;
        if (sentBytes === 0) upload.startedAt = performance.now();
        sentBytes += step.value.length;
        upload.sentBytes = sentBytes;
        this.#listener.sent(step.value.length);
        this.#update(upload);
      }
    } finally {
      await reader.cancel();
    }
  }

  /** What was under way on a connection that is lost begins anew on the next one: the link sends it again. */
  #linkChanged(): void {
    for (const upload of this.#all.values()) {
      if (isOver(upload)) {
        upload.abort.abort(); // of a result that was pushed, the answer may be lost
        continue;
      }
      if (this.#link.state !== "open") upload.sentBytes = 0;
      this.#update(upload);
    }
  }

  #phaseOf({ sentBytes, file }: Own): Phase {
    if (this.#link.state !== "open") return "offline";
    if (sentBytes === 0) return "waiting";
    return sentBytes < file.size ? "sending" : "working";
  }

  #update(upload: Own): void {
    const phase = this.#phaseOf(upload);
    if (isOver(upload) || upload.phase === phase) return;
    upload.phase = phase;
    this.#listener.changed(upload);
  }

  #end(upload: Own, phase: End, outcome = ""): void {
    Object.assign(upload, { phase, outcome, endedAt: performance.now() });
    this.#listener.changed(upload);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof HbiError)) throw error;
  switch (error.reason) {
    case "bad_argument":
      return "The file is too large.";
    case "body_failed":
    case "body_mismatch":
      return "The file cannot be read: it may have changed, or be a folder.";
  }
  switch (error.code) {
    case "unavailable":
      return "The connection was lost too often.";
    case "deadline_exceeded":
      return "It took more than an hour.";
    default:
      return error.message; // of the service: one harmless line
  }
}
