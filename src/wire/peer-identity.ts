/**
 * PeerIdentity: who is at the other end of a transport, according to a verified certificate. docs/tls.md.
 */

/** The content of a verified certificate. Only the authority vouches for the names in it. */
export interface PeerIdentity {
  /** the common name of its subject; undefined if there is none, or more than one */
  readonly commonName: string | undefined;
  /** alternative names: "device-7.example.com" */
  readonly dnsNames: readonly string[];
  /** "spiffe://example.com/billing" */
  readonly uris: readonly string[];
  readonly emails: readonly string[];
  /** in hexadecimal, as assigned by its authority */
  readonly serialNumber: string;
  /** SHA-256 of the certificate: "6A:8E:97:..." */
  readonly fingerprint: string;
  readonly validUntil: Date;
  /** the certificate itself (DER), for its other fields: `new X509Certificate(identity.certificate)` */
  readonly certificate: Uint8Array;
}
