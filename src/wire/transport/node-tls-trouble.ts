/**
 * Describes what went wrong in a handshake, for the person who must fix it. Text of the other side is only in `cause`.
 */
import { failure, type HbiError } from "../../errors.ts";
import { codeOf, dialingWords } from "./node-trouble.ts";

const NO_CHAIN =
  "has no chain to an authority that is trusted here: wrong tls.ca, or a missing intermediate certificate";
const SELF_SIGNED = "is self-signed, and not in tls.ca";
const CERTIFICATES: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "has expired"],
  ["CERT_NOT_YET_VALID", "is not valid yet"],
  ["CERT_REVOKED", "is revoked"],
  ["INVALID_PURPOSE", "is not meant for this side"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", SELF_SIGNED],
  ["SELF_SIGNED_CERT_IN_CHAIN", NO_CHAIN],
  ["UNABLE_TO_GET_ISSUER_CERT", NO_CHAIN],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", NO_CHAIN],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", NO_CHAIN],
]);

const NO_TLS = "the other side does not speak TLS: set the option tls on both sides, or on neither";
const NO_VERSION = "no version of TLS in common: 1.2 or later";
const NO_PROTOCOL = "the other side does not offer hbi/1 (ALPN)";
const HANDSHAKES: ReadonlyMap<string, string> = new Map([
  ["ERR_SSL_WRONG_VERSION_NUMBER", NO_TLS],
  ["ERR_SSL_HTTP_REQUEST", "the other side speaks HTTP without TLS"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", NO_TLS],
  ["ERR_SSL_UNSUPPORTED_PROTOCOL", NO_VERSION],
  ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", NO_VERSION],
  ["ERR_SSL_NO_APPLICATION_PROTOCOL", NO_PROTOCOL],
  ["ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", NO_PROTOCOL],
  ["ERR_SSL_NO_SHARED_CIPHER", "no cipher in common"],
  ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "refused by the other side: no cipher in common, or no client certificate"],
  ["ERR_TLS_HANDSHAKE_TIMEOUT", "it took too long"],
  ["ECONNRESET", "the other side closed it"],
]);

/** The other side has rejected this side's certificate. */
const ABOUT_OURS =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED)$/;

/** Why a certificate is refused, by OpenSSL's code: "has expired". */
export function certificateTrouble(code: string): string {
  return CERTIFICATES.get(code) ?? `is refused (${code})`;
}

/** For a client. `target` is the address that it dialed, `serverName` the name that it expects there. */
export function dialTrouble(target: string, serverName: string, cause: Error): HbiError {
  const code = codeOf(cause);
  const about = ABOUT_OURS.exec(code)?.[1];
  if (about === "CERTIFICATE_REQUIRED") return certificateRefused(target, "a client certificate is required", cause);
  if (about !== undefined)
    return certificateRefused(target, `the client certificate is refused: ${inWords(about)}`, cause);
  const words = dialWords(code, serverName) ?? dialingWords(cause);
  return failure("connect_failed", words === undefined ? target : `${target}: ${words}`, { cause });
}

/** The server requires a client certificate, or a different one. */
export function certificateRefused(target: string, why: string, cause?: Error): HbiError {
  return failure("unauthenticated", `${target}: ${why}`, { cause });
}

function dialWords(code: string, serverName: string): string | undefined {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `the server's certificate is for another host than ${serverName}: correct the address, or set tls.serverName`;
  if (CERTIFICATES.has(code) || code.startsWith("CERT_")) return `the server's certificate ${certificateTrouble(code)}`;
  return HANDSHAKES.get(code) === undefined ? undefined : `TLS handshake: ${HANDSHAKES.get(code)}`;
}

/** For a server's log. */
export function acceptTrouble(remote: string, cause: Error): HbiError {
  const code = codeOf(cause);
  const about = ABOUT_OURS.exec(code)?.[1];
  const words = about === undefined ? (HANDSHAKES.get(code) ?? code) : `it refuses our certificate: ${inWords(about)}`;
  const reason = code === "ERR_TLS_HANDSHAKE_TIMEOUT" ? "timeout" : "connect_failed";
  return failure(reason, `TLS handshake of ${remote}: ${words}`, { cause });
}

function inWords(alert: string): string {
  return alert.toLowerCase().replaceAll("_", " ");
}
