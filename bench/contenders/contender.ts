/**
 * Contender: a library that does the jobs of the benchmark, configured as its makers recommend. One file each; its
 * server and its client run in separate processes.
 */

export interface Answer {
  readonly action: string;
  readonly n: number;
}

/** What a server saw of a blob: enough to detect truncated or mixed data. */
export interface BlobAnswer {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface Served {
  readonly port: number;
  /** a process that serves together with this one, whose CPU and memory are added */
  readonly otherPid?: number;
}

/** One connection. Each contender implements the jobs in which it takes part. */
export interface Client {
  call?(action: string, n: number): Promise<Answer>;
  /** The same call with its text in Python style, and in JSON style through the same interface. */
  callInPython?(action: string, n: number): Promise<Answer>;
  callByText?(action: string, n: number): Promise<Answer>;
  sendBlob?(data: Uint8Array): Promise<BlobAnswer>;
  /** The same, for a contender whose server usually reads in pieces and here as a whole. */
  sendWholeBlob?(data: Uint8Array): Promise<BlobAnswer>;
  /** Sends one-way messages until `isOver`, and waits until all have landed; returns how many the server counted and
   *  how many were sent. */
  post?(isOver: () => boolean): Promise<{ readonly sent: number; readonly landed: number }>;
}

export interface Contender {
  readonly title: string;
  /** what is measured: the name in package.json */
  readonly packageName?: string;
  serve(): Promise<Served>;
  connect(port: number): Promise<Client>;
}

export const MAX_BLOB_BYTES = 1024 * 1024;
/** The text of a one-way message, about 60 bytes with a name and a number. */
export const NOTE_TEXT = "a line of some log, not a long one, nor short";

export function blobAnswer(data: Uint8Array): BlobAnswer {
  return { bytes: data.length, first: data[0] ?? -1, last: data.at(-1) ?? -1 };
}
