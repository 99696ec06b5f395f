/**
 * Recognises the first bytes of another protocol, so that a wrong port or a missing `tls` is reported as what it is. The
 * connection ends in any case.
 */
export type ForeignProtocol = "http" | "other";

interface Foreign {
  readonly begins: RegExp;
  readonly kind: ForeignProtocol;
  readonly words: string;
}

const MOST_BYTES = 8;
const FOREIGN: readonly Foreign[] = [
  {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the type of a TLS record
    begins: /^\x16/,
    kind: "other",
    words: "a TLS handshake, and this side does not use TLS: set the option tls on both sides, or on neither",
  },
  {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the type of a TLS record
    begins: /^\x15/,
    kind: "other",
    words: "a TLS alert: the other side requires TLS, so set the option tls",
  },
  {
    begins: /^(?:GET|PUT|HEAD|POST|PATCH|TRACE|DELETE|OPTIONS|CONNECT|PRI) ?/,
    kind: "http",
    words: "an HTTP request, and this port speaks HBI",
  },
  { begins: /^HTTP\//, kind: "other", words: "an HTTP response: the other side is a web server" },
  { begins: /^SSH-/, kind: "other", words: "the other side speaks SSH" },
];

/** What a stream that begins with these bytes is, if it is known. */
export function foreignProtocol(bytes: Uint8Array): Foreign | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, MOST_BYTES));
  return FOREIGN.find(({ begins }) => begins.test(text));
}

/** Tells a client that speaks HTTP why it is refused. Must not contain text of the peer. */
export function httpRefusal(why: string): string {
  const body = `${why}\n`;
  const length = new TextEncoder().encode(body).length;
  return `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${length}\r\n\r\n${body}`;
}
