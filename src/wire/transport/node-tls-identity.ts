/**
 * The identity of a TLS peer, read from its certificate. docs/tls.md.
 */
import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import type { PeerIdentity } from "../peer-identity.ts";

/** Undefined unless the peer presented a certificate that was verified. Both must be checked: Node also considers a
 *  session authorized that was resumed without a certificate. */
export function identityOf(socket: TLSSocket): PeerIdentity | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || !socket.authorized) return undefined;
  if (socket.isSessionReused() && !isStillGood(socket)) return undefined;
  const names = (kind: string) => alternativeNames(certificate.subjectAltName ?? "", kind);
  return {
    commonName: commonNameOf(certificate),
    dnsNames: names("DNS"),
    uris: names("URI"),
    emails: names("email"),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    validUntil: new Date(certificate.validTo),
    certificate: new Uint8Array(certificate.raw),
  };
}

const MAX_CHAIN = 10;

/** For a resumed session, OpenSSL repeats the result of the original verification. It ignores dates that have passed
 *  and authorities that are no longer trusted. The server of this library resumes no session with client certificates,
 *  but a socket of the application may come from one that does. A ticket contains the certificate only, so the rest of
 *  its chain must be known here. */
function isStillGood(socket: TLSSocket): boolean {
  const nowMs = Date.now();
  let shown: DetailedPeerCertificate = socket.getPeerCertificate(true);
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    if (nowMs < Date.parse(shown.valid_from) || nowMs > Date.parse(shown.valid_to)) return false;
    const issuer: DetailedPeerCertificate | undefined = shown.issuerCertificate; // undefined if unknown, despite its type
    if (issuer === undefined) return false;
    if (issuer === shown) return true; // a root authority
    if (!new X509Certificate(shown.raw).verify(new X509Certificate(issuer.raw).publicKey)) return false;
    shown = issuer;
  }
  return false;
}

function commonNameOf(certificate: X509Certificate): string | undefined {
  const { subject } = certificate.toLegacyObject();
  const name: unknown = Object.hasOwn(subject, "CN") ? subject.CN : undefined;
  return typeof name === "string" ? name : undefined; // an array if there are several, which would be ambiguous
}

/** The names of one kind in "DNS:a.example, URI:spiffe://b". A name with a comma, a quote or the like is a JSON string
 *  there, with its comma escaped, so it counts as one name (CVE-2021-44532). */
function alternativeNames(text: string, kind: string): string[] {
  const entries = text.split(", ").filter((entry) => entry.startsWith(`${kind}:`));
  const names = entries.map((entry) => entry.slice(kind.length + 1));
  return names.map((name) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}
