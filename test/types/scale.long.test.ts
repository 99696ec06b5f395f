/**
 * Large definitions stay cheap to check, so that editors stay fast: what the compiler does grows with the number of methods,
 * and not with its square.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

/** Each of the kinds in turn: what is declared, a handler of it, a call of it, and what that gives. */
const KINDS = [
  {
    spec: "params: { id: z.string(), count: z.int().min(0), note: z.string().optional() }, result: z.strictObject({ id: z.string(), total: z.number() })",
    handler: "async ({ id, count, note = '' }) => ({ id: id + note, total: count })",
    call: 'id: "a", count: 1',
    gives: "total",
  },
  {
    spec: "params: { items: z.array(z.strictObject({ sku: z.string(), amount: z.int(), tags: z.array(z.string()) })) }, result: z.array(z.strictObject({ sku: z.string(), price: z.number().nullable() }))",
    handler: "({ items }) => items.map(({ sku, amount }) => ({ sku, price: amount }))",
    call: 'items: [{ sku: "a", amount: 1, tags: [] }]',
    gives: "length",
  },
  {
    spec: 'params: { kind: z.enum(["small", "medium", "large"]), filter: z.record(z.string(), z.union([z.string(), z.number()])).optional() }',
    handler: "({ kind, filter }) => void [kind, filter]",
    call: 'kind: "small"',
  },
  {
    spec: "params: { name: z.string(), size: z.int() }, body: ({ size }) => size, result: z.strictObject({ stored: z.boolean() })",
    handler: "async (_params, call) => ({ stored: (await call.bytes()).length > 0 })",
    call: 'name: "a", size: 3',
    options: ", { body: new Uint8Array(3) }",
    gives: "stored",
  },
  {
    spec: "params: { plan: z.string() }, result: z.strictObject({ seats: z.int() }), errors: { sold_out: z.object({ left: z.int() }), too_many: z.object({ most: z.int(), plans: z.array(z.string()) }) }",
    handler: '({ plan }, call) => { if (plan === "") throw call.error("sold_out", { left: 0 }); return { seats: 1 }; }',
    call: 'plan: "a"',
    gives: "seats",
  },
  {
    spec: "params: { limit: z.int().default(10), after: z.iso.datetime().optional() }, result: z.strictObject({ size: z.int() }), resultBody: ({ size }) => size",
    handler: "({ limit }) => ({ result: { size: limit }, body: new Uint8Array(limit) })",
    call: "",
    gives: "result.size",
  },
] as const;

const kind = (i: number) => KINDS[i % KINDS.length] as (typeof KINDS)[number];
const each = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

/** A definition of so many methods and a quarter as many reactions, a server of it, and a client that calls a quarter. */
function program(methods: number): Record<string, string> {
  const some = Math.ceil(methods / 4);
  return {
    "service.ts": `import { defineService, method } from "hbi";
import { z } from "zod";
export const service = defineService({
  name: "large",
  version: "1.0.0",
  methods: {
${each(methods, (i) => `    method_${i}: method({ ${kind(i).spec} }),`)}
  },
  reactions: {
${each(some, (i) => `    reaction_${i}: method({ ${kind(0).spec} }),`)}
  },
});
`,
    "server.ts": `import { serve } from "hbi/node";
import { service } from "./service.ts";
export const server = await serve(service, "127.0.0.1:0", (peer) => ({
${each(methods, (i) => `  method_${i}: ${kind(i).handler},`)}
}));
for (const peer of server.peers) {
${each(some, (i) => `  await peer.post.reaction_${i}({ id: "a", count: 1 });`)}
}
`,
    "client.ts": `import { connect } from "hbi/node";
import { service } from "./service.ts";
export const link = await connect(service, "127.0.0.1:0", {
${each(some, (i) => `  reaction_${i}: ${kind(0).handler},`)}
});
${each(some, (i) => {
  const { call, ...rest } = kind(i);
  const given = `await link.call.method_${i}({ ${call} }${"options" in rest ? rest.options : ""})`;
  return "gives" in rest ? `console.log((${given}).${rest.gives});` : `${given};`;
})}
export const both = await link.script((s) => [s.method_0({ id: "a", count: 1 })]);
`,
    "tsconfig.json": JSON.stringify({
      extends: "../../tsconfig.base.json",
      compilerOptions: {
        noEmit: true,
        noUnusedParameters: false,
        lib: ["es2023", "esnext.disposable", "dom"],
        types: ["node"],
        paths: { hbi: ["../../src/index.ts"], "hbi/node": ["../../src/node.ts"] },
      },
      include: ["."],
    }),
  };
}

interface Cost {
  readonly instantiations: number;
  readonly types: number;
  readonly seconds: number;
}

/** What the compiler says of itself, in one thread, as several share no work and count it twice. */
async function costOf(methods: number): Promise<Cost> {
  await mkdir(join(root, ".cache"), { recursive: true });
  const folder = await mkdtemp(join(root, ".cache/scale-"));
  try {
    for (const [name, text] of Object.entries(program(methods))) await writeFile(join(folder, name), text);
    const args = [tsc, "-p", folder, "--pretty", "false", "--extendedDiagnostics", "--singleThreaded"];
    const compiler = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    compiler.stdout.on("data", (chunk) => {
      output += chunk;
    });
    await once(compiler, "close");
    expect(output.split("\n").filter((line) => line.includes("error TS"))).toEqual([]);
    const figure = (label: string) => Number(new RegExp(`^${label}:\\s+([\\d.]+)`, "m").exec(output)?.[1]);
    return { instantiations: figure("Instantiations"), types: figure("Types"), seconds: figure("Check time") };
  } finally {
    await rm(folder, { recursive: true });
  }
}

it("200 methods cost 4 times as much as 50, beyond what the library costs by itself, and not 16 times", async () => {
  const alone = await costOf(1);
  const small = await costOf(50);
  const large = await costOf(200);
  for (const [methods, { instantiations, types, seconds }] of [
    [1, alone],
    [50, small],
    [200, large],
  ] as const) {
    console.log(`${methods} methods: ${seconds} s, ${instantiations} instantiations, ${types} types`);
  }
  for (const figure of ["instantiations", "types"] as const) {
    expect(small[figure] - alone[figure], figure).toBeGreaterThan(1_000);
    // Counts do not vary from run to run, so this can be close: at 5, a handful of instantiations for each pair of methods shows.
    expect(large[figure] - alone[figure], figure).toBeLessThan(5 * (small[figure] - alone[figure]));
  }
}, 300_000);
