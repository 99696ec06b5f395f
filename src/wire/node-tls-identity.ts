/**
 * The identity of a TLS peer, read from its certificate. docs/tls.md.
 */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PeerIdentity } from "./peer-identity.ts";

/** Undefined unless the peer has shown a certificate and it was verified. Both are asked: to Node, a session that was resumed
 *  without any certificate is authorized as well. */
export function identityOf(socket: TLSSocket): PeerIdentity | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || !socket.authorized) return undefined;
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

function commonNameOf(certificate: X509Certificate): string | undefined {
  const { subject } = certificate.toLegacyObject();
  const name: unknown = Object.hasOwn(subject, "CN") ? subject.CN : undefined;
  return typeof name === "string" ? name : undefined; // an array where there are several: which one is it?
}

/** Those of one kind in "DNS:a.example, URI:spiffe://b". A name with a comma, a quote or the like is a JSON string there, its comma escaped: it
 *  passes for one name (CVE-2021-44532). */
function alternativeNames(text: string, kind: string): string[] {
  const entries = text.split(", ").filter((entry) => entry.startsWith(`${kind}:`));
  const names = entries.map((entry) => entry.slice(kind.length + 1));
  return names.map((name) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}
