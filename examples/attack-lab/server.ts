/**
 * The server under attack, as a process: listens, measures and reports on request.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { LimitOptions, LogEntry } from "hbi";
import { upstart } from "hbi/cluster";
import { serve } from "hbi/node";
import { answer, tell, tellAgain } from "./child.ts";
import { handlersOf } from "./handlers.ts";
import { Meter } from "./meter.ts";
import type { Measured } from "./result.ts";
import { depot, type Kind, MAX_PAYLOAD_BYTES, PROCESSES, SLOW_TOKEN, TOKEN, vault } from "./service.ts";
import { complaint, forgery } from "./told.ts";

const meter = new Meter();
const complaints = new Set<string>();
let running = 0;
let mostRunning = 0;
let calls = 0;
let served:
  | { readonly connectionCount: number; readonly peers: ReadonlySet<{ disconnect(): Promise<void> }> }
  | undefined;

const handlers = handlersOf((complaint) => complaints.add(complaint));

const LOOK_MS = 5;
/** For processes that end, on a busy machine. */
const MOST_QUIET_MS = 60_000;

function log({ error, netIdent, where }: LogEntry): void {
  tell(error.reason ?? error.code);
  const message = error.message.replace(/^(.*: )?TLS handshake of [\d.:]+/, "$1TLS handshake"); // names its own peer
  for (const wrong of [complaint(message), forgery(netIdent), forgery(where)])
    if (wrong !== undefined && complaints.size < 10) complaints.add(`logged: ${wrong}`);
}

/** Wraps every handler. Calls of the good client do not count as load. */
async function counted({ name }: { readonly name: string }, next: () => unknown): Promise<unknown> {
  calls += 1;
  if (name === "add") return next();
  running += 1;
  mostRunning = Math.max(mostRunning, running);
  try {
    return await next();
  } finally {
    running -= 1;
  }
}

/** A certificate for an hour, created with the openssl command. */
function certificate(): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "hbi-attack-"));
  const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=depot";
  const files = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
  execFileSync("openssl", `${how} ${files}`.split(" "), { cwd: folder, stdio: "pipe" });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const pair = { key: read("key.pem"), cert: read("cert.pem") };
  rmSync(folder, { recursive: true });
  return pair;
}

async function listen({ kind, limits }: { kind: Kind; limits: LimitOptions }) {
  const options = { limits, log, interceptors: [counted] };
  if (kind === "guarded") {
    const authenticate = async ({ token }: { token: string }) => {
      if (token === SLOW_TOKEN) await setTimeout(120_000, undefined, { ref: false });
      return token === TOKEN;
    };
    // With the same methods, and therefore the same handlers.
    const server = await serve(vault, "127.0.0.1:0", handlers as never, { ...options, authenticate });
    served = server;
    return { address: server.address };
  }
  if (kind === "web" || kind === "compressed") {
    const webSocket = { compression: kind === "compressed", maxPayload: MAX_PAYLOAD_BYTES };
    const server = await serve(depot, "ws://127.0.0.1:0/hbi", handlers, { ...options, webSocket });
    served = server;
    return { address: server.address };
  }
  if (kind === "processes") {
    const program = new URL("./process.js", import.meta.url);
    const cluster = await upstart(depot, "127.0.0.1:0", handlers, { ...PROCESSES, limits, log, program });
    served = {
      get connectionCount() {
        return cluster.connectionCount;
      },
      peers: new Set(),
    };
    return { address: cluster.address };
  }
  const tls = kind === "tls" ? certificate() : undefined;
  const server = await serve(depot, "127.0.0.1:0", handlers, { ...options, ...(tls === undefined ? {} : { tls }) });
  served = server;
  return { address: server.address, ca: tls?.cert };
}

/** Ends what the previous attack has left: the loss of a peer goes unnoticed while nothing is read from it. The good
 *  client connected first. */
async function quiet(): Promise<void> {
  if (served === undefined) return;
  for (const peer of [...served.peers].slice(1)) void peer.disconnect();
  const over = performance.now() + MOST_QUIET_MS;
  while (served.connectionCount > 1 && performance.now() < over) await setTimeout(LOOK_MS);
}

answer({
  listen,
  async begin() {
    await quiet();
    meter.begin();
    tellAgain();
    complaints.clear();
    calls = 0;
    mostRunning = running;
  },
  end: (): Measured => ({ ...meter.end(), calls, mostRunning, complaints: [...complaints] }),
});
