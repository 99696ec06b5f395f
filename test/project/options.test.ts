/**
 * Options are passed on: where `exactOptionalPropertyTypes` is on, `{ limits: config.limits }` compiles only if the member accepts
 * `undefined`. So every optional member of everything that a user fills in does, with `undefined` meaning absent.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const entries = ["index.ts", "node.ts", "cluster.ts", "testing.ts"]
  .map((name) => readFileSync(join(src, name), "utf8"))
  .join("\n");

/** What a user fills in, by its name; nothing else of the public types is. */
const IS_GIVEN = /(?:Options|Spec|Tls|KeyPair|AsyncApiServer)$/;
/** Options that the library makes for itself are not exported. */
const isPublic = (name: string) => new RegExp(`\\b${name}\\b`).test(entries);

/** Each exported declaration of such a name with its text. */
function* given(): Generator<[name: string, text: string]> {
  for (const path of readdirSync(src, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".ts")) continue;
    const text = readFileSync(join(src, path), "utf8");
    for (const found of text.matchAll(
      /^export (?:interface (\w+)(?:[^\n]*\{\}$|[\s\S]*?^\})|type (\w+)[\s\S]*?;$(?=\n\n|\n*$))/gm,
    )) {
      const [declaration, asInterface, name = asInterface ?? ""] = found;
      if (IS_GIVEN.test(name) && isPublic(name)) yield [name, declaration];
    }
  }
}

/** The optional members of a declaration, each as far as its end. */
function optionalMembers(text: string): string[] {
  const members: string[] = [];
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  for (const { index } of code.matchAll(/(?:\w+|\])\?:/g)) {
    let depth = 0;
    let end = index;
    for (; end < code.length && depth >= 0; end++) {
      const char = code[end] ?? "";
      if (char === ";" && depth === 0) break;
      if ("({[".includes(char)) depth += 1;
      else if (")}]".includes(char) && !(end === index && char === "]")) depth -= 1;
    }
    members.push(code.slice(index, depth < 0 ? end - 1 : end).trim());
  }
  return members;
}

it("every optional member of public options accepts undefined", () => {
  const declarations = [...given()];
  expect(declarations.length).toBeGreaterThan(20);
  const members = declarations.flatMap(([name, text]) =>
    optionalMembers(text).map((member) => `${name}: ${member.replace(/\s+/g, " ")}`),
  );
  expect(members.length).toBeGreaterThan(80);
  expect(members.filter((member) => !/\b(?:undefined|unknown)$/.test(member))).toEqual([]);
});
