/**
 * A bundle of a client of which a part that is loaded on demand cannot be loaded, as without a network, or in a
 * service worker, where `import()` is not allowed.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Library from "hbi";
import { bundle } from "../../scripts/bundle.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

let bundled: ReturnType<typeof bundle> | undefined;

/** @param broken the names of the parts, by their first files */
export async function withBrokenBundle<T>(
  broken: readonly string[],
  use: (lib: Pick<typeof Library, "Link">) => Promise<T>,
): Promise<T> {
  await mkdir(join(root, ".cache"), { recursive: true });
  const folder = await mkdtemp(join(root, ".cache/broken-"));
  try {
    bundled ??= bundle('export { Link } from "hbi";');
    const { chunks, entry } = await bundled;
    for (const { fileName, code } of chunks) {
      const name = basename(fileName);
      const isBroken = broken.includes(name.replace(/-[\w-]{8}\.js$/, ""));
      await writeFile(join(folder, name), isBroken ? `${code}\nthrow new TypeError("import() is disallowed");` : code);
    }
    return await use(await import(/* @vite-ignore */ pathToFileURL(join(folder, basename(entry))).href));
  } finally {
    await rm(folder, { recursive: true });
  }
}
