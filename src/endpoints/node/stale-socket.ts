/**
 * The file of a Unix socket whose server was killed: it must be removed before another server can listen there. A file
 * whose server lives, and a file that is not a socket, stay. docs/services.md, "Serving".
 */
import { lstatSync, unlinkSync } from "node:fs";
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
