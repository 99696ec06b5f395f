/**
 * What is said of a handshake that failed, by the codes of OpenSSL and Node: in words, with nothing of what the other side wrote.
 */
import { describe, expect, it } from "vitest";
import { acceptTrouble, certificateTrouble, dialTrouble } from "../../../../src/wire/transport/node-tls-trouble.ts";

const coded = (code?: unknown) =>
  Object.assign(new Error("what the other side wrote"), code === undefined ? {} : { code });

describe("a client is told", () => {
  it.each<[unknown, string, string]>([
    ["CERT_HAS_EXPIRED", "connect_failed", "here:1: the server's certificate has expired"],
    [
      "CERT_SIGNATURE_FAILURE",
      "connect_failed",
      "here:1: the server's certificate is refused (CERT_SIGNATURE_FAILURE)",
    ],
    [
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "connect_failed",
      "here:1: the server's certificate is for another host than name: correct the address, or set tls.serverName",
    ],
    ["ERR_SSL_NO_SHARED_CIPHER", "connect_failed", "here:1: TLS handshake: no cipher in common"],
    ["ECONNREFUSED", "connect_failed", "here:1: nobody listens there: is the server running?"],
    ["toString", "connect_failed", "here:1"],
    [5, "connect_failed", "here:1"],
    [undefined, "connect_failed", "here:1"],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "unauthenticated", "here:1: a client certificate is required"],
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "unauthenticated", "here:1: the client certificate is refused: unknown ca"],
    [
      "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
      "unauthenticated",
      "here:1: the client certificate is refused: certificate expired",
    ],
  ])("of %s", (code, reason, text) => {
    const cause = coded(code);
    const error = dialTrouble("here:1", "name", cause);
    expect(error).toMatchObject({ reason, cause });
    expect(error.message.replace(/^[^:]*: /, "")).toBe(text);
  });
});

describe("a server's log has", () => {
  it.each<[unknown, string, string]>([
    ["ERR_TLS_HANDSHAKE_TIMEOUT", "timeout", "TLS handshake of there:2: it took too long"],
    ["ERR_SSL_HTTP_REQUEST", "connect_failed", "TLS handshake of there:2: the other side speaks HTTP without TLS"],
    [
      "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
      "connect_failed",
      "TLS handshake of there:2: it refuses our certificate: unknown ca",
    ],
    ["ERR_SSL_BAD_EXTENSION", "connect_failed", "TLS handshake of there:2: ERR_SSL_BAD_EXTENSION"],
  ])("of %s", (code, reason, text) => {
    const cause = coded(code);
    const error = acceptTrouble("there:2", cause);
    expect(error).toMatchObject({ reason, cause });
    expect(error.message).toContain(text);
  });
});

it("a certificate that is refused for an unforeseen reason is reported by its code", () => {
  expect(certificateTrouble("CERT_CHAIN_TOO_LONG")).toBe("is refused (CERT_CHAIN_TOO_LONG)");
});
