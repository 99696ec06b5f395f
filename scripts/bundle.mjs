// Bundles and minifies a program as a browser's build does, and says what is in it. What measures bundles shares this.
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build, minifySync } from "vite";
import { root } from "./setup.mjs";

/** The library by its names, from its sources. */
const LIBRARY = [
  { find: /^hbi$/, replacement: join(root, "src/index.ts") },
  { find: /^hbi\/node$/, replacement: join(root, "src/node.ts") },
  { find: /^shop-definition$/, replacement: join(root, "examples/shop-definition/shop.ts") },
];

/** What is measured: a definition alone, a client over any transport, one in a browser, and one in Node. */
export const PROGRAMS = {
  definition: `export * from "shop-definition";`,
  client: `
    import { Link } from "hbi";
    import { shop } from "shop-definition";
    export const connectShop = (dial, reactions) => new Link(shop, dial, reactions, {}).open();
  `,
  browser: `
    import { dialWebSocket, Link } from "hbi";
    import { shop } from "shop-definition";
    export const connectShop = (url, reactions) =>
      new Link(shop, (options) => dialWebSocket(url, options), reactions, {}).open();
  `,
  node: `export { connect } from "hbi/node";`,
};

/** @param alias for what the program imports by a name, beside the library
 *  @param external what stays outside
 *  @param folder where packages are found */
export async function bundle(program, { alias = [], external = ["zod", /^node:/], folder = root } = {}) {
  const { output } = await build({
    root: folder,
    configFile: false,
    logLevel: "error",
    resolve: { alias: [...alias, ...LIBRARY] },
    plugins: [
      {
        name: "program",
        resolveId: (id) => (id === "program" ? join(folder, "program.js") : undefined),
        load: (id) => (id === join(folder, "program.js") ? program : undefined),
      },
    ],
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: { input: "program", preserveEntrySignatures: "allow-extension", external },
    },
  });
  const chunks = output.filter((part) => part.type === "chunk");
  const first = chunks.filter((chunk) => chunk.isEntry);
  for (const { imports } of first) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName) && !first.includes(chunk)) first.push(chunk);
  }
  const later = chunks.filter((chunk) => !first.includes(chunk));
  const names = new Set(chunks.map(({ fileName }) => fileName));
  const imports = chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]);
  return {
    entry: first[0].fileName,
    chunks,
    first: { ...sizes(first), files: filesOf(first, folder) },
    later: later.map((chunk) => ({ name: chunk.name, ...sizes([chunk]), files: filesOf([chunk], folder) })),
    imports: [...new Set(imports)].filter((name) => !names.has(name)).sort(),
  };
}

function sizes(chunks) {
  const sum = (sizeOf) => chunks.reduce((bytes, { code }) => bytes + sizeOf(code), 0);
  return { bytes: sum((code) => code.length), gzippedBytes: sum((code) => gzipSync(code).length) };
}

/** The files of which something is left. They have names in common and compress better together than alone: the bytes
 *  of each are its share of the bytes of all. */
function filesOf(chunks, folder) {
  return chunks.flatMap((chunk) => {
    const modules = Object.entries(chunk.modules).filter(([, { renderedLength }]) => renderedLength > 0);
    const files = modules.map(([id, { code }]) => ({ path: nameOf(id, folder), bytesAlone: gzippedAlone(code) }));
    const bytesAlone = files.reduce((bytes, file) => bytes + file.bytesAlone, 0);
    const share = gzipSync(chunk.code).length / bytesAlone;
    return files.map((file) => ({ path: file.path, gzippedBytes: Math.round(file.bytesAlone * share) }));
  });
}

function nameOf(id, folder) {
  return relative(folder, id.replace(/^\0/, "")).replaceAll("\\", "/");
}

function gzippedAlone(code) {
  // Nothing is removed: what is exported is not known here.
  const options = { module: true, compress: false, mangle: { toplevel: true } };
  return gzipSync(minifySync("file.js", code, options).code).length;
}
