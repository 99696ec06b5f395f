/**
 * What a user says about TLS, checked, and as Node wants it. TLS 1.2 at least; the application protocol is hbi/1. docs/tls.md.
 */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from "node:tls";
import { failure, oneLine } from "../../errors.ts";

/** ALPN. A side that offers none is taken as it is: another implementation behind a TLS tunnel. */
export const APPLICATION_PROTOCOL = "hbi/1";

type Pem = string | Buffer;

export interface KeyPair {
  /** the private key, PEM */
  readonly key: Pem;
  /** the certificate, PEM, followed by the intermediate ones */
  readonly cert: Pem;
  /** of an encrypted key */
  readonly passphrase?: string;
}

interface CommonTls {
  /** certificates of the authorities that the other side's certificate must come from, PEM */
  readonly ca?: Pem | readonly Pem[];
  /** Default "TLSv1.2" */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's list; default: Node's */
  readonly ciphers?: string;
}

/** With `ca`, clients must show a certificate that one of these authorities has issued: mutual TLS. */
export interface ServerTls extends CommonTls, KeyPair {
  /** "optional": a client without a certificate is let in, and has no identity. Default "required", where there is a `ca` */
  readonly clientCertificate?: "required" | "optional";
  /** What becomes of a connection whose client certificate expires while it is open: "keep" (the default) lets it go on, "drain" lets
   *  what is in flight finish and closes it, so that the client shows another. */
  readonly expiredCertificate?: "keep" | "drain";
  /** Other certificates, by the host name that a client asks for: "b.example.com", "*.example.com". */
  readonly sni?: Readonly<Record<string, KeyPair>>;
}

/** `key` and `cert` for a server that asks for them. Without `ca`, a server's certificate must come from a public authority. */
export interface ClientTls extends CommonTls, Partial<KeyPair> {
  /** the name that the server's certificate must have; default: the host of the address */
  readonly serverName?: string;
  /** false: takes any certificate, and with it anybody in between */
  readonly rejectUnauthorized?: boolean;
}

const KEY_PAIR = ["key", "cert", "passphrase"];
const COMMON = [...KEY_PAIR, "ca", "minVersion", "ciphers"];
const SERVER = [...COMMON, "clientCertificate", "expiredCertificate", "sni"];
const CLIENT = [...COMMON, "serverName", "rejectUnauthorized"];

/** @throws HbiError invalid_argument */
export function serverOptions(tls: ServerTls): TlsOptions {
  const { ca, sni = {} } = tls;
  checkNames(tls, SERVER);
  if (tls.key === undefined || tls.cert === undefined) throw failure("bad_option", "tls needs a key and a cert");
  checkWord(tls, "clientCertificate", ["required", "optional"]);
  checkWord(tls, "expiredCertificate", ["keep", "drain"]);
  const contexts = new Map<string, SecureContext>();
  for (const [name, pair] of Object.entries(sni)) {
    checkNames(pair, KEY_PAIR);
    // The authorities as well: without them, clients are verified against those of the whole world.
    contexts.set(name.toLowerCase(), contextOf({ ...tls, passphrase: undefined, ...pair }));
  }
  contextOf(tls); // so that what is wrong with it is found in the same words
  return {
    ...contextOptions(tls),
    ...(ca === undefined ? {} : { secureOptions: NO_RESUMPTION }), // sessions are looked up before the host is known: also for `sni`
    ALPNProtocols: [APPLICATION_PROTOCOL],
    requestCert: ca !== undefined,
    rejectUnauthorized: false, // by the gate, which can tell both sides why
    SNICallback: (name, done) => {
      const asked = name.toLowerCase();
      done(null, contexts.get(asked) ?? contexts.get(asked.replace(/^[^.]*/, "*")));
    },
  };
}

/** Of an option that is about certificates of clients. */
function checkWord(tls: ServerTls, name: "clientCertificate" | "expiredCertificate", words: readonly string[]): void {
  const word = tls[name];
  if (word === undefined) return;
  if (!words.includes(word)) throw failure("bad_option", `tls.${name} is one of ${words.join(", ")}`);
  if (tls.ca === undefined) throw failure("bad_option", `tls.${name} needs tls.ca: who issues them?`);
}

/** @throws HbiError invalid_argument */
export function clientContext(tls: ClientTls): SecureContext {
  checkNames(tls, CLIENT);
  const { key, cert } = tls;
  if ((key === undefined) !== (cert === undefined)) throw failure("bad_option", "tls.key and tls.cert go together");
  return contextOf(tls);
}

/** OpenSSL verifies a certificate in a full handshake alone: in a session that is resumed, an expired one, or one of an authority that
 *  is trusted no more, stays authorized. Where certificates of clients are asked for, no session is resumed. In TLS 1.3, tickets are
 *  sent all the same, of sessions that nobody keeps: clients wait for one to know that they are let in. */
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
    const why = cause instanceof Error ? cause.message.split("::").at(-1) : undefined; // OpenSSL's last words
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
  if (minVersion !== "TLSv1.2" && minVersion !== "TLSv1.3") throw failure("bad_option", "tls.minVersion");
  const authorities = ca === undefined ? undefined : [ca].flat();
  // To Node, an empty text is no `ca` at all, and with that everybody's authorities; what is no PEM it passes over.
  if (
    authorities !== undefined &&
    !(authorities.length > 0 && authorities.every((pem) => pem.includes("-----BEGIN ")))
  ) {
    throw failure("bad_option", "tls.ca is no certificate (PEM)");
  }
  return { key, cert, passphrase, ca: authorities, minVersion, ciphers };
}

function checkNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw failure("bad_option", `tls.${name} is not an option`);
  }
}
