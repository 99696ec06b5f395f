// node scripts/fuzz-libc.mjs: for systems whose glibc is older than 2.38, which the addon of the fuzzer needs. Brings the libraries of
// Debian 13 into fuzz/.cache/libc/, by apt-get as any package, and installs nothing: only the fuzzer's own process is started by them.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { root } from "./setup.mjs";

const PACKAGES = ["libc6", "libstdc++6", "libgcc-s1"];
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const libc = `${root}fuzz/.cache/libc/`;
const work = `${root}fuzz/.cache/libc-work/`;

function must(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: work, stdio: ["ignore", "ignore", "inherit"] });
  if (status === 0) return;
  console.error(
    `${command} failed${error === undefined ? "" : `: ${error.message}`}; fuzzing works without, see fuzz/README.md`,
  );
  process.exit(1);
}

if (process.platform !== "linux" || process.arch !== "x64") {
  console.error("This is for Linux on x64.");
  process.exit(2);
}
for (const folder of [libc, work]) rmSync(folder, { recursive: true, force: true });
for (const folder of [libc, `${work}lists/partial`, `${work}cache/archives/partial`])
  mkdirSync(folder, { recursive: true });
writeFileSync(`${work}sources.list`, `deb [signed-by=${KEYRING}] http://deb.debian.org/debian trixie main\n`);
const apt = ["Etc::sourcelist=sources.list", "State::lists=lists", "Cache=cache"]
  .flatMap((option) => ["-o", `Dir::${option.replace("=", `=${work}`)}`])
  .concat(["-o", "Dir::Etc::sourceparts=/dev/null"]);
must("apt-get", [...apt, "update"]);
must("apt-get", [...apt, "download", ...PACKAGES]);
for (const file of readdirSync(work)) if (file.endsWith(".deb")) must("dpkg-deb", ["-x", file, "unpacked"]);
const unpacked = `${work}unpacked/usr/lib/x86_64-linux-gnu/`;
for (const file of readdirSync(unpacked)) {
  if (/\.so(\.\d+)*$/.test(file)) copyFileSync(realpathSync(`${unpacked}${file}`), `${libc}${file}`);
}
const loader = `${libc}ld-linux-x86-64.so.2`;
chmodSync(loader, 0o755);
must(loader, ["--library-path", libc, process.execPath, "-e", "0"]);
rmSync(work, { recursive: true, force: true });
console.log("npm run fuzz follows coverage from now on.");
