// npm run bundle-size: what a bundle of the library weighs, minified and gzipped, without zod; by folder and by file.
//
//   node scripts/bundle-size.mjs [definition | client | browser | node] [--files] [--beside]
//
// --files prints the files, not only the folders; --beside prints what a page loads, next to the clients that the benchmark
// knows, built in the same way. docs/performance.md.
import { bundle, PROGRAMS } from "./bundle.mjs";
import { install, installIn, root } from "./setup.mjs";

const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith("--"));
const isByFile = args.includes("--files");

/** What is loaded for the first call with a lane of its own. */
const OF_LANES = ["conversing-parts", "lanes", "streaming"];

install();
if (args.includes("--beside")) await beside();
else for (const name of names.length > 0 ? names : Object.keys(PROGRAMS)) await sizesOf(name);

function row(bytes, words) {
  console.log(`${bytes.toLocaleString("en").padStart(9)}  ${words}`);
}

async function sizesOf(name) {
  if (!Object.hasOwn(PROGRAMS, name)) {
    console.error(`usage: npm run bundle-size -- [${Object.keys(PROGRAMS).join(" | ")}] [--files] [--beside]`);
    process.exit(2);
  }
  const { first, later } = await bundle(PROGRAMS[name]);
  row(first.gzippedBytes, `${name}, before the program runs`);
  parts(first);
  for (const part of later) {
    row(part.gzippedBytes, `${name}, on demand: ${part.name}`);
    if (isByFile) parts(part);
  }
  console.log();
}

function parts({ files }) {
  const sums = new Map();
  for (const { path, gzippedBytes } of files) {
    const key = isByFile ? path : folderOf(path);
    sums.set(key, (sums.get(key) ?? 0) + gzippedBytes);
  }
  for (const [key, bytes] of [...sums].sort(([, a], [, b]) => b - a)) row(bytes, `    ${key}`);
}

/** "src/errors.ts" is its own. */
function folderOf(path) {
  const folders = path.split("/").slice(0, -1);
  return folders.length < 2 ? path : folders.join("/");
}

/** A page that calls a service of two methods. Its schemas are of `zod`, which is left out of the bundle or not. */
function pageWith(zod) {
  return `
  import { connect, defineService, method } from "hbi";
  import * as z from "${zod}";
  const shop = defineService({
    name: "shop",
    version: "1.0.0",
    methods: {
      price: method({ params: { item: z.string() }, result: z.number() }),
      photo: method({ params: { item: z.string() }, result: z.number(), resultBody: (size) => size }),
    },
    reactions: { sold: method({ params: { item: z.string() } }) },
  });
  export const connectShop = (url, sold) => connect(shop, url, { sold }, { reconnect: {} });
`;
}

/** Each as a program that connects and calls would import it. */
async function beside() {
  const bench = `${root}bench/`;
  installIn(bench, "Installing what is measured (once)...");
  const page = await bundle(pageWith("zod"));
  row(page.first.gzippedBytes, "hbi, connect with a definition of two methods, without zod");
  const lanes = page.later.filter(({ name }) => OF_LANES.includes(name));
  if (lanes.length < OF_LANES.length) throw new Error(`not on demand: ${OF_LANES}`);
  const bytes = lanes.reduce((sum, { gzippedBytes }) => sum + gzippedBytes, page.first.gzippedBytes);
  row(bytes, "    and with lanes, bodies and reactions, which are loaded on demand");
  for (const zod of ["zod/mini", "zod"]) {
    const { first } = await bundle(pageWith(zod), { external: [] });
    row(first.gzippedBytes, `    with ${zod}`);
  }
  const programs = {
    "capnweb 0.12, over a WebSocket": `export { newWebSocketRpcSession } from "capnweb";`,
    "@trpc/client 11, over HTTP": `export { createTRPCClient, httpBatchLink } from "@trpc/client";`,
    "@trpc/client 11, over a WebSocket": `export { createTRPCClient, createWSClient, wsLink } from "@trpc/client";`,
    "socket.io-client 4.8": `export { io } from "socket.io-client";`,
  };
  for (const [name, program] of Object.entries(programs)) {
    const found = await bundle(program, { folder: bench.slice(0, -1) });
    row(found.first.gzippedBytes, name);
  }
}
