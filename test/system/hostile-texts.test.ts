/**
 * What is known to hurt, sent to a real server process, cold and warm: it lives, answers in time, and other connections
 * notice nothing. The server runs where the engine evaluates no text.
 */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { HostingEnv } from "hbi";
import { HBIC } from "hbi/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Running, startProgram, stopProgram } from "../support/programs.ts";

const KIB = 1024;
const packet = (directive: string, payload: string) => `[${Buffer.byteLength(payload)}#${directive}]${payload}`;
const script = (code: string) => packet("co_begin", "101;x;n") + packet("", code) + packet("co_end", "101;x;n");

const TEXTS: Readonly<Record<string, string>> = {
  "3 kB of a[": script("a[".repeat(1_536)),
  "250 kB of a[": script("a[".repeat(125_000)),
  "250 kB of (": script("(".repeat(250 * KIB)),
  "250 kB of [": script(`echo(${"[".repeat(250 * 1_000)}`),
  "nesting that JSON.parse takes": script(`echo(${"[".repeat(60_000)}${"]".repeat(60_000)})`),
  "a property regex": script(`echo(/${"\\p{RGI_Emoji}".repeat(1_200)}/v)`),
  "let a0,a1,...": script(`let ${Array.from({ length: 30_000 }, (_, i) => `a${i}`).join(",")}`),
  semicolons: script(";".repeat(250 * KIB)),
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is the attack
  "a template": script("echo(`${process.exit()}`)"),
  "a constructor": script("echo.constructor('return process')()"),
  __proto__: script('echo({"__proto__": {"polluted": 1}})'),
  "__proto__, escaped": script('echo({"\\u005f_proto__": {"polluted": 1}})'),
  "an array into a union": script(`points([${Array.from({ length: 5_000 }, () => "{}").join(",")}])`),
  "1e400": script("echo(1e400)"),
  "a BOM": script("\ufeffecho(1)"),
  "no packet at all": "GET / HTTP/1.1\r\n\r\n",
  "a length of a gigabyte": "[999999999#]",
  "a header that never ends": `[1#${"c".repeat(10_000)}`,
  "a body of 2^53": script("take(9007199254740991)"),
  "bytes that are no text": Buffer.from(`[4#]\xff\xfe\xfd\xfc`, "latin1").toString("latin1"),
};

let server: Running;
let good: HBIC;
beforeAll(async () => {
  server = await startProgram("test/system/programs/hostile-target.ts", []);
  good = new HBIC(server.address, new HostingEnv());
});
afterAll(async () => {
  await good.disconnect();
  await stopProgram(server);
});

/** Sends the text on a connection of its own, and gives what came back until the server had answered or hung up. */
async function attack(text: string): Promise<string> {
  const [host = "", port] = server.address.split(":");
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, "connect");
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk.toString("latin1");
    if (heard.includes("#co_ack_end]") || heard.includes("#err]")) socket.end();
  });
  socket.on("error", () => undefined);
  socket.write(text, "latin1");
  await once(socket, "close");
  return heard;
}

async function ping(): Promise<number> {
  const { po } = await good.connect();
  const start = performance.now();
  expect(await po.converse((co) => co.getObj("echo('well')"))).toBe("well");
  return performance.now() - start;
}

describe.each(["cold", "warm"])("%s", () => {
  it.each(Object.entries(TEXTS))("%s", async (_, text) => {
    const pinged = ping();
    const heard = await attack(text);
    expect(heard).toMatch(/#co_recv\]|#err\]/);
    // Printable, without a stack or a path; the findings of a schema take at most 4 KiB.
    expect(heard).toMatch(/^[\x20-\x7e]*$/);
    expect(heard.length).toBeLessThan(5_000);
    expect(await pinged).toBeLessThan(2_000);
    expect(server.child.exitCode).toBeNull();
  });
});

it("the well-behaved client kept its one connection, and the server said nothing on standard error", async () => {
  await ping();
  expect(server.errors()).toBe("");
  expect(good.isConnected).toBe(true);
});

it("nothing in the sources evaluates text", () => {
  const root = new URL("../../src/", import.meta.url);
  const files = readdirSync(root, { recursive: true }).filter((name) => String(name).endsWith(".ts"));
  expect(files.length).toBeGreaterThan(30);
  for (const file of files) {
    const text = readFileSync(new URL(String(file), root), "utf8");
    expect(text, String(file)).not.toMatch(/\beval\(|new Function\b|node:vm|setTimeout\("/);
  }
});

it("these tests run where the engine refuses to evaluate text", () => {
  expect(() => new Function("return 1")).toThrow(EvalError);
});
