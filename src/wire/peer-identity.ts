/**
 * PeerIdentity: who is at the other end of a transport, as a certificate says that was verified. docs/tls.md.
 */

/** What a verified certificate says of its holder. Every name in it is the authority's word: nothing else vouches for it. */
export interface PeerIdentity {
  /** the common name of its subject; undefined when there is none, or several */
  readonly commonName: string | undefined;
  /** alternative names: "device-7.example.com" */
  readonly dnsNames: readonly string[];
  /** "spiffe://example.com/billing" */
  readonly uris: readonly string[];
  readonly emails: readonly string[];
  /** in hexadecimal, as its authority gave it */
  readonly serialNumber: string;
  /** SHA-256 of the certificate: "6A:8E:97:..." */
  readonly fingerprint: string;
  readonly validUntil: Date;
  /** the certificate itself (DER), for whatever else it says: `new X509Certificate(identity.certificate)` */
  readonly certificate: Uint8Array;
}
