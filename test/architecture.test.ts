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
