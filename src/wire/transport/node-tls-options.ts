/**
 * TLS options of a user: validated and converted for Node. At least TLS 1.2; the application protocol is hbi/1.
 * docs/tls.md.
 */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from "node:tls";
import { failure, oneLine, ownError } from "../../errors.ts";
import {
  aBoolean,
  aString,
  checkOptions,
  isPlainObject,
  mustBe,
  nested,
  type OptionsOf,
  oneOf,
} from "../../options.ts";

/** ALPN. A side that offers none is accepted: another implementation behind a TLS tunnel. */
export const APPLICATION_PROTOCOL = "hbi/1";

export type Pem = string | Buffer;

export interface KeyPair {
  /** the private key, PEM */
  readonly key: Pem;
  /** the certificate, PEM, followed by the intermediate certificates */
  readonly cert: Pem;
  /** the passphrase of an encrypted key */
  readonly passphrase?: string | undefined;
}

export interface CommonTls {
  /** the authorities that may have issued the other side's certificate, PEM */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /** default "TLSv1.2" */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
  /** a cipher list of OpenSSL; default: Node's */
  readonly ciphers?: string | undefined;
}

/** With `ca`, clients must present a certificate issued by one of these authorities: mutual TLS. */
export interface ServerTls extends CommonTls, KeyPair {
  /** "optional": a client without a certificate is accepted without an identity. Default with `ca`: "required" */
  readonly clientCertificate?: "required" | "optional" | undefined;
  /** What happens when the client certificate of an open connection expires: "keep" (the default) continues; "drain"
   *  finishes what is in flight and closes, so that the client reconnects with a new certificate. */
  readonly expiredCertificate?: "keep" | "drain" | undefined;
  /** Further certificates by the host name that a client requests: "b.example.com", "*.example.com". */
  readonly sni?: Readonly<Record<string, KeyPair>> | undefined;
}

type Absent<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** `key` and `cert` for a server that requests them. Without `ca`, the server's certificate must come from a public
 *  authority. */
export interface ClientTls extends CommonTls, Absent<KeyPair> {
  /** the name that the server's certificate must contain; default: the host of the address */
  readonly serverName?: string | undefined;
  /** false: accepts any certificate, and therefore any attacker in between */
  readonly rejectUnauthorized?: boolean | undefined;
}

const isPem = (value: unknown): boolean => typeof value === "string" || ArrayBuffer.isView(value);
const aPem = mustBe("PEM text", isPem);
const KEY_PAIR: OptionsOf<KeyPair> = { key: aPem, cert: aPem, passphrase: aString };
const COMMON: OptionsOf<CommonTls & KeyPair> = {
  ...KEY_PAIR,
  ca: mustBe("PEM text, or a list of it", (value) => isPem(value) || (Array.isArray(value) && value.every(isPem))),
  minVersion: oneOf("TLSv1.2", "TLSv1.3"),
  ciphers: aString,
};
const SERVER: OptionsOf<ServerTls> = {
  ...COMMON,
  clientCertificate: oneOf("required", "optional"),
  expiredCertificate: oneOf("keep", "drain"),
  sni: (hosts, name, owner) => {
    mustBe("an object, by host name", isPlainObject)(hosts, name, owner);
    for (const [host, pair] of Object.entries(hosts as object)) {
      // checked in the line before
      mustBe("an object with key and cert", isPlainObject)(pair, `${name}.${host}`, owner);
      checkOptions(pair, owner, KEY_PAIR, `${name}.${host}.`);
    }
  },
};
const CLIENT: OptionsOf<ClientTls> = { ...COMMON, serverName: aString, rejectUnauthorized: aBoolean };

/** The option `tls` of a server, and of a client. */
export const serverTls = nested<ServerTls>(SERVER);
export const clientTls = nested<ClientTls>(CLIENT);

/** @throws HbiError invalid_argument */
export function serverOptions(tls: ServerTls): TlsOptions {
  const { ca, sni = {} } = tls;
  checkOptions(tls, "tls", SERVER, "tls.");
  if (tls.key === undefined || tls.cert === undefined) throw failure("bad_option", "tls requires key and cert");
  for (const name of ["clientCertificate", "expiredCertificate"] as const) {
    if (tls[name] !== undefined && ca === undefined) throw failure("bad_option", `tls.${name} requires tls.ca`);
  }
  const contexts = new Map<string, SecureContext>();
  for (const [name, pair] of Object.entries(sni)) {
    // Includes the authorities; without them, clients would be verified against the public ones.
    contexts.set(name.toLowerCase(), contextOf({ ...tls, passphrase: undefined, ...pair }));
  }
  contextOf(tls); // reports errors in the same words
  return {
    ...contextOptions(tls),
    ...(ca === undefined ? {} : { secureOptions: NO_RESUMPTION }), // sessions are looked up before the host is known, so this also applies to `sni`
    ALPNProtocols: [APPLICATION_PROTOCOL],
    requestCert: ca !== undefined,
    rejectUnauthorized: false, // the gate refuses, because it can tell both sides the reason
    SNICallback: (name, done) => {
      const asked = name.toLowerCase();
      done(null, contexts.get(asked) ?? contexts.get(asked.replace(/^[^.]*/, "*")));
    },
  };
}

/** @throws HbiError invalid_argument */
export function clientContext(tls: ClientTls): SecureContext {
  checkOptions(tls, "tls", CLIENT, "tls.");
  const { key, cert } = tls;
  if ((key === undefined) !== (cert === undefined))
    throw failure("bad_option", "tls.key and tls.cert must be given together");
  return contextOf(tls);
}

/** OpenSSL verifies a certificate only in a full handshake: in a resumed session, an expired certificate, or one of an
 *  authority that is no longer trusted, stays authorized. A server that requests client certificates therefore resumes
 *  no session. In TLS 1.3, tickets are still sent, for sessions that nobody stores: clients wait for one to know that
 *  they are accepted. */
const NO_RESUMPTION = constants.SSL_OP_NO_TICKET;

interface Material extends CommonTls {
  readonly key?: Pem | undefined;
  readonly cert?: Pem | undefined;
  readonly passphrase?: string | undefined;
}

function contextOf(tls: Material): SecureContext {
  try {
    return createSecureContext(contextOptions(tls));
  } catch (cause) {
    const own = ownError(cause);
    if (own !== undefined) throw own;
    const why = cause instanceof Error ? cause.message.split("::").at(-1) : undefined; // the last part of OpenSSL's message
    throw failure("bad_option", `tls: unusable key, cert or ca: ${oneLine(why ?? "")}`, { cause });
  }
}

function contextOptions({
  key,
  cert,
  passphrase,
  ca,
  minVersion = "TLSv1.2",
  ciphers,
}: Material): SecureContextOptions {
  const authorities = ca === undefined ? undefined : [ca].flat();
  // Node takes an empty text for a missing `ca`, and would trust the public authorities; it also ignores text that is
  // not PEM.
  if (
    authorities !== undefined &&
    !(authorities.length > 0 && authorities.every((pem) => pem.includes("-----BEGIN ")))
  ) {
    throw failure("bad_option", "tls.ca is not a PEM certificate");
  }
  return { key, cert, passphrase, ca: authorities, minVersion, ciphers };
}
