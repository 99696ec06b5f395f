/**
 * What is published, as somebody gets it who installs it: what it brings along, what is in it, that it can be imported and typed.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}
const manifest = JSON.parse(read("package.json")) as Manifest;
const manifestOf = (name: string) => JSON.parse(read(`node_modules/${name}/package.json`)) as Manifest;

/** What npm runs when a package is installed, from the registry or from a repository. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare"];

describe("the manifest", () => {
  it("depends on one exact version of acorn, with zod beside it, and what single entries need", () => {
    expect(manifest.dependencies).toEqual({ acorn: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
    expect(manifest).toMatchObject({
      peerDependencies: { "fast-check": expect.any(String), ws: expect.any(String), zod: expect.any(String) },
      peerDependenciesMeta: { "fast-check": { optional: true }, ws: { optional: true } }, // of hbi/testing, and of WebSockets
    });
    expect(Object.keys((manifest as { peerDependencies?: object }).peerDependencies ?? {})).toHaveLength(3);
    for (const other of ["optionalDependencies", "bundleDependencies", "bundledDependencies", "overrides"]) {
      expect(manifest).not.toHaveProperty(other);
    }
  });

  it("runs nothing when it is installed, nor does what it depends on", () => {
    expect(INSTALL_SCRIPTS.filter((name) => name in (manifest.scripts ?? {}))).toEqual([]);
    expect(existsSync(join(root, "binding.gyp"))).toBe(false); // npm would build it, without any script
    const acorn = manifestOf("acorn");
    expect(acorn.version).toBe(manifest.dependencies?.["acorn"]);
    expect(acorn.dependencies ?? {}).toEqual({});
    const ofRegistry = INSTALL_SCRIPTS.slice(0, 3);
    for (const { scripts = {} } of [acorn, manifestOf("zod")]) {
      expect(ofRegistry.filter((name) => name in scripts)).toEqual([]);
    }
  });

  it("is locked: nothing but acorn is there for those who don't develop it", () => {
    type Locked = Readonly<Record<string, { readonly dev?: boolean; readonly integrity?: string }>>;
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Locked };
    const { "": _root, ...installed } = packages;
    const forAll = Object.keys(installed).filter((path) => installed[path]?.dev !== true);
    expect(forAll).toEqual(["node_modules/acorn"]);
    for (const [path, { integrity }] of Object.entries(installed)) expect(integrity, path).toMatch(/^sha512-/);
  });

  it("wants the first Node of each line whose object keys can't be chosen to collide, and the documents say so", () => {
    expect(manifest.engines.node).toBe("^20.20.2 || ^22.22.2 || ^24.14.1 || >=25.8.2");
    for (const [version] of manifest.engines.node.matchAll(/\d+\.\d+\.\d+/g)) {
      for (const path of ["README.md", "docs/hardening.md"]) expect(read(path), path).toContain(version);
    }
  });
});

const isWindows = process.platform === "win32";

function npm(args: readonly string[], cwd: string): string {
  const settings = ["--offline", "--no-audit", "--no-fund", "--no-update-notifier", "--silent"];
  return execFileSync(isWindows ? "npm.cmd" : "npm", [...args, ...settings], {
    cwd,
    encoding: "utf8",
    shell: isWindows,
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Runs a program of node, and gives all that it says. */
async function node(args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
const tsc = join(root, "node_modules/typescript/bin/tsc");

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** The repository as it is, but for what it ignores, with leftovers of a build; and a folder where nothing is installed. */
mkdirSync(join(root, ".cache"), { recursive: true });
const staging = mkdtempSync(join(root, ".cache/package-"));
const consumer = mkdtempSync(join(tmpdir(), "hbi-consumer-"));
let packed: Packed;
/** of each path in the package */
const texts = new Map<string, string>();

beforeAll(async () => {
  const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  for (const path of files.trim().split("\n")) {
    if (!existsSync(join(root, path))) continue; // deleted, and not committed
    mkdirSync(dirname(join(staging, path)), { recursive: true });
    cpSync(join(root, path), join(staging, path));
  }
  symlinkSync(join(root, "node_modules"), join(staging, "node_modules"), "junction");
  mkdirSync(join(staging, "dist"));
  for (const name of ["removed.js", "index.js.map"]) writeFileSync(join(staging, "dist", name), "{}");
  [packed] = JSON.parse(npm(["pack", "--json", "--pack-destination", consumer], staging)) as [Packed];
  for (const { path } of packed.files) texts.set(path, readFileSync(join(staging, path), "utf8"));
}, 120_000);
afterAll(() => {
  rmSync(staging, { recursive: true, force: true });
  rmSync(consumer, { recursive: true, force: true });
});

const DOCUMENTS = readdirSync(join(root, "docs")).filter((name) => name !== "images");

describe("the package", () => {
  it("has what the sources become, the documents, and nothing else", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true })
      .map((path) => String(path).replaceAll("\\", "/"))
      .filter((path) => path.endsWith(".ts"))
      .map((path) => `dist/${path.slice(0, -".ts".length)}`);
    const expected = [
      ...["package.json", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"],
      "typescript-5.7-or-later-is-required.d.ts", // its name is what older compilers report
      ...DOCUMENTS.map((name) => `docs/${name}`),
      ...sources.flatMap((path) => [`${path}.js`, `${path}.d.ts`]),
    ];
    expect(expected.length).toBeGreaterThan(200);
    expect(packed.files.map(({ path }) => path).sort()).toEqual(expected.sort());
  });

  it("has documents of docs/, and not its images", () => {
    for (const name of DOCUMENTS) expect(name).toMatch(/^[a-z-]+\.md$/);
  });

  it("is no larger than it may be: 5 % more than when that was last looked at", () => {
    console.log(`package: ${packed.files.length} files, ${packed.size} bytes, ${packed.unpackedSize} unpacked`);
    expect(packed.size).toBeLessThan(625_000);
    expect(packed.unpackedSize).toBeLessThan(2_273_000);
  });

  it("reveals nothing of the machine that built it", () => {
    for (const [path, text] of texts) expect(text.includes(root.slice(0, -1)), path).toBe(false);
  });

  it("names no source map that it does not bring, and has none of sources that it does not bring", () => {
    for (const [path, text] of texts) {
      const named = [...text.matchAll(/^\/\/[#@] sourceMappingURL=(?!data:)(\S+)/gm)].map(([, url = ""]) => url);
      if (path.endsWith(".map")) {
        const { sources, sourcesContent = [] } = JSON.parse(text) as { sources: string[]; sourcesContent?: string[] };
        named.push(...sources.filter((_, index) => sourcesContent[index] === undefined));
      }
      for (const name of named) expect([...texts.keys()], path).toContain(posix.join(posix.dirname(path), name));
    }
  });

  it("has every file that its exports name, and the types before the code", () => {
    const paths = new Set(packed.files.map(({ path }) => `./${path}`));
    expect(Object.keys(manifest.exports)).toEqual([".", "./node", "./cluster", "./ws", "./testing", "./package.json"]);
    for (const [entry, target] of Object.entries(manifest.exports)) {
      const conditions = typeof target === "string" ? { default: target } : target;
      if (typeof target !== "string")
        expect(Object.keys(conditions), entry).toEqual(["types@<5.7", "types", "default"]);
      for (const path of Object.values(conditions)) expect(paths, entry).toContain(path);
    }
  });
});

it("has source maps where it is developed: a stack names the sources", async () => {
  const build = 'import { build } from "./scripts/setup.mjs"; build({ isChecked: false });';
  expect(await node(["--input-type=module", "--eval", build], staging)).toEqual({ code: 0, output: "" });
  const fails = 'import { defineService } from "hbi"; defineService({ name: "0", version: "1.0.0", methods: {} });';
  const { output } = await node(["--enable-source-maps", "--input-type=module", "--eval", fails], staging);
  expect(output).toContain(join(staging, "src/registry/service.ts:"));
});

const RUNS = `
import { defineService, method } from "hbi";
import { connect, serve } from "hbi/node";
import manifest from "hbi/package.json" with { type: "json" };
import { z } from "zod";

export const sums = defineService({
  name: "sums",
  version: "1.0.0",
  methods: { add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }) },
});
const server = await serve(sums, "127.0.0.1:0", () => ({ add: ({ a, b }) => a + b }));
export const link = await connect(sums, server.address);
console.log(manifest.name, await link.call.add({ a: 1, b: 2 }));
await link.close();
await server.close();
for (const path of ["hbi/dist/index.js", "hbi/dist/endpoints/service/link.js"]) {
  await import(path).catch(({ code }) => console.log(code));
}
await import("hbi/testing").then(
  (testing) => console.log(typeof testing.testLink),
  ({ code, message }) => console.log(code, message.includes("'fast-check'")),
);
`;

const TYPED = `
import { defineService, HbiError, method } from "hbi";
import { connect, serve } from "hbi/node";
import { testLink } from "hbi/testing";
import { z } from "zod";

const sums = defineService({
  name: "sums",
  version: "1.0.0",
  methods: { add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }) },
});
const handlers = () => ({ add: ({ a, b }: { a: number; b: number }) => a + b });
const server = await serve(sums, "127.0.0.1:0", handlers, { authorize: ({ name }) => name === "add" });
const link = await connect(sums, server.address);
export const sum: number = await link.call.add({ a: 1, b: 2 });
export const test = await testLink(sums, handlers);
export const code: "not_found" = new HbiError("not_found", "no").code as "not_found";
// These are refused: what has no types would let them through.
// @ts-expect-error a text is no number
await link.call.add({ a: "1", b: 2 });
// @ts-expect-error not declared
await test.link.call.sub({ a: 1, b: 2 });
// @ts-expect-error no code of ours
new HbiError("teapot", "no");
`;

/** Installed as links to what the repository has installed, so that installing them needs no registry. */
const NEEDED = ["acorn", "zod"];
const WANTED = ["fast-check", "pure-rand", "@types/node", "undici-types"];

const installed = () => readdirSync(join(consumer, "node_modules")).filter((name) => !name.startsWith("."));

describe("a program that installs it", () => {
  it("gets acorn, and zod for which it asks itself, and imports what is exported and no more", async () => {
    writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
    writeFileSync(join(consumer, "runs.js"), RUNS);
    const packages = [join(consumer, packed.filename), ...NEEDED.map((name) => join(root, "node_modules", name))];
    npm(["install", "--ignore-scripts", "--no-package-lock", ...packages], consumer);
    expect(installed()).toEqual(["acorn", "hbi", "zod"]);
    const hidden = "ERR_PACKAGE_PATH_NOT_EXPORTED";
    const missing = "ERR_MODULE_NOT_FOUND true"; // optional: who tests with it installs fast-check
    expect(await node(["--no-warnings", "runs.js"], consumer)).toEqual({
      code: 0,
      output: `hbi 3\n${hidden}\n${hidden}\n${missing}\n`,
    });
  }, 120_000);

  it("has the testing kit with fast-check", async () => {
    for (const name of WANTED) {
      cpSync(join(root, "node_modules", name), join(consumer, "node_modules", name), { recursive: true });
    }
    const { output } = await node(["--no-warnings", "runs.js"], consumer);
    expect(output.trim().split("\n").at(-1)).toBe("function");
  }, 120_000);

  it("finds its types", async () => {
    // with other settings and compilers: npm run check-package
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      lib: ["es2023", "esnext.disposable"],
      types: ["node"],
      strict: true,
      declaration: true, // what is exported has types that the consumer can name
      noEmit: true,
    };
    writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["typed.ts"] }));
    writeFileSync(join(consumer, "typed.ts"), TYPED);
    expect(await node([tsc, "-p", ".", "--pretty", "false"], consumer)).toEqual({ code: 0, output: "" });
  }, 60_000);
});
