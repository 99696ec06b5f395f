// npm run check-package: publint and attw look over the package as it would be published, knip over the whole repository for what
// nothing uses; examples are compiled against it, and programs run. Anything that they say is a failure, but for what is listed as ignored, with the reason.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { build, install, installIn, npm, root, run } from "./setup.mjs";

const folder = `${root}package-check/`;
const packed = `${root}.cache/packed/`;

/** What npm would publish. Its dist/ has no source maps: what is there afterwards is that of the other commands again. */
function pack() {
  mkdirSync(packed, { recursive: true });
  const args = ["pack", "--json", "--silent", "--pack-destination", packed];
  try {
    const output = execFileSync(npm, args, { cwd: root, encoding: "utf8", shell: process.platform === "win32" });
    return readFileSync(packed + JSON.parse(output)[0].filename);
  } finally {
    build();
    rmSync(packed, { recursive: true });
  }
}

install();
installIn(folder, "Installing what checks the package (once)...");
const { messagesOf } = await import("../package-check/check.js");
const { firstHour } = await import("../package-check/first-hour.js");
const { whatRuns } = await import("../package-check/runtimes.js");
const { webServers } = await import("../package-check/web-servers.js");
const packedBytes = pack();
const messages = await messagesOf(packedBytes);
if (!(await firstHour(packedBytes))) messages.push("a new user's programs do not compile as they should");
messages.push(...(await whatRuns(packedBytes)));
messages.push(...(await webServers(packedBytes)));
for (const message of messages) console.error(message);

const knip = `${folder}node_modules/knip/bin/knip.js`;
run(process.execPath, [knip, "--config", `${folder}knip.jsonc`, "--no-progress", "--treat-config-hints-as-errors"]);
if (messages.length > 0) process.exit(1);
console.log("publint, attw and knip have nothing to say.");
