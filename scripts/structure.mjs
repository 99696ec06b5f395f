// npm run structure: the figures of the code's structure, and how much of it one typed call crosses.
//
//   node scripts/structure.mjs [--root DIR] [--check]
//
// --root takes the figures of another checkout, so that two states can be compared; --check fails where a call crosses more than BOUNDS.
// The sources are read as text, in the form that the formatter gives them. The frames are counted by making a call in memory.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Session } from "node:inspector";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./setup.mjs";

/** What `--check` allows: frames of this library between the application and the transport, each way. */
const BOUNDS = { out: 12, in: 12 };

const args = process.argv.slice(2);
const rootAt = args.indexOf("--root");
const checkout = resolve(rootAt === -1 ? root : args[rootAt + 1]);
const src = join(checkout, "src");

const files = readdirSync(src, { recursive: true })
  .map(String)
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(src, path), "utf8") }));
for (const file of files) file.lines = file.text.split("\n").length - 1;

sizes();
imports();
delegations();
interfaces();
const frames = await framesOfOneCall();
if (args.includes("--check")) check(frames);

function row(...cells) {
  console.log(cells.map((cell, at) => (at === 0 ? String(cell).padStart(8) : `  ${cell}`)).join(""));
}

function sizes() {
  const folders = new Map();
  for (const { path, lines } of files) {
    const folder = dirname(path) === "." ? "src" : `src/${dirname(path)}`;
    const { count = 0, sum = 0 } = folders.get(folder) ?? {};
    folders.set(folder, { count: count + 1, sum: sum + lines });
  }
  console.log("\nLines, files");
  for (const [folder, { count, sum }] of [...folders].sort()) row(sum, String(count).padStart(4), folder);
  row(
    files.reduce((sum, { lines }) => sum + lines, 0),
    String(files.length).padStart(4),
    "in all",
  );
  console.log("\nLargest files");
  for (const { path, lines } of [...files].sort((a, b) => b.lines - a.lines).slice(0, 8)) row(lines, `src/${path}`);
}

/** Imports of one file: which files, and whether anything but types. */
function importsOf({ path, text }) {
  return [...text.matchAll(/^(?:import|export) (type )?([^;]*?) from "(\.[^"]+)";$/gm)].map(
    ([, isType, names, target]) => ({
      target: join(dirname(path), target).replaceAll("\\", "/"),
      isType: isType !== undefined || /^\{(\s*type [^,}]+,?)+\s*\}$/.test(names),
    }),
  );
}

function imports() {
  const inEndpoints = files.filter(({ path }) => path.startsWith("endpoints/"));
  const statements = (some) => some.reduce((sum, { text }) => sum + [...text.matchAll(/^import /gm)].length, 0);
  console.log("\nImports");
  row(statements(inEndpoints), "import statements in src/endpoints");
  row(statements(files), "import statements in src");
  for (const [withTypes, what] of [
    [false, "of values"],
    [true, "of values and types (files in a cycle are one)"],
  ]) {
    const chain = longestChain(inEndpoints, withTypes);
    row(chain.length, `files in the longest chain of imports in src/endpoints, ${what}:`);
    console.log(`            ${chain.join(" > ")}`);
  }
}

function longestChain(some, withTypes) {
  const edges = new Map();
  const known = new Set(some.map(({ path }) => path));
  for (const file of some) {
    const wanted = importsOf(file).filter(({ target, isType }) => known.has(target) && (withTypes || !isType));
    edges.set(file.path, [...new Set(wanted.map(({ target }) => target))]);
  }
  const groupOf = cycles(edges);
  const longest = new Map();
  const from = (group) => {
    const found = longest.get(group);
    if (found !== undefined) return found;
    let best = [];
    for (const member of group)
      for (const target of edges.get(member)) {
        const next = groupOf.get(target);
        if (next === group) continue;
        const chain = from(next);
        if (chain.length > best.length) best = chain;
      }
    const chain = [group.map((path) => path.replace(/^endpoints\/|\.ts$/g, "")).join(" = "), ...best];
    longest.set(group, chain);
    return chain;
  };
  return [...groupOf.values()].map(from).reduce((best, chain) => (chain.length > best.length ? chain : best), []);
}

/** Strongly connected files, by Tarjan: each file's group. */
function cycles(edges) {
  const groupOf = new Map();
  const index = new Map();
  const low = new Map();
  const stack = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of edges.get(node)) {
      if (!index.has(next)) visit(next);
      if (!groupOf.has(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    for (const member of group) groupOf.set(member, group);
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return groupOf;
}

/** Members of classes that only pass their own parameters on to a member of a member. */
function delegations() {
  const METHOD =
    /^ {2}(?:async )?(#?\w+)(?:<[^>]*>)?\(([^()]*)\)(?:: [^{}]+)? \{\n {4}(?:return )?(?:await |void )?this\.#?\w+\??\.#?\w+\(([^()]*)\);\n {2}\}$/gm;
  const GETTER = /^ {2}get (#?\w+)\(\)(?:: [^{}]+)? \{\n {4}return this\.#?\w+\??\.#?\w+(?:\(\))?;\n {2}\}$/gm;
  const names = (list) =>
    list
      .split(",")
      .map((part) =>
        part
          .trim()
          .replace(/^\.\.\.|[?:=].*$/g, "")
          .trim(),
      )
      .filter((part) => part !== "");
  let methods = 0;
  let getters = 0;
  const byFile = [];
  for (const { path, text } of files) {
    const passed = [...text.matchAll(METHOD)].filter(([, , params, given]) => {
      const own = names(params);
      return names(given).length === own.length && names(given).every((name, at) => name === own[at]);
    }).length;
    const read = [...text.matchAll(GETTER)].length;
    methods += passed;
    getters += read;
    if (passed + read > 0) byFile.push([passed + read, path]);
  }
  console.log("\nOne-line delegations");
  row(methods, "methods");
  row(getters, "getters");
  for (const [count, path] of byFile.sort((a, b) => b[0] - a[0]).slice(0, 5)) row(count, `of them in src/${path}`);
}

/** Interfaces with methods, by how many things in src are declared to be one: classes, and objects with the type beside them. */
function interfaces() {
  const all = files.map(({ text }) => text).join("\n");
  const declared = [...all.matchAll(/^(?:export )?interface (\w+)[^{]*\{\n([\s\S]*?)^\}$/gm)].filter(([, , body]) =>
    /^ {2}(?:#?\w+|\[[^\]]+\])\??(?:<[^>]*>)?\(/m.test(body),
  );
  const bases = [...all.matchAll(/^(?:export )?(?:abstract )?class [^{]*?\bimplements ([^{]+) \{$/gm)].map(
    ([, list]) => new Set(list.replace(/<[^<>]*>/g, "").split(/,\s*/)),
  );
  const count = (name) =>
    bases.filter((list) => list.has(name)).length +
    [...all.matchAll(new RegExp(`: ${name}(?:<[^>]*>)? (?:=|=>) \\(?\\{`, "g"))].length +
    [...all.matchAll(new RegExp(`\\): ${name}(?:<[^>]*>)? \\{\\n(?:(?! {0,2}\\}).*\\n)*? +return \\{`, "g"))].length;
  const counted = declared.map(([, name]) => ({ name, implementers: count(name) }));
  const single = counted.filter(({ implementers }) => implementers === 1).map(({ name }) => name);
  console.log("\nInterfaces with methods");
  row(counted.length, "in all");
  row(single.length, `with one implementer in src: ${single.sort().join(", ")}`);
}

/** One small typed call in memory, seen from its transport, its clock, its handler and the schema of its result. */
async function framesOfOneCall() {
  const built = join(root, ".cache", "structure");
  rmSync(built, { recursive: true, force: true });
  mkdirSync(built, { recursive: true });
  // Of another checkout nothing needs to be installed: types are not checked, and the dependencies are those of this one.
  const compiler = [join(root, "node_modules/typescript/bin/tsc"), "-p", join(checkout, "tsconfig.build.json")];
  const options = ["--outDir", built, "--noCheck", "--declaration", "false", "--sourceMap", "false"];
  const { stdout } = spawnSync(process.execPath, [...compiler, ...options, "--types", ""], { encoding: "utf8" });
  if (!existsSync(join(built, "index.js"))) throw new Error(`it does not compile:\n${stdout}`);
  const hbi = await import(pathToFileURL(join(built, "index.js")).href);
  const { z } = await import("zod");
  return await measure(hbi, z, pathToFileURL(built).href);
}

async function measure({ defineService, Link, memoryTransportPair, method, ServiceHost, systemClock }, z, prefix) {
  Error.stackTraceLimit = 100;
  /** the stack of each leg of the call, where it was deepest; innermost first */
  const stacks = new Map();
  let leg = "";
  /** Frames of the library, from here to where this program has called it. */
  const look = (...legs) => {
    if (!legs.includes(leg)) return;
    const lines = new Error().stack.split("\n");
    const inside = lines.slice(lines.findIndex((line) => line.includes(prefix)));
    const end = inside.findIndex((line) => line.includes(import.meta.url));
    const own = inside.slice(0, end === -1 ? undefined : end).filter((line) => line.includes(prefix));
    if (own.length > (stacks.get(leg)?.length ?? 0)) stacks.set(leg, own.map(frameOf));
  };
  const frameOf = (line) => {
    const [, name = "(anonymous)", place] = /at (?:async )?(?:(.+) \()?(file:[^)]+?):\d+:\d+\)?$/.exec(line) ?? [];
    return `${place.slice(prefix.length + 1).replace(/\.js$/, "")}  ${name}`;
  };

  const session = new Session();
  session.connect();
  const coverage = (command, options) => {
    let result;
    session.post(`Profiler.${command}`, options, (_, answer) => {
      result = answer;
    });
    return result; // a session with its own thread answers at once
  };
  const entered = new Map();
  /** Ends a leg of the call: what was entered since the last. */
  const next = (name) => {
    if (leg === "" && name !== "call out") return;
    const { result } = coverage("takePreciseCoverage");
    if (leg !== "") {
      const { functions = 0, calls = 0, seen = new Set() } = entered.get(leg) ?? {};
      const sum = { functions, calls, seen };
      for (const { url, functions: list } of result) {
        if (!url.startsWith(prefix)) continue;
        for (const { functionName, isBlockCoverage: _, ranges } of list) {
          const [{ count, startOffset }] = ranges;
          if (count === 0 || (functionName === "" && startOffset === 0)) continue;
          sum.functions += 1;
          sum.calls += count;
          seen.add(url);
        }
      }
      entered.set(leg, sum);
    }
    leg = name;
  };

  const watched = (transport, legs) => {
    const write = transport.write.bind(transport);
    const start = transport.start.bind(transport);
    transport.write = (chunk) => {
      look(legs.writes);
      write(chunk);
      if (leg === legs.writes) next("under way");
    };
    transport.start = (sink) =>
      start({
        onData: (chunk) => {
          if (leg === "under way") next(legs.reads);
          sink.onData(chunk);
        },
        onDrain: () => sink.onDrain(),
        onEnd: () => sink.onEnd(),
        onClose: (error) => sink.onClose(error),
      });
    return transport;
  };
  // What is written in one turn goes out at its end. This is the bottom of the way out.
  const clock = {
    now: () => systemClock.now(),
    after: (ms, run, keepsAlive) => systemClock.after(ms, run, keepsAlive),
    soon: (run) => {
      look("call out", "answer out");
      systemClock.soon(run);
    },
    endOfTurn: (run) => {
      look("call out", "answer out");
      systemClock.endOfTurn(run);
    },
  };

  const result = z.number().refine(() => {
    look("answer in");
    return true;
  });
  const sums = defineService({
    name: "sums",
    version: "1.0.0",
    methods: { add: method({ params: { a: z.number(), b: z.number() }, result }) },
  });
  const add = async ({ a, b }) => {
    look("call in");
    if (leg === "call in") next("answer out");
    await undefined;
    return a + b;
  };
  const host = new ServiceHost(sums, () => ({ add }), { clock });
  const dial = async () => {
    const [near, far] = memoryTransportPair({ clock: systemClock });
    host.accept(watched(far, { reads: "call in", writes: "answer out" })).catch(() => undefined);
    return watched(near, { reads: "answer in", writes: "call out" });
  };
  const link = await new Link(sums, dial, {}, { clock }).open();
  coverage("enable");
  coverage("startPreciseCoverage", { callCount: true, detailed: false });
  for (let i = 0; i < 20; i++) await link.call.add({ a: i, b: 1 }); // what is made at the first call is made
  // The least of several: on a busy machine a call may have to wait for its turn, which is a longer way.
  const least = { stacks: new Map(), entered: new Map() };
  for (let tries = 0; tries < 100; tries++) {
    stacks.clear();
    entered.clear();
    await new Promise((resolve) => setTimeout(resolve, 5));
    next("call out");
    const sum = await link.call.add({ a: 1, b: 2 });
    next("");
    if (sum !== 3) throw new Error(`1 + 2 is ${sum}`);
    for (const [name, stack] of stacks) {
      if (stack.length < (least.stacks.get(name)?.length ?? Number.POSITIVE_INFINITY)) least.stacks.set(name, stack);
      const was = least.entered.get(name);
      if (was === undefined || entered.get(name).calls < was.calls) least.entered.set(name, entered.get(name));
    }
  }
  coverage("stopPreciseCoverage");
  session.disconnect();
  await link.close();
  report(least.stacks, least.entered);
  const most = (...legs) => Math.max(...legs.map((name) => least.stacks.get(name).length));
  return { out: most("call out", "answer out"), in: most("call in", "answer in") };
}

function report(stacks, entered) {
  console.log(
    "\nOne call: frames to the wire, to the handler or to the result's schema; functions entered, calls of them, files",
  );
  for (const [leg, stack] of stacks) {
    const { functions, calls, seen } = entered.get(leg);
    const cells = [functions, calls, seen.size].map((number) => String(number).padStart(5)).join("");
    row(stack.length, `${cells}  ${leg}`);
  }
  row(new Set([...entered.values()].flatMap(({ seen }) => [...seen])).size, "files in all");
  for (const [leg, stack] of stacks) {
    console.log(`\n${leg}`);
    for (const frame of stack) console.log(`          ${frame}`);
  }
}

function check(frames) {
  for (const [way, bound] of Object.entries(BOUNDS)) {
    if (frames[way] <= bound) continue;
    console.error(`\nA call crosses ${frames[way]} frames ${way}: at most ${bound} are allowed.`);
    process.exitCode = 1;
  }
}
