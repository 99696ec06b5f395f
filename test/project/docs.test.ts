/**
 * The documents say what the code does: tables, code and links.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FAILURES, PRESETS } from "hbi";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The rows of the table whose first column has this title. */
function table(text: string, title: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.split("|")[1]?.trim() === title);
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  }
  return rows;
}

describe("docs/errors-and-limits.md", () => {
  const text = read("docs/errors-and-limits.md");
  it("has every failure, and no other", () => {
    const rows = Object.entries(FAILURES).map(([reason, { code, fault, ends, text }]) => [
      reason,
      code,
      fault,
      ends,
      text,
    ]);
    expect(table(text, "reason")).toEqual(rows);
  });
  it("has every limit with all presets, and no other", () => {
    const rows = table(text, "limit").map(([name, , ...cells]) => [name, ...cells.slice(0, 3).map(Number)]);
    const { public: open, client, trusted } = PRESETS;
    const names = Object.keys(open) as (keyof typeof open)[];
    expect(rows).toEqual(names.map((name) => [name, open[name], client[name], trusted[name]]));
  });
});

/** The code without its indentation: a part of a file stands further left in a document. */
const lines = (code: string) => code.replace(/^[ \t]+/gm, "");

const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));

describe.each(["README.md", ...guides.map((name) => `docs/${name}`)])("the code of %s", (document) => {
  it("is code that is compiled and run: each block names its file, and is a part of it", () => {
    const text = read(document);
    const blocks = [
      ...text.matchAll(/^(?:<!-- (\S+) -->\n)?```(?:ts|typescript|js|javascript)\b.*\n([\s\S]*?)^```$/gm),
    ];
    expect(blocks.length).toBe([...text.matchAll(/^```(?:ts|typescript|js|javascript)\b/gm)].length);
    for (const [, path = "", code = ""] of blocks) {
      expect(path, code).toMatch(/^examples\/.+\.ts$/);
      expect(lines(read(path)), `${document} shows ${path}`).toContain(lines(code));
    }
  });
});

describe("README.md", () => {
  const text = read("README.md");
  it.each(["definition", "server", "client"])("shows examples/readme/%s.ts whole", (name) => {
    const path = `examples/readme/${name}.ts`;
    expect(text).toContain(`<!-- ${path} -->\n\`\`\`ts\n${read(path)}\`\`\``);
  });
  it("names scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [, name = ""] of text.matchAll(/npm run ([a-z:]+)/g)) expect(scripts).toHaveProperty([name]);
  });
});

const documents = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .trim()
  .split("\n");

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(path: string): string[] {
  const text = read(path).replace(/^```.*\n[\s\S]*?^```$/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

it("links in documents lead to files, and to headings that exist", () => {
  expect(documents.length).toBeGreaterThan(5);
  for (const path of documents) {
    for (const [, target = "", anchor] of read(path).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      if (target.includes("://")) continue;
      const file = target === "" ? path : join(dirname(path), target);
      expect(existsSync(join(root, file)), `${path}: ${target}`).toBe(true);
      if (anchor !== undefined) expect(anchors(file), `${path}: ${target}#${anchor}`).toContain(anchor);
    }
  }
});

it("ARCHITECTURE.md names files that exist", () => {
  const names = [...read("ARCHITECTURE.md").matchAll(/`([a-z][a-z/-]*\/[a-z-]+(?:\.[a-z]+)*\.(?:ts|md))`/g)].map(
    ([, name = ""]) => name,
  );
  expect(names.length).toBeGreaterThan(20);
  const isThere = (name: string) =>
    ["", "src/", "src/endpoints/"].some((folder) => existsSync(join(root, folder, name)));
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});
