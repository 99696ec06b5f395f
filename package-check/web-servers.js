// A service that is attached to the HTTP server of an application: node:http, Express, Fastify, Hono. The programs of web-servers/ run
// against the package as it is published. The frameworks are dependencies of this package, as nothing else needs them.
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const MOST_MS = 60_000;
const FRAMEWORKS = ["express", "fastify", "hono", "@hono/node-server"];
const SERVERS = ["node-http", "express", "fastify", "hono"];
const SAYS = "a page, hello, Ada, HTTP status 403\n";

function folderWith(tarball) {
  const folder = mkdtempSync(join(tmpdir(), "hbi-web-"));
  cpSync(join(here, "web-servers"), folder, { recursive: true });
  for (const name of ["acorn", "zod", "ws"])
    cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  for (const name of FRAMEWORKS) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    symlinkSync(join(here, "node_modules", name), join(folder, "node_modules", name), "junction");
  }
  writeFileSync(join(folder, "hbi.tgz"), tarball);
  mkdirSync(join(folder, "node_modules/hbi"));
  execFileSync("tar", ["-xzf", "hbi.tgz", "-C", "node_modules/hbi", "--strip-components=1"], { cwd: folder });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  return folder;
}

/** What is wrong, a line for each server. */
export async function webServers(tarball) {
  const folder = folderWith(tarball);
  const messages = [];
  for (const name of SERVERS) {
    const said = await run(folder, name);
    console.log(`| ${name} | ${said === SAYS ? "yes" : "NO"} |`);
    if (said !== SAYS) messages.push(`a service attached to ${name}: ${said}`);
  }
  rmSync(folder, { recursive: true });
  return messages;
}

async function run(folder, name) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["main.js", name], {
      cwd: folder,
      timeout: MOST_MS,
    });
    return stdout;
  } catch (error) {
    return `${error.message}${error.stderr}`;
  }
}
