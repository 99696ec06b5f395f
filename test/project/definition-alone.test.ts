/**
 * A service definition is a package of its own: it compiles without Node and without a browser, and a bundle of it holds
 * nothing that connects. examples/shop-definition.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const source = (path: string) => join(root, path);
const ALIASES = [
  { find: /^hbi$/, replacement: source("src/index.ts") },
  { find: /^hbi\/node$/, replacement: source("src/node.ts") },
  { find: /^shop-definition$/, replacement: source("examples/shop-definition/shop.ts") },
];

async function compile(args: readonly string[]): Promise<string> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const child = spawn(process.execPath, [tsc, ...args, "--pretty", "false"], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  return output;
}

/** The package in a folder where hbi and zod are installed, and nothing else is. */
async function installed(): Promise<string> {
  await mkdir(join(root, ".cache"), { recursive: true });
  const folder = await mkdtemp(join(root, ".cache/shop-definition-"));
  await cp(join(root, "examples/shop-definition"), folder, { recursive: true });
  const hbi = join(folder, "node_modules/hbi");
  await mkdir(hbi, { recursive: true });
  await cp(join(root, "package.json"), join(hbi, "package.json"));
  await symlink(join(root, "node_modules/zod"), join(folder, "node_modules/zod"), "junction");
  expect(await compile(["-p", join(root, "tsconfig.build.json"), "--outDir", join(hbi, "dist")])).toBe("");
  return folder;
}

it("compiles by its own tsconfig, which knows neither Node nor a browser", async () => {
  const folder = await installed();
  try {
    const project = ["-p", join(folder, "tsconfig.json")];
    expect(await compile(project)).toBe("");
    expect(await readFile(join(folder, "dist/shop.d.ts"), "utf8")).toContain("export declare const shop: ");
    const script = await readFile(join(folder, "dist/shop.js"), "utf8");
    expect([...script.matchAll(/ from "([^"]+)"/g)].map(([, name]) => name)).toEqual(["hbi", "zod"]);
    // What it knows of is what the tsconfig says, and not what happens to be installed above.
    await writeFile(join(folder, "shop.ts"), "setTimeout(() => undefined);\nnew URL('a:b');\n");
    expect((await compile(project)).match(/Cannot find name '\w+'/g)).toEqual([
      "Cannot find name 'setTimeout'",
      "Cannot find name 'URL'",
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

interface Bundle {
  /** files of which something is left in what is loaded before the program runs */
  readonly files: readonly string[];
  /** the same, of what is loaded on demand */
  readonly later: readonly string[];
  /** what is imported and not part of it */
  readonly imports: readonly string[];
  /** of what is loaded before the program runs, minified and gzipped */
  readonly gzippedBytes: number;
}

/** Bundles and minifies a program as a browser's build does; zod and acorn stay outside. */
async function bundle(program: string): Promise<Bundle> {
  const result = (await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { alias: ALIASES },
    plugins: [
      {
        name: "program",
        resolveId: (id) => (id === "program" ? "\0program" : undefined),
        load: (id) => (id === "\0program" ? program : undefined),
      },
    ],
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: { input: "program", preserveEntrySignatures: "strict", external: ["zod", "acorn", /^node:/] },
    },
  })) as Rolldown.RolldownOutput; // one, and not watched
  const chunks = result.output.filter((part) => part.type === "chunk");
  const first = new Set<Rolldown.OutputChunk>();
  const load = (found: (chunk: Rolldown.OutputChunk) => boolean): void => {
    for (const chunk of chunks) {
      if (!found(chunk) || first.has(chunk)) continue;
      first.add(chunk);
      load(({ fileName }) => chunk.imports.includes(fileName));
    }
  };
  load(({ isEntry }) => isEntry);
  const names = new Set(chunks.map(({ fileName }) => fileName));
  const imports = chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]);
  return {
    files: filesOf([...first]),
    later: filesOf(chunks.filter((chunk) => !first.has(chunk))),
    imports: [...new Set(imports)].filter((name) => !names.has(name)),
    gzippedBytes: [...first].reduce((sum, { code }) => sum + gzipSync(code).length, 0),
  };
}

function filesOf(chunks: readonly Rolldown.OutputChunk[]): string[] {
  const modules = chunks.flatMap((chunk) => Object.entries(chunk.modules));
  const left = modules.filter(([, { renderedLength }]) => renderedLength > 0);
  return left.map(([id]) => relative(root, id).replaceAll("\\", "/"));
}

/** Of bundles without zod and acorn, minified and gzipped: 5 % more than they had when that was last looked at. */
const MOST_BYTES = { definition: 15_800, client: 84_000, node: 86_500 };

it("takes nothing of what connects into a bundle", async () => {
  const { files, imports, gzippedBytes } = await bundle('export * from "shop-definition";');
  console.log(`definition: ${files.length} modules, ${gzippedBytes} bytes minified and gzipped, without zod and acorn`);
  expect(gzippedBytes).toBeLessThan(MOST_BYTES.definition);
  expect(files).toContain("examples/shop-definition/shop.ts");
  expect(files).toContain("src/registry/method.ts");
  expect(files.filter((file) => /^src\/(endpoints|wire)\//.test(file))).toEqual([]);
  expect(imports).toEqual(["zod"]);
});

it("is called by a client without a trace of Node", async () => {
  const { files, later, imports, gzippedBytes } = await bundle(`
    import { Link, memoryTransportPair } from "hbi";
    import { shop } from "shop-definition";
    export { memoryTransportPair };
    export const connectShop = (dial, reactions) => new Link(shop, dial, reactions, {}).open();
  `);
  const isOfDescriptions = (file: string) => file.startsWith("src/registry/description/");
  console.log(`client: ${files.length} modules, ${gzippedBytes} bytes minified and gzipped, without zod and acorn`);
  expect(gzippedBytes).toBeLessThan(MOST_BYTES.client);
  expect(files).toContain("src/endpoints/service/link.ts");
  expect(files.filter(isOfDescriptions)).toEqual([]); // they are needed where definitions differ
  expect(later.filter(isOfDescriptions)).toContain("src/registry/description/describe.ts");
  expect([...imports].sort()).toEqual(["acorn", "zod"]);
});

it("a program that does use Node is seen to", async () => {
  const { files, imports, gzippedBytes } = await bundle('export { connect } from "hbi/node";');
  console.log(`connect: ${files.length} modules, ${gzippedBytes} bytes minified and gzipped, without zod and acorn`);
  expect(gzippedBytes).toBeLessThan(MOST_BYTES.node);
  expect(files).toContain("src/wire/transport/node-socket.ts");
  expect(imports).toContain("node:net");
});
