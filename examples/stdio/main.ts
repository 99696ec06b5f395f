/**
 * Starts a program and calls it. Usage: main
 */
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { connect, spawnPeer } from "hbi/node";
import { words } from "./service.ts";

const plugin = fileURLToPath(new URL("./plugin.js", import.meta.url));
const reactions = { read: ({ file }: { file: string }) => `the text of ${file}` };

const link = await connect(words, spawnPeer(execPath, [plugin]), reactions);
console.log(await link.call.count({ file: "a.txt" }));
await link.close();
