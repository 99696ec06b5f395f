/**
 * What the compiler says about the usual mistakes, and where: each message is kept here, so that a change of the types that makes one
 * long, or moves it away from the mistake, is seen. Of each, the first line; `...` stands for types that a definition spells out.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

const BEFORE = `import { defineService, HbiError, method } from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { z } from "zod";
const plain = defineService({ name: "plain", version: "1.0.0", methods: { hi: method({ params: { a: z.int() }, result: z.int() }) } });
const shop = defineService({
  name: "shop",
  version: "1.0.0",
  methods: {
    add: method({ params: { id: z.string(), amount: z.int() }, result: z.int() }),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.string() }),
  },
  reactions: { changed: method({ params: { id: z.string() } }) },
  credentials: { token: z.string() },
});
const limited = defineService({
  name: "limited",
  version: "1.0.0",
  methods: { run: method({ params: {}, errors: { sold_out: z.object({ left: z.int() }) } }) },
});
const link = await connect(shop, "a:1", { changed: () => undefined }, { credentials: { token: "t" } });
export { HbiError, limited, link, plain, serve, type Server };
`;

/** The mistake, the code at which it is reported, and the message. */
const MISTAKES: readonly (readonly [code: string, at: string, says: string])[] = [
  [
    'serve(plain, "a:1", () => ({ hi: ({ a }) => a, bye: () => 1 }));',
    "bye",
    "Type '() => number' is not assignable to type '(() => number) & \"bye is not declared in the definition\"'.",
  ],
  ['serve(plain, "a:1", () => ({}));', "({})", "Type '{}' is not assignable to type 'ServiceHandlers<..."],
  [
    'serve(plain, "a:1", () => ({ hi: ({ b }) => b }));',
    "b }",
    "Property 'b' does not exist on type '{ a: number; }'.",
  ],
  [
    'serve(plain, "a:1", () => ({ hi: () => "x" }));',
    '"x"',
    "Type 'string' is not assignable to type 'Awaitable<number>'.",
  ],
  [
    'serve(plain, "a:1", () => ({ hi: async () => "x" }));',
    '"x"',
    "Type 'Promise<string>' is not assignable to type 'Awaitable<number>'.",
  ],
  [
    'serve(plain, "a:1", { hi: ({ a }: { a: number }) => a });',
    "hi:",
    "Object literal may only specify known properties, and 'hi' does not exist in type '(peer: Peer<...",
  ],
  [
    'serve(plain, "a:1", () => ({ hi: ({ a }) => a }), { authorise: () => true });',
    "authorise",
    "Object literal may only specify known properties, but 'authorise' does not exist in type 'ServeOptions<... Did you mean to write 'authorize'?",
  ],
  [
    'serve(shop, "a:1", (peer) => ({ add: ({ amount }) => amount, upload: () => "" }), { authenticate: ({ token }) => ({ user: token }) });',
    "authenticate",
    "Type '({ token }: { token: string; }) => { user: string; }' is not assignable to type '(credentials: { token: string; }, peer: Peer<...",
  ],
  ["link.call.upload({ size: 3 });", "upload", "Expected 2 arguments, but got 1."],
  ["link.call.add({ id: 5, amount: 1 });", "id", "Type 'number' is not assignable to type 'string'."],
  [
    'link.call.add({ id: "a" });',
    '{ id: "a" }',
    "Property 'amount' is missing in type '{ id: string; }' but required in type '{ id: string; amount: number; }'.",
  ],
  [
    'link.call.add({ id: "a", amount: 1, extra: 2 });',
    "extra",
    "Object literal may only specify known properties, and 'extra' does not exist in type '{ id: string; amount: number; }'.",
  ],
  [
    'link.call.add("a", 1);',
    '"a"',
    "Argument of type 'string' is not assignable to parameter of type '{ id: string; amount: number; }'.",
  ],
  ['link.call.ad({ id: "a", amount: 1 });', "ad(", "Property 'ad' does not exist on type 'Calls<..."],
  [
    'const total: number = link.call.add({ id: "a", amount: 1 });',
    "total",
    "Type 'Promise<number>' is not assignable to type 'number'.",
  ],
  ['connect(shop, "a:1");', "connect", "Expected 4 arguments, but got 2."],
  ['connect(shop, "a:1", { changed: () => undefined });', "connect", "Expected 4 arguments, but got 3."],
  [
    'connect(shop, "a:1", { changed: () => undefined, other: () => 1 }, { credentials: { token: "t" } });',
    "other",
    "Type '() => 1' is not assignable to type '(() => 1) & \"other is not declared in the definition\"'.",
  ],
  [
    "method({ params: { a: z.int() }, results: z.int() });",
    "results",
    "Type 'ZodInt' is not assignable to type 'ZodInt & \"results is no option of a method\"' with 'exactOptionalPropertyTypes: true'. Consider adding 'undefined' to the types of the target's properties.",
  ],
  [
    "method({ params: { size: z.string() }, body: ({ size }) => size });",
    "body",
    "Type '({ size }: { size: string; }) => string' is not assignable to type '(\"manual\" | \"unknown\" | ((params: { size: string; }) => number) | undefined) & (({ size }: { size: string; }) => string)'.",
  ],
  [
    'serve(limited, "a:1", () => ({ run: (_, call) => { throw call.error("sold", { left: 1 }); } }));',
    '"sold"',
    "Argument of type '\"sold\"' is not assignable to parameter of type '\"sold_out\"'.",
  ],
  [
    'serve(limited, "a:1", () => ({ run: (_, call) => { throw call.error("sold_out", { left: "1" }); } }));',
    "left",
    "Type 'string' is not assignable to type 'number'.",
  ],
  [
    'serve(plain, "a:1", () => ({ hi: (_, call) => { throw call.error("sold_out", {}); } }));',
    '"sold_out"',
    "Argument of type '\"sold_out\"' is not assignable to parameter of type '\"the method declares no errors\"'.",
  ],
  [
    "method({ params: {}, errors: { gone: z.string() } });",
    "errors",
    "Type '{ gone: z.ZodString; }' is not assignable to type 'Errors & { readonly gone: ZodString; }'.",
  ],
  [
    'new HbiError("nope", "x");',
    '"nope"',
    "Argument of type '\"nope\"' is not assignable to parameter of type 'Code'.",
  ],
  [
    'defineService({ name: "a", methods: {} });',
    "{ name",
    "Property 'version' is missing in type '{ name: string; methods: {}; }' but required in type 'ServiceSpec<...",
  ],
];

it("says what is wrong in one line, at the mistake", async () => {
  await mkdir(join(root, ".cache"), { recursive: true });
  const folder = await mkdtemp(join(root, ".cache/mistakes-"));
  try {
    const lines = MISTAKES.map(([code], i) => (code.startsWith("const ") ? code.replace("total", `total${i}`) : code));
    await writeFile(join(folder, "mistakes.ts"), `${BEFORE}${lines.join("\n")}\n`);
    const compilerOptions = {
      noEmit: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
      lib: ["es2023", "esnext.disposable", "dom"],
      types: ["node"],
      paths: { hbi: ["../../src/index.ts"], "hbi/node": ["../../src/node.ts"] },
    };
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../../tsconfig.base.json", compilerOptions, include: ["."] }),
    );
    const args = [tsc, "-p", folder, "--pretty", "false", "--noErrorTruncation", "false"];
    const compiler = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    compiler.stdout.on("data", (chunk) => {
      output += chunk;
    });
    await once(compiler, "close");
    const first = BEFORE.split("\n").length;
    const said = [...output.matchAll(/^\S*mistakes\.ts\((\d+),(\d+)\): error TS\d+: (.*)$/gm)].map(
      ([, line, column, text = ""]) => {
        const code = lines[Number(line) - first] ?? `line ${line}`;
        return [code, code.slice(Number(column) - 1), text] as const;
      },
    );
    const found = MISTAKES.map(([, at, says], i) => {
      const of = said.filter(([code]) => code === lines[i]);
      const [, rest = "", text = ""] = of[0] ?? [];
      const shortened = says.includes("...") ? short(text) : text;
      return { code: lines[i], errors: of.length, at: rest.slice(0, at.length), says: shortened };
    });
    expect(found).toEqual(MISTAKES.map(([, at, says], i) => ({ code: lines[i], errors: 1, at, says })));
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

/** Without the types that a definition spells out, from their first argument on. */
function short(text: string): string {
  const hint = / Did you mean .*$/.exec(text)?.[0] ?? "";
  return `${text.replace(/((?:ServiceHandlers|Peer|ServeOptions|Calls|ServiceSpec)<).*$/, "$1...")}${hint}`;
}
