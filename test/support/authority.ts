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

export class Authority {
  /** its own certificate */
  readonly cert: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "hbi-tls-"));
  #issued = 0;

  constructor(name: string) {
    this.#openssl(`req -x509 ${NEW_KEY} -keyout ca.key -out ca.pem -subj /CN=${name} -days 2`);
    this.cert = this.#read("ca.pem");
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

  server(alternatives = LOCAL, days?: number): KeyPair {
    return this.issue("/CN=server", `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth`, days);
  }

  client(name: string, days?: number): KeyPair {
    const extensions = `subjectAltName=URI:spiffe://example.com/${name},email:${name}@example.com\nextendedKeyUsage=clientAuth`;
    return this.issue(`/O=Example/CN=${name}`, extensions, days);
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
