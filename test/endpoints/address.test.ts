/**
 * Addresses as they are written, and as they are shown.
 */
import { type Address, parseAddress } from "hbi";
import { describe, expect, it } from "vitest";
import { formatAddress } from "../../src/endpoints/address.ts";

describe("an address", () => {
  it.each<[Address, object, string]>([
    ["localhost:80", { host: "localhost", port: 80 }, "localhost:80"],
    ["localhost", { host: "localhost", port: 3232 }, "localhost:3232"],
    ["tcp://127.0.0.1:0", { host: "127.0.0.1", port: 0, isSecure: false }, "127.0.0.1:0"],
    ["tcp://a-b.example:65535/", { host: "a-b.example", port: 65_535, isSecure: false }, "a-b.example:65535"],
    ["[::1]:80", { host: "::1", port: 80 }, "[::1]:80"],
    ["[2001:DB8::7]", { host: "2001:DB8::7", port: 3232 }, "[2001:DB8::7]:3232"],
    [
      "tcp://[::ffff:203.0.113.7]:8080/",
      { host: "::ffff:203.0.113.7", port: 8_080, isSecure: false },
      "[::ffff:203.0.113.7]:8080",
    ],
    ["tls://a.example", { host: "a.example", port: 3232, isSecure: true }, "tls://a.example:3232"],
    ["tls://[::1]:80", { host: "::1", port: 80, isSecure: true }, "tls://[::1]:80"],
    ["ws://a.example", { url: "ws://a.example/" }, "ws://a.example/"],
    ["wss://a.example:443/hbi?x=1", { url: "wss://a.example/hbi?x=1" }, "wss://a.example/hbi?x=1"],
    ["ws://[::1]:8080/hbi", { url: "ws://[::1]:8080/hbi" }, "ws://[::1]:8080/hbi"],
    [{ host: "::1", port: 80 }, { host: "::1", port: 80 }, "[::1]:80"],
    [{ path: "/run/a" }, { path: "/run/a" }, "/run/a"],
    ["unix:/run/a", { path: "/run/a" }, "/run/a"],
    ["unix:///run/a", { path: "/run/a" }, "/run/a"],
    ["unix:a b", { path: "a b" }, "a b"],
  ])("%j is %j, and is shown as %s", (address, parsed, shown) => {
    expect(parseAddress(address)).toEqual(parsed);
    expect(formatAddress(parseAddress(address))).toBe(shown);
  });

  it.each<[Address, string]>([
    ["", "an address must be"],
    ["::1", "an address must be"],
    ["::1:80", "an address must be"],
    ["[::1", "an address must be"],
    ["[::1]80", "an address must be"],
    ["[localhost]:80", "an address must be"],
    ["x[::1]:80", "an address must be"],
    ["a:80b", "an address must be"],
    ["a b:80", "an address must be"],
    ["a:123456", "an address must be"],
    ["http://a:80", "an address must be"],
    ["tcp://a:80//", "an address must be"],
    [" unix:/run/a", "an address must be"],
    ["8123", 'not a port alone: did you mean "127.0.0.1:8123"?'],
    ["tcp://8123", "not a port alone"],
    ["8123:80", "not a port alone"],
    [":8123", "an address must be"],
    ["tls://8123", "not a port alone"],
    ["ws://8123/hbi", 'not a port alone: did you mean "127.0.0.1:8123"?'],
    ["ws://", "an address must be"],
    ["ws://a b/", "an address must be"],
    ["ws://a:65536/", "an address must be"],
    ["wss://a/hbi#part", "no fragment"],
    ["wss://user:secret@a/hbi", "no user or password"],
    ["unix:", "must not be empty"],
    [8_123 as never, 'not 8123: did you mean "127.0.0.1:8123"?'],
    [null as never, "an address must be"],
    [undefined as never, "an address must be"],
    [["a:1"] as never, "an address must be"],
    [new URL("tcp://127.0.0.1:80") as never, "an address must be"],
    [{} as never, "host must be the name or IP address of a host, not undefined"],
    [{ port: 80 } as never, "host must be"],
    [{ host: "", port: 80 }, "host must be"],
    [{ host: "a b", port: 80 }, "host must be"],
    [{ host: "a" } as never, "port must be an integer from 0 to 65535, not undefined"],
    [{ host: "a", port: "80" } as never, 'port must be an integer from 0 to 65535, not "80"'],
    [{ path: "" }, "must not be empty"],
    [{ path: 5 } as never, "path must be a string, not 5"],
    [{ path: "/a", port: 80 } as never, "not a mixture"],
    [{ hots: "a", port: 80 } as never, 'unknown option "hots" of an address; did you mean "host"?'],
    ["a:65536", "port"],
    [{ host: "a", port: -1 }, "port"],
    [{ host: "a", port: 65_536 }, "port"],
    [{ host: "a", port: 1.5 }, "port"],
    [{ host: "a", port: Number.NaN }, "port"],
  ])("%j is none", (address, message) => {
    expect(() => parseAddress(address)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    expect(() => parseAddress(address)).toThrow(message);
  });
});
