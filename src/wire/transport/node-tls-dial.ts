/**
 * A client's handshake: verifies the server, and waits until it has accepted this client. docs/tls.md.
 */
import { isIP } from "node:net";
import { checkServerIdentity, connect, type TLSSocket } from "node:tls";
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { failure, type HbiError, oneLine } from "../../errors.ts";
import { APPLICATION_PROTOCOL, type ClientTls, clientContext } from "./node-tls-options.ts";
import { certificateRefused } from "./node-tls-trouble.ts";

type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** The name that the server's certificate must contain. @throws HbiError invalid_argument */
export function serverNameOf(address: Target, { serverName }: ClientTls): string {
  if (serverName !== undefined) return serverName;
  if ("host" in address) return address.host;
  throw failure("bad_option", "tls on a Unix socket requires tls.serverName");
}

/** @throws HbiError invalid_argument */
export function connectTls(address: Target, serverName: string, tls: ClientTls): TLSSocket {
  return connect({
    ...address,
    secureContext: clientContext(tls),
    rejectUnauthorized: tls.rejectUnauthorized ?? true, // regardless of the environment
    servername: isIP(serverName) === 0 ? serverName : "",
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    ALPNProtocols: [APPLICATION_PROTOCOL], // OpenSSL ensures that the server selects an offered protocol or none
  });
}

/** In TLS 1.3, the server checks the client's certificate after the client considers the handshake complete. It then
 *  refuses, or sends a session ticket. A server that sends no tickets has this long to refuse. */
const VERDICT_MS = 1_000;

/** Calls one of the two functions, once, unless the socket fails. */
export function whenAdmitted(
  socket: TLSSocket,
  target: string,
  clock: Clock,
  admitted: () => void,
  refused: (error: HbiError) => void,
): void {
  socket.once("secureConnect", () => {
    socket.allowHalfOpen = true; // not earlier: a half-closed handshake would stay unnoticed
    let isDone = false;
    const onEnd = (): void => {
      done();
      const why = "the server closed right after the handshake: does it want another client certificate?";
      refused(failure("connect_failed", `${target}: ${why}`));
    };
    // A server of this library sends the reason in an `err` packet, after the ticket and in the same write.
    const look = (): void => {
      if (isDone || socket.destroyed) return;
      done();
      const said: unknown = socket.read();
      const refusal = Buffer.isBuffer(said) ? refusalIn(said) : undefined;
      if (refusal !== undefined) {
        refused(certificateRefused(target, refusal));
        return;
      }
      if (Buffer.isBuffer(said)) socket.unshift(said);
      admitted();
    };
    const soon = (): void => systemClock.soon(look);
    const timer = afterHearing(clock, VERDICT_MS, look);
    const done = (): void => {
      isDone = true;
      timer.cancel();
      socket.off("session", soon).off("end", onEnd);
    };
    socket.once("end", onEnd).once("close", done);
    if (socket.getProtocol() === "TLSv1.3") socket.once("session", soon);
    else soon();
  });
}

/** The text after that of `unauthenticated` in an `err` packet. */
function refusalIn(said: Buffer): string | undefined {
  const why = /^\[\d{1,4}#err\]authenticate first: (.*)/s.exec(said.toString("latin1", 0, 1_100))?.[1];
  return why === undefined ? undefined : oneLine(why);
}
