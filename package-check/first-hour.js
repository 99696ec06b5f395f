// A new user's first hour: the README's programs, the guides, and a program that exports whatever can be inferred, compiled against the
// package as it is published, in an empty folder, by each version of TypeScript and with each setting of modules. Prints a table.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const INSTALLED = ["acorn", "zod", "fast-check", "pure-rand", "@types/node", "undici-types", "rate-limiter-flexible"];
const COMPILERS = {
  5.6: `${here}node_modules/typescript-5.6`,
  5.7: `${here}node_modules/typescript-5.7`,
  5.9: `${here}node_modules/typescript-5.9`,
  6: `${here}node_modules/typescript-6`,
  7: join(root, "node_modules/typescript"),
};

const STRICT = { target: "es2022", strict: true, declaration: true, skipLibCheck: false, outDir: "out" };
const NODE = { types: ["node"], allowImportingTsExtensions: true, rewriteRelativeImportExtensions: true };
const ALL = ["readme", "guides", "kinds"];
const NEEDS_57 = "typescript-5.7-or-later-is-required";
const NEEDS_IMPORT = "cannot be imported with 'require'";

/** Each with what it compiles, and the error that is right if there is one. The README's files need the two options that it names. */
const CASES = [
  { name: "tsc --init, and the README's two options", init: true, options: NODE, programs: ["readme"] },
  {
    name: "nodenext, exact optional types",
    options: { ...STRICT, ...NODE, module: "nodenext", exactOptionalPropertyTypes: true, lib: ["es2023", "dom"] },
    programs: ALL,
  },
  {
    name: "bundler",
    options: { ...STRICT, ...NODE, module: "esnext", moduleResolution: "bundler", lib: ["es2023"] },
    programs: ALL,
  },
  { name: "node16", options: { ...STRICT, ...NODE, module: "node16", lib: ["es2023"] }, programs: ["readme", "kinds"] },
  {
    name: "node18",
    since: 5.8,
    options: { ...STRICT, ...NODE, module: "node18", lib: ["es2023"] },
    programs: ["kinds"],
  },
  {
    name: "no @types/node, lib dom",
    options: { ...STRICT, module: "nodenext", types: [], lib: ["es2022", "dom"] },
    programs: ["portable"],
  },
  {
    name: "CommonJS, nodenext",
    isCommon: true,
    since: 5.8,
    options: { ...STRICT, module: "nodenext", types: [], lib: ["es2022", "dom"] },
    programs: ["portable"],
  },
  {
    name: "CommonJS, node16",
    isCommon: true,
    options: { ...STRICT, module: "node16", types: [], lib: ["es2022", "dom"] },
    programs: ["portable"],
    error: NEEDS_IMPORT,
  },
];

function folderWith(tarball) {
  const folder = mkdtempSync(join(tmpdir(), "hbi-first-hour-"));
  for (const name of INSTALLED)
    cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  writeFileSync(join(folder, "hbi.tgz"), tarball);
  mkdirSync(join(folder, "node_modules/hbi"));
  execFileSync("tar", ["-xzf", "hbi.tgz", "-C", "node_modules/hbi", "--strip-components=1"], { cwd: folder });
  for (const name of ["readme", "guides", "jobs"])
    cpSync(join(root, "examples", name), join(folder, name), { recursive: true });
  cpSync(join(here, "first-hour"), join(folder, "kinds"), { recursive: true });
  mkdirSync(join(folder, "portable"));
  cpSync(join(here, "first-hour/portable.ts"), join(folder, "portable/portable.ts"));
  return folder;
}

function filesOf(folder, program) {
  return readdirSync(join(folder, program))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${program}/${name}`);
}

/** "yes", "no" with the first errors, or the expected refusal. */
function outcome(folder, compiler, { options, init, programs, isCommon, error }, expected) {
  const tsc = join(compiler, "bin/tsc");
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, type: isCommon ? "commonjs" : "module" }),
  );
  rmSync(join(folder, "tsconfig.json"), { force: true });
  const args = ["--pretty", "false"];
  const files = programs.flatMap((program) => filesOf(folder, program));
  if (init) {
    spawnSync(process.execPath, [tsc, "--init"], { cwd: folder });
    args.push("--types", "node", "--rewriteRelativeImportExtensions");
    cpSync(join(folder, "readme"), folder, { recursive: true }); // a new user saves them there
    for (const other of ["readme", "guides", "jobs", "kinds", "portable"])
      rmSync(join(folder, other), { recursive: true });
  } else
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...options, rootDir: "." }, files }),
    );
  const { stdout, status } = spawnSync(process.execPath, [tsc, ...args], { cwd: folder, encoding: "utf8" });
  const wanted = expected ?? error;
  if (wanted !== undefined)
    return { isRight: stdout.includes(wanted), says: stdout.includes(wanted) ? `says: ${wanted}` : stdout };
  return { isRight: status === 0, says: status === 0 ? "yes" : stdout };
}

/** The table, and whether every line of it is as it should be. */
export function firstHour(tarball, versions = Object.keys(COMPILERS)) {
  const rows = [];
  let isRight = true;
  for (const version of versions.toSorted((a, b) => a - b)) {
    const compiler = COMPILERS[version];
    for (const one of CASES) {
      if (one.since !== undefined && Number(version) < one.since) continue;
      if (one.init && Number(version) < 5.9) continue; // its defaults were CommonJS
      if (version === "5.6" && one.name !== "no @types/node, lib dom") continue;
      const folder = folderWith(tarball);
      const found = outcome(folder, compiler, one, version === "5.6" ? NEEDS_57 : undefined);
      rmSync(folder, { recursive: true });
      isRight &&= found.isRight;
      rows.push(`| ${version} | ${one.name} | ${found.isRight ? found.says : "NO"} |`);
      console.log(rows.at(-1));
      if (!found.isRight) console.error(found.says.slice(0, 2_000));
    }
  }
  return isRight;
}
