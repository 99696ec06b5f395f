// What runs the package as it is published: a service and a consumer of it, over TCP, in each runtime and bundle, as an ES module and
// as CommonJS. What cannot be installed here is skipped, and said to be. Prints the table of docs/what-runs.md, which must say the same.
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { installed } from "../scripts/runtimes.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const MOST_MS = 60_000;

// --- the programs ------------------------------------------------------------------------------------------------------------

const esm = (names, from) => `import { ${names} } from "${from}";\n`;
const common = (names, from) => `const { ${names} } = require("${from}");\n`;

/** Calls, raw data in both directions, a push, a refusal, and a definition that differs, for which code is loaded on demand. */
const program = (
  imported,
) => `${imported("defineService, method", "hbi")}${imported("connect, serve", "hbi/node")}${imported("z", "zod")}
const told = method({ params: { text: z.string() } });
const greet = method({ params: { name: z.string().max(9) }, result: z.string() });
const double = method({
  params: { size: z.int() },
  body: ({ size }) => size,
  result: z.int(),
  resultBody: (size) => size,
});
const head = { name: "hello", version: "1.0.0" };
const hello = defineService({ ...head, methods: { greet, double }, reactions: { told } });
const other = defineService({ ...head, methods: { greet: told } });

async function main() {
  const said = [];
  const server = await serve(hello, "127.0.0.1:0", (peer) => ({
    async greet({ name }) {
      await peer.post.told({ text: "somebody asks" });
      return "Hello, " + name;
    },
    async double(_, call) {
      const bytes = await call.bytes();
      return { result: bytes.length * 2, body: [bytes, bytes] };
    },
  }));
  const link = await connect(hello, server.address, { told: ({ text }) => said.push(text) });
  said.push(await link.call.greet({ name: "Ada" }));
  const { result, body } = await link.call.double({ size: 50_000 }, { body: new Uint8Array(50_000).fill(1) });
  said.push(result, (await body.bytes()).length);
  said.push(await link.call.greet({ name: "somebody else" }).catch(({ reason }) => reason));
  said.push(await connect(other, server.address, {}, { onMismatch: "error" }).catch(({ reason }) => reason));
  await link.close();
  await server.close();
  return said.join(", ");
}
`;
/** A server of the package ws, and a client of the platform's WebSocket if it has one. */
const web = `${esm("connect, defineService, method", "hbi")}${esm("serveWebSocket", "hbi/ws")}${esm("z", "zod")}
const told = method({ params: { text: z.string() } });
const double = method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int(), resultBody: (size) => size });
const hello = defineService({ name: "hello", version: "1.0.0", methods: { double }, reactions: { told } });
const server = await serveWebSocket(hello, "ws://127.0.0.1:0/hbi", (peer) => ({
  async double(_, call) {
    await peer.post.told({ text: "somebody asks" });
    const bytes = await call.bytes();
    return { result: bytes.length * 2, body: [bytes, bytes] };
  },
}));
const said = [];
const { WebSocket } = globalThis.WebSocket === undefined ? await import("ws") : globalThis;
const link = await connect(hello, server.address, { told: ({ text }) => said.push(text) }, { webSocket: { WebSocket } });
const { result, body } = await link.call.double({ size: 500_000 }, { body: new Uint8Array(500_000).fill(1) });
said.push(result, (await body.bytes()).length);
await link.close();
await server.close();
console.log(said.join(", "));
`;
const WEB_SAYS = "somebody asks, 1000000, 1000000";
const SAYS = "somebody asks, Hello, Ada, 100000, 100000, bad_argument, other_definition";
const RUN = "main().then(console.log);\n";
const TEST = `it("runs", async () => expect(await main()).toBe(${JSON.stringify(SAYS)}));\n`;
/** Deadlines come while Jest's fake timers are installed, before the library is loaded or after, and when they no longer are. */
const timersTest = (isBefore) => `${esm("jest", "@jest/globals")}${esm("z", "zod")}
${isBefore ? "jest.useFakeTimers();" : ""}
const { defineService, method } = await import("hbi");
const { connect, serve } = await import("hbi/node");
const hold = method({ params: {}, result: z.null() });
const waiting = defineService({ name: "waiting", version: "1.0.0", methods: { hold } });
it("fake timers", async () => {
  const server = await serve(waiting, "127.0.0.1:0", () => ({ hold: () => new Promise(() => {}) }), { log: () => {} });
  const link = await connect(waiting, server.address);
  const late = () => expect(link.call.hold({}, { timeoutMs: 30 })).rejects.toMatchObject({ code: "deadline_exceeded" });
  jest.useFakeTimers();
  await late();
  const across = expect(link.call.hold({}, { timeoutMs: 100 })).rejects.toMatchObject({ code: "deadline_exceeded" });
  jest.useRealTimers();
  await across;
  await late();
  await link.disconnect();
  await server.close();
});
`;
const BY_REQUIRE = "Must use import to load ES Module";

/** Where the package is installed, with what it needs, and the programs. */
function folderWith(tarball) {
  const folder = mkdtempSync(join(tmpdir(), "hbi-runs-"));
  for (const name of ["acorn", "ws", "zod"])
    cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  writeFileSync(join(folder, "hbi.tgz"), tarball);
  mkdirSync(join(folder, "node_modules/hbi"));
  execFileSync("tar", ["-xzf", "hbi.tgz", "-C", "node_modules/hbi", "--strip-components=1"], { cwd: folder });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "jest": { "testEnvironment": "node" } }\n');
  writeFileSync(join(folder, "program.mjs"), program(esm) + RUN);
  writeFileSync(join(folder, "program.cjs"), program(common) + RUN);
  writeFileSync(join(folder, "web.mjs"), web);
  writeFileSync(join(folder, "esm.test.mjs"), program(esm) + TEST);
  for (const isBefore of [true, false])
    writeFileSync(join(folder, `timers-${isBefore ? "before" : "after"}.test.mjs`), timersTest(isBefore));
  writeFileSync(join(folder, "common.test.cjs"), program(common) + TEST);
  return folder;
}

// --- what runs them ----------------------------------------------------------------------------------------------------------

/** What a program says: "yes", or everything. */
async function said(folder, command, args, env = {}) {
  const options = { cwd: folder, timeout: MOST_MS, env: { ...process.env, ...env } };
  const { stdout, stderr } = await promisify(execFile)(command, args, options).catch((error) => error);
  const text = `${stdout ?? ""}${stderr ?? ""}`;
  return [SAYS, WEB_SAYS].includes(stdout?.trim()) ? "yes" : text;
}

async function each(run) {
  return [await run("program.mjs"), await run("program.cjs"), await run("web.mjs")];
}

const node = (folder, file) => said(folder, process.execPath, ["--no-warnings", file]);

function ofNode(name) {
  return async (folder) => {
    const modules = await installed(name);
    const command = join(modules, name, "bin/node");
    return each((file) => said(folder, command, ["--no-warnings", file]));
  };
}

async function ofJest(folder) {
  const jest = join(await installed("jest"), "jest/bin/jest.js");
  const run = async (files, count, ...options) => {
    const args = [...options, jest, "--testMatch", `**/${files}`, "--no-watchman", "--rootDir", folder];
    const text = await said(folder, process.execPath, args);
    if (text.includes(`Tests:       ${count} passed, ${count} total`)) return "yes";
    return text.includes(BY_REQUIRE) ? "no" : text;
  };
  const ofModules = ["--no-warnings", "--experimental-vm-modules"];
  return [await run("*.test.mjs", 3, ...ofModules), await run("common.test.cjs", 1)];
}

async function ofEsbuild(folder) {
  const modules = await installed("esbuild");
  const { build } = await import(pathToFileURL(join(modules, "esbuild/lib/main.js")));
  return await bundled("esbuild", async (format, outdir) => {
    const names = { entryPoints: [join(folder, "program.mjs")], outdir, outExtension: { ".js": `.${format}` } };
    await build({
      ...names,
      bundle: true,
      platform: "node",
      format: format === "mjs" ? "esm" : "cjs",
      splitting: format === "mjs",
      logLevel: "silent",
    });
  });
}

/** The package ws, which only WebSockets need, is CommonJS: it would require one more plugin. */
async function ofRollup(folder) {
  const modules = await installed("rollup", "@rollup/plugin-node-resolve");
  const { rollup } = await import(pathToFileURL(join(modules, "rollup/dist/es/rollup.js")));
  const { nodeResolve } = await import(pathToFileURL(join(modules, "@rollup/plugin-node-resolve/dist/es/index.js")));
  return await bundled("rollup", async (format, dir) => {
    const bundle = await rollup({
      input: join(folder, "program.mjs"),
      external: ["ws", /^node:/],
      plugins: [nodeResolve()],
      logLevel: "silent",
    });
    const names = { entryFileNames: `[name].${format}`, chunkFileNames: `[name]-[hash].${format}` };
    await bundle.write({ ...names, dir, format: format === "mjs" ? "es" : "cjs" });
    await bundle.close();
  });
}

async function ofWebpack(folder) {
  const modules = await installed("webpack");
  const { default: webpack } = await import(pathToFileURL(join(modules, "webpack/lib/index.js")));
  return await bundled("webpack", async (format, path) => {
    const isModule = format === "mjs";
    const output = {
      path,
      filename: `program.${format}`,
      chunkFilename: `[id].${format}`,
      ...(isModule ? { module: true, chunkFormat: "module" } : {}),
    };
    const options = {
      mode: "production",
      target: "node20",
      entry: join(folder, "program.mjs"),
      output,
      experiments: { outputModule: isModule },
    };
    const stats = await promisify(webpack)(options);
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
  });
}

/** Bundles a program in both forms, and runs it where nothing else is installed. */
async function bundled(name, make) {
  const results = [];
  for (const format of ["mjs", "cjs"]) {
    const out = mkdtempSync(join(tmpdir(), `hbi-runs-${name}-`));
    try {
      await make(format, out);
      results.push(await node(out, `program.${format}`));
    } catch (error) {
      results.push(String(error));
    } finally {
      rmSync(out, { recursive: true });
    }
  }
  return results;
}

const ALL = ["yes", "yes", "yes"];
const FORMS = ["as an ES module", "as CommonJS", "over WebSockets"];

/** The rows of the table, each with what is right of it: as an ES module, as CommonJS, and over WebSockets, which is not tried in
 *  bundles. */
const ROWS = [
  ["Node 20", ALL, ofNode("node-20")],
  ["Node 22", ALL, ofNode("node-22")],
  ["Node 24", ALL, ofNode("node-24")],
  ["Node 26", ALL, ofNode("node-26")],
  [
    "Bun 1.4",
    ALL,
    async (folder) => {
      const bun = join(await installed("bun"), "bun/bin/bun.exe");
      return each((file) => said(folder, bun, [file]));
    },
  ],
  [
    "Deno 2.9",
    ALL,
    async (folder) => {
      const deno = join(await installed("deno"), ".bin/deno");
      const args = ["run", "-A", "--node-modules-dir=manual"];
      return each((file) => said(folder, deno, [...args, file], { DENO_NO_UPDATE_CHECK: "1" }));
    },
  ],
  ["esbuild", ["yes", "yes"], ofEsbuild],
  ["rollup", ["yes", "yes"], ofRollup],
  ["webpack", ["yes", "yes"], ofWebpack],
  ["Jest 30", ["yes", "no"], ofJest],
];

/** How many run beside each other. */
const AT_ONCE = Math.min(availableParallelism(), 2);

/** Prints the table, and returns what is wrong of it. */
export async function whatRuns(tarball) {
  const folder = folderWith(tarball);
  const document = readFileSync(join(root, "docs/what-runs.md"), "utf8");
  const waiting = [...ROWS];
  const wrong = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, right, run] = next;
      const isTold = document
        .split("\n")
        .some((line) => cellsOf(line).join() === [name, ...FORMS.map((_, i) => right[i] ?? "")].join());
      if (!isTold) wrong.push(`docs/what-runs.md must say of ${name}: ${right.join(", ")}`);
      const found = await run(folder).catch((error) => String(error?.stderr || error));
      if (typeof found === "string") {
        console.log(`| ${name} | skipped, as it cannot be installed: ${found.trim().split("\n")[0]} |`);
        continue;
      }
      console.log(`| ${name} | ${found.map((text) => (text === "yes" || text === "no" ? text : "NO")).join(" | ")} |`);
      for (const [i, text] of found.entries()) {
        if (text !== right[i]) wrong.push(`${name}, ${FORMS[i]}: ${text.slice(0, 2_000)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  rmSync(folder, { recursive: true });
  return wrong;
}

/** The first word of each cell but the first, which counts whole. */
function cellsOf(line) {
  const [name = "", ...cells] = line.split("|").slice(1, -1);
  return [name.trim(), ...cells.map((cell) => /\w+/.exec(cell)?.[0] ?? "")];
}
