/**
 * Contender: a library that does the jobs of the benchmark, configured as its makers recommend. One file each; its
 * server and its client run in separate processes.
 */
import { chunks } from "../jobs/stream-data.ts";

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
  /** Sends so many bytes in pieces of 64 KiB, not faster than they are taken, and resolves when the server has all of
   *  them. */
  upload?(bytes: number): Promise<void>;
  /** The same in the other direction. */
  download?(bytes: number): Promise<void>;
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

/** Pieces under way at a time, for libraries that do not send at the pace of the receiver. */
const PIECES_UNDER_WAY = 8;

/** Moves so many bytes by calls for a piece each. */
export async function moveByCalls(bytes: number, movePiece: (piece: Uint8Array) => Promise<number>): Promise<void> {
  const pieces = chunks(bytes);
  let moved = 0;
  const move = async (): Promise<void> => {
    for (const piece of pieces) {
      const bytes = await movePiece(piece);
      moved += bytes;
    }
  };
  await Promise.all(Array.from({ length: PIECES_UNDER_WAY }, move));
  checkMoved(moved, bytes);
}

export function checkMoved(moved: number, bytes: number): void {
  if (moved !== bytes) throw new Error(`${moved} bytes have arrived, not ${bytes}`);
}
