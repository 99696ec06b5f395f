// A new user's first hour: the README's programs, the guides, all other examples, and a program that exports whatever can be inferred, compiled against the
// package as it is published, in an empty folder, by each version of TypeScript, and by the oldest and the newest also with each setting
// of modules. Prints a table.
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const INSTALLED = [
  ...["acorn", "zod", "fast-check", "pure-rand", "ws", "@types/ws"],
  ...["@types/node", "undici-types", "rate-limiter-flexible"],
];
const COMPILERS = {
  5.6: `${here}node_modules/typescript-5.6`,
  5.7: `${here}node_modules/typescript-5.7`,
  5.9: `${here}node_modules/typescript-5.9`,
  6: `${here}node_modules/typescript-6`,
  7: join(root, "node_modules/typescript"),
};

const STRICT = { target: "es2022", strict: true, declaration: true, skipLibCheck: false, outDir: "out" };
const NODE = { types: ["node"], allowImportingTsExtensions: true, rewriteRelativeImportExtensions: true };
/** Every folder of examples/. */
const EXAMPLES = JSON.parse(readFileSync(join(here, "examples.json"), "utf8"));
const ALL = [...EXAMPLES, "kinds"];
/** The settings of modules that lie between are tried with less. */
const SMALL = ["hbi-layer", "hello", "readme", "shop-definition", "kinds"];
const NEEDS_57 = "typescript-5.7-or-later-is-required";
const NEEDS_IMPORT = "cannot be imported with 'require'";

/** These compile every case, the versions between them what is marked: how modules are found is the same in all. */
const ENDS = ["5.7", "7"];
/** How many compilers run beside each other. */
const AT_ONCE = Math.min(availableParallelism(), 4);

/** Each with what it compiles, and the error that is right if there is one. The README's files need the two options that it names. */
const CASES = [
  { name: "tsc --init, and the README's two options", init: true, options: NODE, isForAll: true, programs: ["readme"] },
  {
    name: "nodenext, exact optional types",
    isForAll: true,
    options: { ...STRICT, ...NODE, module: "nodenext", exactOptionalPropertyTypes: true, lib: ["es2023", "dom"] },
    programs: ALL,
  },
  {
    name: "bundler",
    options: { ...STRICT, ...NODE, module: "esnext", moduleResolution: "bundler", lib: ["es2023"] },
    programs: ALL.filter((name) => name !== "browser"),
  },
  {
    name: "bundler, lib dom",
    options: { ...STRICT, ...NODE, module: "esnext", moduleResolution: "bundler", lib: ["es2023", "dom"] },
    programs: ["browser"],
  },
  { name: "node16", options: { ...STRICT, ...NODE, module: "node16", lib: ["es2023"] }, programs: SMALL },
  {
    name: "node18",
    since: 5.8,
    options: { ...STRICT, ...NODE, module: "node18", lib: ["es2023"] },
    programs: SMALL,
  },
  {
    name: "no @types/node, lib dom",
    options: { ...STRICT, module: "nodenext", types: [], lib: ["es2022", "dom"] },
    programs: ["portable"],
  },
  {
    name: "CommonJS, nodenext",
    isForAll: true,
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

/** Where the package is installed, and beside it what its users install. */
function folderWith(tarball) {
  const folder = mkdtempSync(join(tmpdir(), "hbi-first-hour-"));
  copyPackages(INSTALLED, folder);
  writeFileSync(join(folder, "hbi.tgz"), tarball);
  mkdirSync(join(folder, "node_modules/hbi"));
  execFileSync("tar", ["-xzf", "hbi.tgz", "-C", "node_modules/hbi", "--strip-components=1"], { cwd: folder });
  return folder;
}

function copyPackages(names, folder) {
  for (const name of names)
    cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
}

/** A user's folder in there, with the programs. */
function userOf(installed, { options, init, programs, isCommon }) {
  const folder = mkdtempSync(join(installed, "user-"));
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, type: isCommon ? "commonjs" : "module" }),
  );
  if (init) {
    cpSync(join(root, "examples/readme"), folder, { recursive: true }); // a new user saves them there
    return folder;
  }
  for (const name of EXAMPLES)
    cpSync(join(root, "examples", name), join(folder, "examples", name), { recursive: true });
  // The guide to WebSockets uses the package itself; hbi/ws needs none of its types.
  if (programs.includes("guides")) copyPackages(["ws", "@types/ws"], folder);
  cpSync(join(here, "first-hour"), join(folder, "kinds"), { recursive: true });
  mkdirSync(join(folder, "portable"));
  cpSync(join(here, "first-hour/portable.ts"), join(folder, "portable/portable.ts"));
  const files = programs.flatMap((program) =>
    filesOf(folder, EXAMPLES.includes(program) ? `examples/${program}` : program),
  );
  const compilerOptions = { ...options, rootDir: "." };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  return folder;
}

function filesOf(folder, program) {
  return readdirSync(join(folder, program), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${program}/${name.replaceAll("\\", "/")}`);
}

/** What a compiler says, and its exit code. */
async function compile(compiler, args, cwd) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(compiler, "bin/tsc"), ...args], { cwd });
    return { stdout, status: 0 };
  } catch (error) {
    return { stdout: error.stdout, status: error.code };
  }
}

/** "yes", the errors, or the expected refusal. */
async function outcome(folder, compiler, { init, error }, expected = error) {
  const args = ["--pretty", "false"];
  if (init) {
    await compile(compiler, ["--init"], folder);
    args.push("--types", "node", "--rewriteRelativeImportExtensions");
  }
  const { stdout, status } = await compile(compiler, args, folder);
  if (expected !== undefined) {
    const isRight = stdout.includes(expected);
    return { isRight, says: isRight ? `says: ${expected}` : stdout };
  }
  return { isRight: status === 0, says: status === 0 ? "yes" : stdout };
}

function isFor(version, { name, init, isForAll, since = 0 }) {
  if (version === "5.6") return name === "no @types/node, lib dom";
  if (init && Number(version) < 5.9) return false; // its defaults were CommonJS
  return Number(version) >= since && (isForAll || ENDS.includes(version));
}

/** The table, and whether every line of it is as it should be. */
export async function firstHour(tarball, versions = Object.keys(COMPILERS)) {
  const installed = folderWith(tarball);
  const waiting = versions
    .toSorted((a, b) => a - b)
    .flatMap((version) => CASES.filter((one) => isFor(version, one)).map((one) => ({ version, one })));
  let isRight = true;
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { version, one } = next;
      const folder = userOf(installed, one);
      const found = await outcome(folder, COMPILERS[version], one, version === "5.6" ? NEEDS_57 : undefined);
      isRight &&= found.isRight;
      console.log(`| ${version} | ${one.name} | ${found.isRight ? found.says : "NO"} |`);
      if (!found.isRight) console.error(found.says.slice(0, 2_000));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  rmSync(installed, { recursive: true });
  return isRight;
}
