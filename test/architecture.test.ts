/**
 * Who may import whom: ARCHITECTURE.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const FOUNDATION = ["errors", "limits", "clock"];

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  limits: ["errors"],
  chain: [],
  clock: ["chain", "errors"],
  parser: ["errors", "limits", "parser", "acorn"],
  registry: ["errors", "limits", "parser", "registry", "zod"],
  wire: [...FOUNDATION, "wire"],
  endpoints: [...FOUNDATION, "chain", "parser", "registry", "wire", "endpoints", "zod"],
  index: [...FOUNDATION, "parser", "registry", "wire", "endpoints"],
  node: ["wire", "endpoints"],
  testing: [...FOUNDATION, "parser", "registry", "wire", "endpoints", "testing", "zod", "fast-check"],
};

/** "src/wire/packet.ts" belongs to the room "wire". */
const roomOf = (path: string) => path.split("/")[0]?.replace(/\.ts$/, "") ?? "";

it("imports go in one direction, and only node-* files touch Node", () => {
  const files = readdirSync(src, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".ts"));
  let imports = 0;
  const wrong: string[] = [];
  for (const path of files) {
    const room = roomOf(path);
    for (const [, target = ""] of readFileSync(join(src, path), "utf8").matchAll(/ from "([^"]+)";$/gm)) {
      imports += 1;
      const isNode = target.startsWith("node:");
      const to = target.startsWith(".") ? roomOf(join(path, "..", target)) : target;
      const isAllowed = isNode ? /(^|\/)node-[a-z-]+\.ts$/.test(path) : ALLOWED[room]?.includes(to) === true;
      if (!isAllowed) wrong.push(`${path} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(imports).toBeGreaterThan(100);
});

it("the table of files names each file, and none that is not there", () => {
  const text = readFileSync(new URL("../ARCHITECTURE.md", import.meta.url), "utf8");
  const table = text.slice(text.indexOf("## Files"), text.indexOf("## Where do I add"));
  const named = [...table.matchAll(/^\| (`.+?) +\|/gm)].flatMap(([, cell = ""]) => {
    const [, folder = ""] = /^`([a-z]+\/)/.exec(cell) ?? [];
    return [...cell.matchAll(/`(?:[a-z]+\/)?([a-z0-9*-]+\.ts)`/g)].map(([, name = ""]) => folder + name);
  });
  const matches = (path: string) =>
    named.filter((name) => new RegExp(`^${name.replace(".", "\\.").replace("*", "[^/]*")}$`).test(path));
  const files = readdirSync(src, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".ts"));
  const found = new Set(files.flatMap(matches));
  expect(files.filter((path) => matches(path).length === 0)).toEqual([]);
  expect(named.filter((name) => !found.has(name))).toEqual([]);
});
