/**
 * The examples, run as a newcomer runs them: as processes, built, against the built library.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { hasOpenssl } from "../support/authority.ts";
import { type Ended, program, runProgram, startProgram, stopProgram } from "../support/programs.ts";
import { lyingHbis, lyingServer } from "./lying-servers.ts";

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

it("hello: a greeting is pushed on connect, a name is assigned, the answer uses it", async () => {
  const server = await startProgram("examples/hello/server.ts", ["127.0.0.1:0"]);
  const { code, output } = await runProgram("examples/hello/client.ts", [server.address, "Ada"]);
  await stopProgram(server);
  expect(output).toMatch(/^Welcome to HBI world!\nHello, Ada from 127\.0\.0\.1:\d+!\n$/);
  expect(code).toBe(0);
});

it("the README's server and client: results, a push for each, a refusal told by its code", async () => {
  const { code, output } = await runAgainst("examples/readme/server.ts", "examples/readme/client.ts");
  for (const name of ["md5", "sha1", "sha256"]) {
    expect(output).toMatch(new RegExp(`^${name} took [\\d.]+ ms$`, "m"));
    expect(output).toContain(`'${createHash(name).update("Hello, HBI!").digest("hex")}'`);
  }
  expect(output).toMatch(/^no such algorithm \{ algorithm: 'md17' \}$/m);
  expect(code).toBe(0);
});

it("the same on the HBI layer: answers, and a push for each", async () => {
  const { code, output } = await runAgainst("examples/hbi-layer/server.ts", "examples/hbi-layer/client.ts");
  for (const name of ["a", "bb", "ccc"]) expect(output).toContain(`${name} is hashed`);
  for (const name of ["a", "bb", "ccc"]) expect(output).toContain(createHash("sha256").update(name).digest("hex"));
  expect(code).toBe(0);
});

it("stdio: a program is started and called, and prints to standard error", async () => {
  const { code, output } = await runProgram("examples/stdio/main.ts", []);
  expect(output).toMatch(/^counting a\.txt$/m);
  expect(output).toMatch(/^4$/m);
  expect(code).toBe(0);
});

it("workers: a service in a worker, one that is started again, one that calls", async () => {
  const { code, output } = await runProgram("examples/workers/main.ts", []);
  expect(output).toMatch(/^(?:\d+ %\n){4}9592 primes\n/);
  expect(output).toContain("connecting the connection is closed: the worker has failed: out of primes\nlost: true\n");
  expect(output).toMatch(/^4 primes$/m);
  expect(output).toMatch(/^the worker reads: green$/m);
  expect(code, output).toBe(0);
});

/** They name port 3232, as a newcomer would; if that is taken here, the test says so by failing to listen. */
async function runAgainst(server: string, client: string): Promise<Ended> {
  const child = spawn(process.execPath, [program(server)], { stdio: ["ignore", "inherit", "inherit"] });
  const exited = once(child, "exit");
  await listening(3232);
  const ended = await runProgram(client, []);
  expect(child.exitCode, `${server} listens`).toBe(null);
  child.kill();
  await exited;
  return ended;
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const outcome = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (outcome) return;
    await new Promise(setImmediate);
  }
}

const GUIDES: Readonly<Record<string, readonly string[]>> = {
  services: [
    "5 km, 3.11 mi\n2 lines\nadded: Oslo\n0 consumers did not answer\n",
    "Moss is 3.8 miles from Oslo\n",
    "call remove_place\npermission_denied\ncall remove_place\nAli called remove_place\ntrue\nunauthenticated\n",
    "connecting: peer error: maintenance, back at once\nopen\ntrue\n",
  ],
  handlers: [
    "ali sold nothing yet; ali sold a lamp; ali sold a bulb\n",
    "info call sell ok\ninfo call sell ok\nwarn conversation 104 sell\ninfo call sell permission_denied\n",
    "ali left\n",
    "a chair is here\na lamp is here\n",
    "1.0.0 methods.reserve removed\n",
  ],
  errors: [
    "3000 are left\n6000 too much\nno such account: NO-9\nnot_enough 6000\ninternal\nSELECT ",
    "invalid_argument bad_argument balance: argument refused: account",
    "{ most: 100000 }\n5\ndeadline_exceeded\ncancelled: the manager has left\nboth audits stopped\n",
    "perhaps done\npeer error: power cut\n",
  ],
  streaming: [
    "[ 6, 15 ]\ntrue\n0123456789 199990\ntrue\n9\npong\ncancelled\npong true\n",
    "9 bytes given, 10 declared\nbody_failed the disk is broken\npong\n",
  ],
  streams: ["1\n2\n3\ntrue\na,b\n"],
  "unknown-length": ["true true\nbody_too_big\n"],
  tls: [
    "over TLS: 120\n",
    "unavailable: could not connect: 127.0.0.1:",
    "the server's certificate has no chain to an authority that is trusted here: wrong tls.ca",
    "ali has 120, booked by ali\n",
    "a client certificate is required\nunauthenticated\n",
    "spiffe://example.com/ali\n",
    "renewed, and the old link goes on: 150\n",
    "ALI\n",
  ],
  hardening: [
    "barley, sesame [ 'shopping' ]\npermission_denied\nresource_exhausted true\n",
    "unauthenticated resource_exhausted\n",
    "true 2 { unauthenticated: 2, permission_denied: 1, resource_exhausted: 2 }\nchanged: peer error: closing\n",
  ],
  testing: [
    "pushed: desk 70, desk 0, hall 5\n30 s have passed\ndialed again\n",
    'HbiError("invalid_argument","set_lamp: argument refused: lamp.level: must be at most',
    "bad_answer: ",
    ...["set_lamp: bad_result, ", "fade: unexpected_error, ", "firmware: unread_body, "], // each with its smallest call
  ],
  limits: [
    "import_rows: too many values: 100,002 values, most of it in rows (20,000 items); the service accepts 100,000 (maxNodes)",
    "search: the result is too big: too many values, 5,001 values; the client accepts 1,000 (maxNodes)",
  ],
  transports: ["3 203.0.113.7 1\n", "hello, unix\nhello, 127.0.0.1\nhello, 203.0.113.9\n"],
  "all-cores": [
    "2 processes serve vault\n4 links, 2 processes\n1 hash, 4 answers\n0 of these processes are left\n",
    "true: all links are served again\n",
    "worker 2: ready, true, 0 restarts\n",
  ],
  upstart: ["false\ntrue\n", "unavailable\n", "has not answered for 2000 ms\n"],
  websocket: [
    "the page of the chat\n\nAda: hello\n1\n",
    "/chat: HTTP status 403: the server does not admit this origin: see its option origins\n",
    "a guest of 127.0.0.1: hi\na guest of 127.0.0.1: hi\n2\n",
  ],
  browsers: [
    "open\n",
    "stored: cat.png, 300000 bytes\n",
    "100 %\n300000 bytes of image/png at blob:…\n300000 bytes\nclosed\n",
    "all of it\n",
  ],
  "schema-export": [
    "asyncapi 3.0.0\ntrue\nbad option: book.params.slots.[].from: a coercion, which accepts more than its type, has no JSON Schema; map it by an override\ntrue\n",
    "methods.largest_part: removed, breaking\n",
  ],
  integration: [
    "stock(item)\nstore(item, amount)\nlabel(size)\n200\nstore: argument refused: amount: ",
    "screws, 200\nscrews, 200\nno responders\n50\n50\n",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 of acme\n",
  ],
};

/** What a link is told of its definition comes at any time. */
const TOLD_LATER = /^hbi: \S+ definition: .*\n/gm;

it("every folder of examples is compiled by check-package, with each compiler and setting", () => {
  const compiled = JSON.parse(readFileSync(new URL("../../package-check/examples.json", import.meta.url), "utf8"));
  expect(compiled).toEqual(readdirSync(new URL("../../examples/", import.meta.url)).sort());
});

it("every guide has its program here", () => {
  const files = readdirSync(new URL("../../examples/guides/", import.meta.url));
  expect(files.sort()).toEqual(
    Object.keys(GUIDES)
      .map((name) => `${name}.ts`)
      .sort(),
  );
});

it.for(Object.entries(GUIDES))("the code of the guides: %s", async ([name, said], { skip }) => {
  skip(name === "tls" && !hasOpenssl, "the openssl command is missing");
  const ended = await runProgram(`examples/guides/${name}.ts`, []);
  const { code } = ended;
  const output = ended.output.replaceAll(TOLD_LATER, "");
  for (const text of said) expect(output).toContain(text);
  expect(code, output).toBe(0);
});

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hbi-jobs-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Many enough for the service to drop its connections in the middle, with an empty one among them. */
const MANY = Object.fromEntries(
  Array.from({ length: 45 }, (_, i) => [`${i}.txt`, `line ${i}\n`.repeat(i * i * 7)] as const),
);
/** More than 256 KiB of uploads may be under way: then the kernel's reset can outrun the last words. */
const LOST =
  /(?:lost the connection|connection lost) \((?:peer error: maintenance, back at once|the connection is closed: .+)\)/;
const ONE = { "a.txt": "one\ntwo\n" };

it("jobs: verifies results, pushes, downloads and a composition, also across a lost connection", async () => {
  const { code, output } = await runProgram("examples/jobs/main.ts", [await folderOf(MANY)]);
  expect(output).toContain("45 files, 4 jobs with each");
  expect(output).toMatch(LOST);
  expect(output).toContain("connected again");
  expect(output).toMatch(/360 jobs: .* \((?:3[6-9]\d) pushes\)/); // of a job that was repeated perhaps two
  expect(output).toContain("45 downloads: ");
  expect(output).toContain("The largest file, 44.txt, was found and hashed by one script");
  expect(output).toMatch(/dropped the connection once: the link dialed again, [1-9]\d* lost calls were sent again/);
  expect(output).toContain("Everything is verified.");
  expect(code).toBe(0);
});

it.each([
  ["result", "a.txt: result of the answer is nonsense, should be "],
  ["push", "a.txt: result of the push is nonsense, should be "],
  ["silence", "a.txt: action of the push is undefined, should be "],
  ["download", "a.txt: checksum of the download is "],
  ["composition", "a.txt: checksum by script is nonsense, should be "],
] as const)("jobs: a consumer of a server that lies exits with 1: %s", async (lie, complaint) => {
  const lying = await lyingServer(lie);
  const { code, output } = await runProgram("examples/jobs/consumer.ts", [lying.address, await folderOf(ONE)]);
  await lying.close();
  expect(output).toContain(complaint);
  expect(output).not.toContain("Everything is verified.");
  expect(code).toBe(1);
});

it("jobs: results of the lying server are verified when it does not lie", async () => {
  const honest = await lyingServer();
  const { code, output } = await runProgram("examples/jobs/consumer.ts", [honest.address, await folderOf(ONE)]);
  await honest.close();
  expect(output).toContain("Everything is verified.");
  expect(code).toBe(0);
});

it("attack-lab: every attack shown is held, and the good client notices nothing", async () => {
  const { code, output } = await runProgram("examples/attack-lab/main.ts", ["--short"]);
  expect(output).toMatch(/^ {2}2 of 2 attacks held, \d+ MB of them; the good client made \d+ calls, 0 failed\.$/m);
  expect(code, output).toBe(0);
}, 60_000);

it("jobs-hbi: verifies every result in both styles, also across a lost connection", async () => {
  const { code, output } = await runProgram("examples/jobs-hbi/main.ts", [await folderOf(MANY)]);
  expect(output).toContain("180 jobs (45 files");
  expect(output).toMatch(LOST);
  expect(output).toContain("360 of 360 results verified");
  expect(code).toBe(0);
});

it("jobs-hbi: a consumer that is given a wrong result exits with 1", async () => {
  const lying = await lyingHbis();
  const { code, output } = await runProgram("examples/jobs-hbi/consumer.ts", [lying.address, await folderOf(ONE)]);
  await lying.close();
  expect(output).toContain("a.txt: result of the answer is nonsense, should be ");
  expect(code).toBe(1);
});
