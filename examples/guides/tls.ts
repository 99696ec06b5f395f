/**
 * The code of docs/tls.md, in its order: a ledger over TLS, with certificates that openssl makes in a temporary folder.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CallOn, defineService, HbiError, HostingEnv, type LogEntry, method, type Peer, script } from "hbi";
import { connect, HBIC, HBIS, serve } from "hbi/node";
import { z } from "zod";

// --- certificates, as an authority makes them --------------------------------------------------------------------------

const folder = mkdtempSync(join(tmpdir(), "hbi-tls-"));
process.chdir(folder);
const openssl = (line: string) => execFileSync("openssl", line.split(" "), { stdio: "pipe" });
const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

openssl(`req -x509 ${newKey} -keyout ca.key -out ca.pem -subj /CN=Ledger-CA -days 30`);
function issue(file: string, name: string, alternatives: string): void {
  writeFileSync("extensions", `subjectAltName=${alternatives}`);
  openssl(`req -new ${newKey} -keyout ${file}.key -out ${file}.csr -subj /CN=${name}`);
  openssl(`x509 -req -in ${file}.csr -CA ca.pem -CAkey ca.key -out ${file}.pem -days 30 -extfile extensions`);
}
issue("server", "ledger", "DNS:localhost,IP:127.0.0.1");
issue("b", "ledger", "DNS:b.example.com");
issue("ali", "ali", "URI:spiffe://example.com/ali");

const ledger = defineService({
  name: "ledger",
  version: "1.0.0",
  methods: {
    book: method({ params: { amount: z.int() }, result: z.int() }),
    balance: method({ params: {}, result: z.string() }),
  },
});
let balance = 0;
const book = ({ amount }: { amount: number }) => {
  balance += amount;
  return balance;
};

// --- TLS ---------------------------------------------------------------------------------------------------------------

const server = await serve(ledger, "127.0.0.1:0", () => ({ book, balance: () => `${balance}` }), {
  tls: { key: readFileSync("server.key"), cert: readFileSync("server.pem") },
});

const link = await connect(ledger, server.address, {}, { tls: { ca: readFileSync("ca.pem") } });
console.log(`over TLS: ${await link.call.book({ amount: 120 })}`);
await link.close();

const unverified = await connect(ledger, server.address, {}, { tls: {} }).catch((error: HbiError) => error);
if (unverified instanceof HbiError) console.log(`${unverified.code}: ${unverified.message}`);
await server.close();

// --- mutual TLS --------------------------------------------------------------------------------------------------------

const log: LogEntry[] = [];
const tls = { key: readFileSync("server.key"), cert: readFileSync("server.pem"), ca: readFileSync("ca.pem") };
const mutual = await serve(
  ledger,
  "127.0.0.1:0",
  (peer) => ({ book, balance: (_, call) => `${call.context} has ${balance}, booked by ${peer.identity?.commonName}` }),
  {
    tls, // with `ca`, a client must show a certificate
    authenticate: (_: undefined, peer: Peer<typeof ledger, unknown>) => users.get(peer.identity?.uris[0] ?? ""),
    log: (entry) => log.push(entry),
  },
);

const users = new Map([["spiffe://example.com/ali", "ali"]]);

const ca = readFileSync("ca.pem");
const ali = { ca, key: readFileSync("ali.key"), cert: readFileSync("ali.pem") };
const known = await connect(ledger, mutual.address, {}, { tls: ali });
console.log(await known.call.balance());

const unknown = await connect(ledger, mutual.address, {}, { tls: { ca } }).catch((error: HbiError) => error);
console.log(log[0]?.error.message.split(": ").at(-1)); // a client certificate is required
if (unknown instanceof HbiError) console.log(unknown.code);
for (const { identity } of mutual.peers) console.log(identity?.uris[0]);

const isValid = ({ peer }: CallOn<typeof ledger, string>) => (peer.identity?.validUntil.getTime() ?? 0) > Date.now();

mutual.reloadTls({ ...tls, expiredCertificate: "drain" }); // applies to new connections
const careful = await serve(ledger, "127.0.0.1:0", () => ({ book, balance: () => `${balance}` }), {
  tls,
  authenticate: (_: undefined, peer: Peer<typeof ledger, unknown>) => users.get(peer.identity?.uris[0] ?? ""),
  authorize: isValid,
});
const valid = await connect(ledger, careful.address, {}, { tls: ali });
console.log(await valid.call.balance());
await valid.close();
await careful.close();

// --- several hosts and new certificates ------------------------------------------------------------------------------

const pair = (name: string) => ({ key: readFileSync(`${name}.key`), cert: readFileSync(`${name}.pem`) });

issue("server", "ledger", "DNS:localhost,IP:127.0.0.1"); // a new certificate in the same files
mutual.reloadTls({ ...pair("server"), ca, sni: { "b.example.com": pair("b") } });

const other = await connect(ledger, mutual.address, {}, { tls: { ...ali, serverName: "b.example.com" } });
console.log(`renewed, and the old link goes on: ${await known.call.book({ amount: 30 })}`);
await Promise.all([known.close(), other.close()]);
await mutual.close();

// --- the HBI layer -----------------------------------------------------------------------------------------------------

const hbis = new HBIS(
  "127.0.0.1:0",
  (_po, _ho, { identity }) => {
    const env = new HostingEnv();
    env.expose("who_am_i", method({ params: {}, result: z.string() }), () => `${identity?.commonName?.toUpperCase()}`);
    return env;
  },
  { tls },
);
await hbis.listen();

const hbic = new HBIC(hbis.address, new HostingEnv(), { tls: ali });
const { po } = await hbic.connect();
console.log(await po.converse((co) => co.getObj(script`who_am_i()`)));
await hbic.disconnect();
await hbis.close();

rmSync(folder, { recursive: true });
