// npm run example:browser [HOST:PORT]: builds the page of examples/browser as one builds for production, and runs its server.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildPrograms, install, program, root, run } from "./setup.mjs";

/** Needs the library in dist/. The program of the page is one file: when its server is gone, no parts could be loaded on demand.
 *  @param folder an absolute path */
export async function buildPage(folder) {
  const { build } = await import("vite"); // which comes with vitest, and may have to be installed first
  await build({
    root: join(root, "examples/browser/page"),
    configFile: false,
    logLevel: "error",
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0,
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const folder = join(root, ".cache/page");
  const [address = "127.0.0.1:8080"] = process.argv.slice(2);
  install();
  buildPrograms();
  await buildPage(folder);
  run(process.execPath, ["--enable-source-maps", program("examples/browser/server.ts"), address, folder]);
}
