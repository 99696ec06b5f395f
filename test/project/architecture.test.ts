/**
 * Who may import whom: ARCHITECTURE.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const FOUNDATION = ["errors", "options", "limits", "clock", "chain", "on-demand"];
const PURE = [...FOUNDATION, "parser", "registry", "registry/description", "wire"];

/** A folder may import what stands here, and nothing else of `src`: there are no cycles between folders, also not of types. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  chain: [],
  "on-demand": ["errors"],
  options: ["errors"],
  limits: ["errors", "options"],
  clock: ["chain", "errors"],
  parser: ["errors", "options", "limits", "on-demand", "acorn"],
  registry: ["errors", "options", "limits", "parser", "zod"],
  "registry/description": ["errors", "options", "limits", "registry", "zod"],
  wire: [...FOUNDATION],
  "wire/transport": [...FOUNDATION, "wire", "ws"],
  "wire/lanes": [...FOUNDATION, "wire", "wire/transport"],
  endpoints: [...FOUNDATION],
  "endpoints/guard": [...FOUNDATION, "registry"],
  "endpoints/lane": [...FOUNDATION, "parser", "wire", "endpoints", "endpoints/guard"],
  "endpoints/conversation": [
    ...FOUNDATION,
    "parser",
    "registry",
    "wire",
    ...["", "/guard", "/lane"].map((folder) => `endpoints${folder}`),
  ],
  "endpoints/session": [
    ...PURE,
    "wire/transport",
    "wire/lanes",
    "zod",
    ...["", "/guard", "/lane", "/conversation"].map((folder) => `endpoints${folder}`),
  ],
  "endpoints/service": [
    ...PURE,
    "wire/transport",
    "zod",
    ...["", "/guard", "/lane", "/conversation", "/session"].map((folder) => `endpoints${folder}`),
  ],
  "endpoints/node": [
    ...PURE,
    "ws",
    "wire/transport",
    ...["", "/guard", "/session", "/service"].map((folder) => `endpoints${folder}`),
  ],
  "endpoints/cluster": [
    ...FOUNDATION,
    "registry",
    ...["", "/guard", "/session", "/service", "/node"].map((folder) => `endpoints${folder}`),
  ],
  testing: [...PURE, "wire/transport", "endpoints/service", "zod", "fast-check"],
};

/** The entries export what they like, but only "node" what needs Node; "eager" and "preload" are imported by them alone. */
const ENTRIES = ["index", "node", "cluster", "ws", "testing", "eager", "preload"];

/** "src/wire/packet.ts" belongs to the folder "wire", "src/errors.ts" to none but itself. */
const folderOf = (path: string) => {
  const folder = dirname(path);
  return folder === "." ? path.replace(/\.ts$/, "") : folder;
};

interface Import {
  readonly from: string;
  readonly folder: string;
  readonly target: string;
}

function imports(): Import[] {
  const files = readdirSync(src, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".ts"));
  return files.flatMap((from) =>
    [...readFileSync(join(src, from), "utf8").matchAll(/ (?:from |await import\()"([^"]+)"\)?;$/gm)].map(
      ([, target = ""]) => ({
        from,
        folder: folderOf(from),
        target: target.startsWith(".") ? folderOf(join(from, "..", target)) : target,
      }),
    ),
  );
}

it("imports go in one direction", () => {
  const all = imports();
  const wrong = all.filter(
    ({ from, folder, target }) =>
      folder !== target &&
      !target.startsWith("node:") &&
      !ENTRIES.includes(from.replace(/\.ts$/, "")) &&
      ALLOWED[folder]?.includes(target) !== true,
  );
  expect(wrong).toEqual([]);
  expect(all.length).toBeGreaterThan(100);
});

it("only the folders endpoints/node and endpoints/cluster, and files named node-*, touch Node", () => {
  const isOfNode = (path: string) =>
    /^endpoints\/(?:node|cluster)\/|^(?:ws|cluster)\.ts$|(^|\/)node(-[a-z-]+)?\.ts$/.test(path);
  const wrong = imports().filter(
    ({ from, target }) => !isOfNode(from) && (target.startsWith("node:") || target === "endpoints/node"),
  );
  expect(wrong).toEqual([]);
});

it("the table of what may be imported has no cycle", () => {
  const reach = (folder: string, seen: ReadonlySet<string>): void => {
    expect([...seen]).not.toContain(folder);
    for (const target of ALLOWED[folder] ?? []) reach(target, new Set([...seen, folder]));
  };
  for (const folder of Object.keys(ALLOWED)) reach(folder, new Set());
});
