/**
 * The standard input and output of a child process as a transport. docs/transports.md, "Child processes".
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type Clock, systemClock, type Timer } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import { anObject, aString, checkOptions, mustBe, type OptionsOf, oneOf } from "../../options.ts";
import type { Transport, TransportSink } from "../transport.ts";
import { StreamTransport } from "./node-socket.ts";
import { codeOf } from "./node-trouble.ts";

export interface SpawnOptions {
  readonly cwd?: string | undefined;
  /** Default: that of this process */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where its standard error goes. Default: `inherit`, to that of this process */
  readonly stderr?: "inherit" | "ignore" | undefined;
}

const SPAWN_OPTIONS: OptionsOf<SpawnOptions> = { cwd: aString, env: anObject, stderr: oneOf("inherit", "ignore") };

const aList = mustBe(
  "a list of strings",
  (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
);

type DialSettings = { readonly signal: AbortSignal; readonly timeoutMs: number };

/** A function that dials by starting a program, which serves its standard input and output with `serveStdio`. For
 *  `connect`, or for a `Link`; with `reconnect`, the program is started again when it has ended. It is ended with the
 *  connection.
 *  @throws HbiError invalid_argument */
export function spawnPeer(
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): (dialing: DialSettings) => Promise<Transport> {
  aString(command, "the command", "spawnPeer");
  aList(args, "the arguments", "spawnPeer");
  checkOptions(options, "spawnPeer", SPAWN_OPTIONS);
  const { cwd, env = process.env, stderr = "inherit" } = options;
  return ({ signal }) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) throw failure("cancelled", "spawn", { cause: signal.reason });
      const child = spawn(command, args, { cwd, env, stdio: ["pipe", "pipe", stderr], windowsHide: true });
      child.once("error", (cause) => reject(spawnTrouble(command, cause)));
      child.once("spawn", () => {
        const transport = new ChildTransport(command, child, systemClock);
        if (signal.aborted) {
          transport.destroy();
          reject(failure("cancelled", "spawn", { cause: signal.reason }));
        } else resolve(transport);
      });
    });
}

function spawnTrouble(command: string, cause: Error): HbiError {
  const code = codeOf(cause);
  const words = WORDS.get(code) ?? code;
  return failure("connect_failed", `${command} cannot be started: ${words}`, { cause });
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such program, or no such folder to start it in"],
  ["EACCES", "this process has no permission to start it"],
  ["EMFILE", "this process has no file descriptors left"],
  ["EAGAIN", "this machine has too many processes"],
]);

/** From the request to end to the one that cannot be ignored. */
const KILL_MS = 5_000;
/** For the end of its output, which another process may hold open. */
const OUTPUT_MS = 1_000;
const SHOWN_BYTES = 60;
const BRACKET = 0x5b;

type Child = ChildProcessByStdio<Writable, Readable, null>;

class ChildTransport implements Transport {
  readonly localAddress = "stdio";
  /** The end of its output comes before the exit, which says why. */
  readonly canHalfClose = false;
  readonly remoteAddress: string;
  readonly #child: Child;
  readonly #clock: Clock;
  readonly #streams: StreamTransport;
  #sink: TransportSink | undefined;
  #hasSpoken = false;
  /** this side has ended it */
  #isEnding = false;
  #error: HbiError | undefined;
  #isClosed = false;
  #timer: Timer | undefined;

  constructor(command: string, child: Child, clock: Clock) {
    this.remoteAddress = command;
    this.#child = child;
    this.#clock = clock;
    this.#streams = new StreamTransport(child.stdout, child.stdin, { localAddress: "stdio", remoteAddress: command });
    child.on("error", () => undefined); // cannot be killed: it has ended
    child.once("exit", (code, signal) => this.#exited(code, signal));
    child.once("close", () => this.#closed());
  }

  get lowWaterBytes(): number {
    return this.#streams.lowWaterBytes;
  }

  set lowWaterBytes(bytes: number) {
    this.#streams.lowWaterBytes = bytes;
  }

  get bufferedBytes(): number {
    return this.#streams.bufferedBytes;
  }

  get takenBytes(): number {
    return this.#streams.takenBytes;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) {
      this.#clock.soon(() => sink.onClose(this.#error));
      return;
    }
    this.#streams.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => sink.onDrain(),
      onEnd: () => this.#onEnd(),
      onClose: () => undefined, // the child's exit says why
    });
  }

  /** What a peer says first is a packet. */
  #onData(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    if (!this.#hasSpoken && chunk[0] !== BRACKET) {
      const begins = JSON.stringify(Buffer.from(chunk.subarray(0, SHOWN_BYTES)).toString());
      const words = `the standard output of ${this.remoteAddress} is no HBI, as it begins with ${begins}`;
      this.#error = failure("bad_frame", `${words}: does it use serveStdio, and print to its standard error?`);
      this.destroy();
      this.#closed();
      return;
    }
    this.#hasSpoken = true;
    this.#sink?.onData(chunk);
  }

  /** It exits now, or else it has closed its output alone, and will say nothing more. */
  #onEnd(): void {
    this.#timer ??= this.#clock.after(OUTPUT_MS, () => this.destroy());
  }

  #exited(code: number | null, signal: string | null): void {
    this.#timer?.cancel();
    if (!this.#isEnding && (code !== 0 || !this.#hasSpoken)) {
      const exit = code === null ? `was ended by ${signal}` : `has exited with code ${code}`;
      const how = code === 0 ? "has ended without a word: does it use serveStdio?" : exit;
      this.#error ??= failure("disconnected", `${this.remoteAddress} ${how}`);
    }
    this.#timer = this.#clock.after(OUTPUT_MS, () => this.#streams.destroy());
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) this.#timer?.cancel();
    this.#sink?.onClose(this.#error);
  }

  write(chunk: Uint8Array | string): void {
    this.#streams.write(chunk);
  }

  cork(): void {
    this.#streams.cork();
  }

  uncork(): void {
    this.#streams.uncork();
  }

  pause(): void {
    this.#streams.pause();
  }

  resume(): void {
    this.#streams.resume();
  }

  end(): void {
    this.#isEnding = true;
    this.#streams.end();
  }

  /** Asks the program to end, and after a while makes it. */
  destroy(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      this.#streams.destroy();
      return;
    }
    this.#isEnding = true;
    this.#streams.destroy();
    this.#child.kill("SIGTERM");
    this.#timer?.cancel();
    this.#timer = this.#clock.after(KILL_MS, () => this.#child.kill("SIGKILL"), true);
  }
}
