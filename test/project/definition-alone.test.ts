/**
 * A service definition is a package of its own: it compiles without Node and without a browser, and a bundle of it holds
 * nothing that connects. examples/shop-definition.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { bundle, type Part, PROGRAMS } from "../../scripts/bundle.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

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

/** Bytes of what is loaded first, minified and gzipped, without zod: 1 % more than when that was last looked at. */
const MOST_BYTES = { definition: 16_650, client: 74_850, browser: 77_650, node: 80_150 };

const paths = (part: Part) => part.files.map(({ path }) => path);

it("takes nothing of what connects into a bundle", async () => {
  const { first, later, imports } = await bundle(PROGRAMS.definition);
  console.log(`definition: ${first.gzippedBytes} bytes minified and gzipped, without zod`);
  expect(first.gzippedBytes).toBeLessThan(MOST_BYTES.definition);
  expect(paths(first)).toContain("examples/shop-definition/shop.ts");
  expect(paths(first)).toContain("src/registry/method.ts");
  expect(paths(first).filter((path) => /^src\/(endpoints|wire)\//.test(path))).toEqual([]);
  expect(later).toEqual([]);
  expect(imports).toEqual(["zod"]);
});

it("is called by a client without a trace of Node, which loads on demand what most clients do not need", async () => {
  const { first, later, imports } = await bundle(PROGRAMS.client);
  console.log(`client: ${first.gzippedBytes} bytes minified and gzipped, without zod`);
  expect(first.gzippedBytes).toBeLessThan(MOST_BYTES.client);
  expect(paths(first)).toContain("src/endpoints/service/link.ts");
  const laterPaths = later.flatMap(paths);
  const isOnDemand = (path: string) => path.startsWith("src/registry/description/") || /\bacorn\b/.test(path);
  expect(paths(first).filter(isOnDemand)).toEqual([]);
  // needed where definitions differ, and by tokens that the Scanner does not read
  expect(laterPaths).toEqual(expect.arrayContaining(["src/registry/description/describe.ts"]));
  expect(laterPaths).toEqual(expect.arrayContaining(["node_modules/acorn/dist/acorn.mjs"]));
  const isOfServers = (path: string) => /service-host|acceptor|\/testing\/|asyncapi/.test(path);
  expect([...paths(first), ...laterPaths].filter(isOfServers)).toEqual([]);
  expect(imports).toEqual(["zod"]);
});

it("is called over a WebSocket by little more", async () => {
  const { first, imports } = await bundle(PROGRAMS.browser);
  console.log(`browser: ${first.gzippedBytes} bytes minified and gzipped, without zod`);
  expect(first.gzippedBytes).toBeLessThan(MOST_BYTES.browser);
  expect(paths(first)).toContain("src/wire/transport/web-socket.ts");
  expect(imports).toEqual(["zod"]);
});

it("a program that does use Node is seen to", async () => {
  const { first, imports } = await bundle(PROGRAMS.node);
  console.log(`connect: ${first.gzippedBytes} bytes minified and gzipped, without zod`);
  expect(first.gzippedBytes).toBeLessThan(MOST_BYTES.node);
  expect(paths(first)).toContain("src/wire/transport/node-socket.ts");
  expect(imports).toContain("node:net");
});
