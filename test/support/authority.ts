/**
 * Certificate authorities of the tests, made by the openssl command in a folder of their own.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyPair } from "hbi/node";

export const hasOpenssl = (() => {
  try {
    return execFileSync("openssl", ["version"], { stdio: "pipe" }).length > 0;
  } catch {
    return false;
  }
})();

const NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/** What the servers of the tests are called. */
export const LOCAL = "DNS:localhost,IP:127.0.0.1";

const CA_CONFIGURATION = `[ca]
default_ca=this
[this]
database=index.txt
new_certs_dir=.
serial=ca.serial
default_md=sha256
policy=any
unique_subject=no
[any]
organizationName=optional
commonName=optional
`;

/** 20260131235959Z */
const dateOf = (date: Date) => date.toISOString().replace(/\.\d+|[-:T]/g, "");

const extensionsOf = (client: string) =>
  `subjectAltName=URI:spiffe://example.com/${client},email:${client}@example.com\nextendedKeyUsage=clientAuth`;

export class Authority {
  /** its own certificate */
  readonly cert: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "hbi-tls-"));
  #issued = 0;

  /** @param pair that of an authority below another one; default: one of its own */
  constructor(name: string, pair?: KeyPair) {
    if (pair === undefined) this.#openssl(`req -x509 ${NEW_KEY} -keyout ca.key -out ca.pem -subj /CN=${name} -days 2`);
    else {
      writeFileSync(join(this.#folder, "ca.key"), pair.key);
      writeFileSync(join(this.#folder, "ca.pem"), pair.cert);
    }
    this.cert = this.#read("ca.pem");
  }

  /** An authority below this one, trusted from and until then. */
  below(name: string, from: Date, until: Date): Authority {
    return new Authority(name, this.issueFor(`/CN=${name}`, "basicConstraints=critical,CA:TRUE", from, until));
  }

  /** @param days below 0: it has expired */
  issue(subject: string, extensions: string, days = 2): KeyPair {
    const file = `${this.#issued++}`;
    writeFileSync(join(this.#folder, "extensions"), extensions);
    this.#openssl(`req -new ${NEW_KEY} -keyout ${file}.key -out ${file}.csr -subj ${subject}`);
    const issuer = "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile extensions";
    this.#openssl(`x509 -req -in ${file}.csr -out ${file}.pem ${issuer} -days ${days}`);
    return { key: this.#read(`${file}.key`), cert: this.#read(`${file}.pem`) };
  }

  /** To the second. */
  issueFor(subject: string, extensions: string, from: Date, until: Date): KeyPair {
    const file = `${this.#issued++}`;
    writeFileSync(join(this.#folder, "extensions"), extensions);
    writeFileSync(join(this.#folder, "index.txt"), "");
    writeFileSync(join(this.#folder, "ca.cnf"), CA_CONFIGURATION);
    this.#openssl(`req -new ${NEW_KEY} -keyout ${file}.key -out ${file}.csr -subj ${subject}`);
    const dates = `-startdate ${dateOf(from)} -enddate ${dateOf(until)}`;
    const files = `-in ${file}.csr -out ${file}.pem -extfile extensions`;
    this.#openssl(`ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -rand_serial ${files} ${dates}`);
    return { key: this.#read(`${file}.key`), cert: this.#read(`${file}.pem`) };
  }

  server(alternatives = LOCAL, days?: number): KeyPair {
    return this.issue("/CN=server", `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth`, days);
  }

  client(name: string, days?: number): KeyPair {
    return this.issue(`/O=Example/CN=${name}`, extensionsOf(name), days);
  }

  clientFor(name: string, from: Date, until: Date): KeyPair {
    return this.issueFor(`/O=Example/CN=${name}`, extensionsOf(name), from, until);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #openssl(line: string): void {
    execFileSync("openssl", line.split(" "), { cwd: this.#folder, stdio: "pipe" });
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), "utf8");
  }
}
