/**
 * Checks a line for a peer or a log: one line, printable, short, with nothing about this machine, this code or another
 * connection.
 */
const MAX_BYTES = 512;

const FORBIDDEN: readonly (readonly [string, RegExp])[] = [
  ["not printable ASCII", /[^\x20-\x7e]/],
  ["a stack", /\bat \S+ \(|node:internal|\.[cm]?[jt]s\b/],
  ["a path", /(?:^|[\s"'(])(?:\/[\w.-]+){2,}|[A-Z]:\\/],
  ["an address", /\d+\.\d+\.\d+\.\d+:\d+/],
];

/** What is wrong with the line; undefined if it is valid. */
export function complaint(line: string): string | undefined {
  if (line.length > MAX_BYTES) return `${line.length} bytes: ${line.slice(0, 80)}...`;
  const found = FORBIDDEN.find(([, pattern]) => pattern.test(line));
  return found === undefined ? undefined : `${found[0]}: ${JSON.stringify(line)}`;
}

/** What is wrong with a line that may contain addresses: whether it forges another line or controls a terminal. */
export function forgery(line: string): string | undefined {
  const wrong = complaint(line.replace(/\d+\.\d+\.\d+\.\d+:\d+/g, "peer"));
  return wrong === undefined ? undefined : `of a connection: ${wrong}`;
}

const HEADER = /^\[(\d{1,9})#([a-z_]{0,12})\]/;
const ERROR = /^HbiError\("[a-z_]+",("(?:[^"\\]|\\.)*")/;
const MOST_LINES = 50;

/** Reads what a connection receives, up to raw data, and keeps its reports of failures. */
export class Told {
  /** each line once */
  readonly lines = new Set<string>();
  lastWords: string | undefined;
  #rest = "";
  #isLost = false;

  take(chunk: string): void {
    if (this.#isLost) return;
    this.#rest += chunk;
    for (let at = 0; ; ) {
      const header = HEADER.exec(this.#rest.slice(at, at + 32));
      if (header === null) {
        this.#rest = this.#rest.slice(at);
        this.#isLost = this.#rest.length > 32; // raw data, or something other than HBI
        return;
      }
      const start = at + header[0].length;
      const end = start + Number(header[1]);
      if (end > this.#rest.length) {
        this.#rest = this.#rest.slice(at);
        return;
      }
      this.#packet(header[2] ?? "", this.#rest.slice(start, end));
      at = end;
    }
  }

  #packet(directive: string, payload: string): void {
    if (directive !== "err" && directive !== "co_recv") return;
    const quoted = directive === "err" ? undefined : ERROR.exec(payload)?.[1];
    const line = directive === "err" ? payload : quoted === undefined ? undefined : String(JSON.parse(quoted));
    if (line === undefined) return;
    if (directive === "err" || this.lastWords === undefined) this.lastWords = line;
    if (this.lines.size < MOST_LINES) this.lines.add(line);
  }
}
