/**
 * The file of a Unix socket. That of a server that was killed must be removed before another can listen there; that of a
 * server that lives, and a file that is not a socket, stay. docs/services.md, "Serving".
 */
import { type BigIntStats, lstatSync, renameSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { failure } from "../../errors.ts";
import { codeOf, listenTrouble } from "../../wire/transport/node-trouble.ts";

/** Removes the file if nobody listens there.
 *  @param inUse why the path could not be used
 *  @throws HbiError unavailable if it cannot be removed */
export async function removeStaleSocket(path: string, inUse: Error): Promise<void> {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before === undefined) return; // its server has just ended
  if (!before.isSocket()) throw failure("listen_failed", `${path} exists and is not a socket`, { cause: inUse });
  if (await isLive(path)) throw listenTrouble({ path }, inUse);
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now === undefined) return;
  // Another server may have done the same meanwhile, and listen there.
  if (now.ino !== before.ino || now.ctimeMs !== before.ctimeMs) throw listenTrouble({ path }, inUse);
  try {
    unlinkSync(path);
  } catch (cause) {
    throw failure("listen_failed", `${path} was left by another server and cannot be removed`, { cause });
  }
}

/** The file at the path; undefined if there is none, as for an abstract socket or a pipe of Windows. */
export function fileAt(path: string): BigIntStats | undefined {
  if (path.startsWith("\0") || process.platform === "win32") return undefined;
  return lstatSync(path, { throwIfNoEntry: false, bigint: true });
}

/** Closes a server that has bound the file `own`. Node then removes what is at the path, also if another server has
 *  removed `own` and listens there now. The file of that one is moved away for the moment. */
export function closeSparingOthers(path: string, own: BigIntStats | undefined, close: () => void): void {
  const now = fileAt(path);
  // The number of a file is free for others only after the socket that is bound to it has ended.
  const isOwn = now === undefined || own === undefined || (now.ino === own.ino && now.dev === own.dev);
  const aside = `${path}.${process.pid}`;
  if (isOwn || !renamed(path, aside)) {
    close();
    return;
  }
  close();
  renamed(aside, path);
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false; // gone meanwhile, or this process may not change the folder, and then neither remove the file
  }
}

/** Everything but a refusal may come from a server that lives, such as one whose queue is full. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED" && codeOf(error) !== "ENOENT"));
  });
}
