/**
 * The built page over HTTP. Its files are read once, into a table: the path of a request never becomes a path of the file system.
 */
import { readdir, readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { extname, join } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const HEADERS = {
  // Only what this server sends is loaded, run and connected to. Nothing is evaluated, and no other page may show this one.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

export async function filesOf(folder: string): Promise<RequestListener> {
  const files = new Map<string, { readonly content: Buffer; readonly headers: Record<string, string> }>();
  for (const name of (await readdir(folder, { recursive: true })).map((path) => path.replaceAll("\\", "/"))) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const isIndex = name === "index.html";
    const caching = isIndex ? "no-cache" : "public, max-age=31536000, immutable"; // other names contain a hash of their content
    const headers = { ...HEADERS, "content-type": type, "cache-control": caching };
    files.set(isIndex ? "/" : `/${name}`, { content: await readFile(join(folder, name)), headers });
  }
  return ({ method, url = "/" }, response) => {
    if (method !== "GET" && method !== "HEAD") return void response.writeHead(405, { allow: "GET, HEAD" }).end();
    const file = files.get(url.replace(/\?.*$/, ""));
    if (file === undefined) return void response.writeHead(404, HEADERS).end();
    response.writeHead(200, { ...file.headers, "content-length": file.content.length }).end(file.content);
  };
}
