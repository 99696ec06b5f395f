/**
 * Describes what the operating system refused, for the person who must fix it: connecting, listening, and the path of
 * a Unix socket. Must not contain text of the other side. docs/errors.md, "From symptom to remedy".
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { platform } from "node:process";
import { failure, type HbiError } from "../../errors.ts";

type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** The longest path of a socket in bytes. Node would cut a longer one silently, and use another file. */
const MAX_PATH_BYTES = platform === "win32" ? Number.POSITIVE_INFINITY : platform === "linux" ? 107 : 103;

/** @throws HbiError invalid_argument for a path that the system cannot use */
export function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    throw failure(
      "bad_option",
      `the path of a Unix socket must have at most ${MAX_PATH_BYTES} bytes; this one has ${bytes}: ${path}`,
    );
  }
  if (path.includes("\0", 1)) throw failure("bad_option", "the path of a Unix socket must not contain a NUL");
}

const NOT_FOUND = "its host was not found: check the name";
const NO_ROUTE = "no route to it from this machine";
const NO_DESCRIPTORS = "this process has no file descriptors left";
const DIALING: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nobody listens there: is the server running?"],
  ["ENOENT", "there is no such socket: is the server running?"],
  ["ENOTSOCK", "it is not a socket"],
  ["EPROTOTYPE", "it is not a stream socket"],
  ["ENOTFOUND", NOT_FOUND],
  ["EAI_AGAIN", "the name of its host could not be looked up: DNS does not answer"],
  ["EHOSTUNREACH", NO_ROUTE],
  ["ENETUNREACH", NO_ROUTE],
  ["EADDRNOTAVAIL", NO_ROUTE],
  ["ETIMEDOUT", "it does not answer: check the address and firewalls"],
  ["ECONNRESET", "the other side closed the connection at once"],
  ["EACCES", "this process has no permission to connect"],
  ["EPERM", "this process has no permission to connect"],
  ["EMFILE", NO_DESCRIPTORS],
  ["ENFILE", NO_DESCRIPTORS],
]);

/** Why an address cannot be reached, if the system's code is known. */
export function dialingWords(cause: Error): string | undefined {
  return DIALING.get(codeOf(cause));
}

/** For a client. `target` is the address that it dialed. */
export function connectTrouble(target: string, cause: Error): HbiError {
  const words = dialingWords(cause);
  return failure("connect_failed", words === undefined ? target : `${target}: ${words}`, { cause });
}

/** For a server that cannot listen. */
export function listenTrouble(target: Target, cause: Error): HbiError {
  const code = codeOf(cause);
  const words = "path" in target ? pathWords(target.path, code) : portWords(target.host, target.port, code);
  return failure("listen_failed", words, { cause });
}

function portWords(host: string, port: number, code: string): string {
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} is in use at ${host}: end the other program, or choose another port (0: any free one)`;
    case "EACCES":
    case "EPERM":
      return `port ${port} requires privileges that this process does not have: choose a port from 1024 on`;
    case "EADDRNOTAVAIL":
      return `this machine does not have the address ${host}: use 127.0.0.1, or 0.0.0.0 for all of its addresses`;
    case "EAFNOSUPPORT":
      return `this machine does not support addresses such as ${host}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the host ${host} was not found: check the name, or use an IP address of this machine`;
    default:
      return `at ${host}, port ${port}${code === "" ? "" : `: ${code}`}`;
  }
}

function pathWords(path: string, code: string): string {
  switch (code) {
    case "EADDRINUSE":
      return `${path} is in use: another server listens there`;
    case "EACCES": // libuv also says this for a missing folder
    case "EPERM":
    case "EROFS":
    case "ENOENT":
    case "ENOTDIR":
      return existsSync(dirname(path))
        ? `this process has no permission to create ${path}`
        : `the folder of ${path} does not exist`;
    default:
      return `at ${path}${code === "" ? "" : `: ${code}`}`;
  }
}

export function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
