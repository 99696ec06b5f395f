import fc from "fast-check";
import { HbiError, PRESETS, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { DIRECTIVES, encodePacket, utf8Length } from "../../src/wire/packet.ts";
import { CHUNK_COST_BYTES, PacketReader } from "../../src/wire/packet-reader.ts";

const encode = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

/** Everything that a reader makes of a stream in the given cuts: packets, then the reason it stopped. */
function readAll(bytes: Uint8Array, cuts: readonly number[], limits = PRESETS.public): unknown[] {
  const reader = new PacketReader(limits);
  const items: unknown[] = [];
  let at = 0;
  try {
    for (const cut of [...cuts, bytes.length]) {
      reader.push(bytes.subarray(at, Math.max(at, cut)));
      at = Math.max(at, cut);
      for (let packet = reader.next(); packet !== undefined; packet = reader.next())
        items.push([packet.directive, packet.text]);
    }
    items.push(reader.phase === "idle" && reader.bufferedBytes === 0 ? "end" : "more");
  } catch (error) {
    if (!(error instanceof HbiError)) throw error;
    items.push(error.reason);
    expect(() => reader.next()).toThrow(error); // and it stays dead
  }
  return items;
}

const bytewise = (length: number) => Array.from({ length }, (_, i) => i);

describe("headers", () => {
  it.each([
    ["[3#co_begin]101", [["co_begin", "101"], "end"]],
    ["[0#]", [["", ""], "end"]],
    ["[0#][1#co_recv]1", [["", ""], ["co_recv", "1"], "end"]],
    ["[5#err]a]b#[", [["err", "a]b#["], "end"]],
    ["[3#", ["more"]],
    ["[3#]12", ["more"]],
    ["", ["end"]],
  ])("%j is read", (text, items) => {
    expect(readAll(encode(text), [])).toEqual(items);
    expect(readAll(encode(text), bytewise(text.length))).toEqual(items);
  });

  it.each([
    "x",
    "\n[0#]",
    "[#]",
    "[01#]x",
    "[00#]",
    "[+1#]x",
    "[ 1#]x",
    "[-1#]",
    "[1_0#]",
    "[0x3#]",
    "[1234567890#]",
    "[1#bogus]x",
    "[1#co_]x",
    "[1#CO_END]x",
    "[1 #]x",
    "[1#co_end ]",
    "[1]",
    "x1#]a",
    "11#]a",
    "]1#]a",
  ])("%j is refused, whole, byte by byte and in two pieces", (text) => {
    const bytes = encode(text);
    expect(readAll(bytes, [])).toEqual(["bad_frame"]);
    expect(readAll(bytes, bytewise(bytes.length))).toEqual(["bad_frame"]);
    for (let cut = 1; cut < bytes.length; cut++) expect(readAll(bytes, [cut])).toEqual(["bad_frame"]);
  });

  it("is refused at the first byte that no header can have", () => {
    for (const text of ["[1#b", "[1#co_x", "[0123456789"]) expect(readAll(encode(text), [])).toEqual(["bad_frame"]);
  });
});

describe("payloads", () => {
  it("of too many bytes are refused when the header is read", () => {
    const limits = resolveLimits({ maxPacketBytes: 10 });
    for (const directive of ["", "co_recv", "co_send"]) {
      expect(readAll(encode(`[10#${directive}]0123456789`), [], limits)).toEqual([[directive, "0123456789"], "end"]);
      expect(readAll(encode(`[11#${directive}]`), [], limits)).toEqual(["packet_too_big"]);
    }
    for (const directive of ["co_begin", "co_end", "co_ack_begin", "co_ack_end"]) {
      expect(readAll(encode(`[256#${directive}]`), [])).toEqual(["more"]);
      expect(readAll(encode(`[257#${directive}]`), [])).toEqual(["packet_too_big"]);
    }
    expect(readAll(encode("[65536#err]"), [])).toEqual(["more"]);
    expect(readAll(encode("[65537#err]"), [])).toEqual(["packet_too_big"]);
  });

  it("keep a BOM, and are strict UTF-8", () => {
    const text = "\ufeffé中😀";
    const bytes = Uint8Array.from(Buffer.from(encodePacket("", text)));
    expect(readAll(bytes, bytewise(bytes.length))).toEqual([["", text], "end"]);
    for (const wrong of ["\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80"]) {
      expect(readAll(encode(`[${wrong.length}#]${wrong}`), [])).toEqual(["bad_utf8"]);
    }
  });

  it("are not reserved from an announced length", () => {
    const reader = new PacketReader(resolveLimits({ maxPacketBytes: 200 * 1024 * 1024 }));
    const before = process.memoryUsage().arrayBuffers;
    reader.push(encode("[200000000#]x"));
    expect(reader.next()).toBeUndefined();
    expect(reader.payloadMissingBytes).toBe(199_999_999);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});

describe("the length of a text", () => {
  const units = ["\0", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"];
  const lone = ["\ud800", "\udbff", "\udc00", "\udfff", "\ud800\ud800", "\udc00\ud800", "\ud800x", "\ud800\ue000"];
  it.each([...units, ...lone, units.join(""), lone.join("x")])("%j is that of its UTF-8", (text) => {
    for (const times of [1, 2, 256, 257]) {
      const all = `a${text.repeat(times)}`;
      expect(utf8Length(all)).toBe(new TextEncoder().encode(all).length);
    }
  });

  it("is written before it", () => expect(encodePacket("co_recv", "é€")).toBe("[5#co_recv]é€"));
});

describe("what is counted", () => {
  it("is what was pushed, taken and left, in whatever chunks", () => {
    const stream = encode("[3#co_begin]101[2#]ab");
    for (const size of [1, 2, 3, 5, 16, 100]) {
      const reader = new PacketReader(PRESETS.public);
      let pushed = 0;
      for (let at = 0; at < stream.length; at += size) {
        const chunk = stream.subarray(at, at + size);
        reader.push(chunk, 1_000 + at);
        pushed += chunk.length;
        expect(reader.bufferedBytes).toBe(chunk.length + CHUNK_COST_BYTES);
        while (reader.next() !== undefined);
        expect([reader.consumedBytes, reader.bufferedBytes, reader.arrivedMs]).toEqual([pushed, 0, 1_000 + at]);
      }
      expect([reader.packetCount, reader.phase]).toEqual([2, "idle"]);
      reader.push(encode("raw data"));
      expect([reader.raw(3)?.length, reader.consumedBytes, reader.bufferedBytes]).toEqual([
        3,
        stream.length + 3,
        5 + CHUNK_COST_BYTES,
      ]);
      reader.clear();
      reader.push(encode("[9#]part"));
      expect([reader.next(), reader.heldBytes, reader.payloadMissingBytes, reader.phase]).toEqual([
        undefined,
        4,
        5,
        "payload",
      ]);
      reader.clear();
      expect([reader.bufferedBytes, reader.heldBytes, reader.raw(1)]).toEqual([0, 0, undefined]);
    }
  });
});

describe("raw data", () => {
  it("is handed on as it is, whatever it looks like", () => {
    const reader = new PacketReader(PRESETS.public);
    reader.push(encode("[1#]x[3#co_end]101[0#]"));
    expect(reader.next()?.text).toBe("x");
    expect(Buffer.from(reader.raw(7) ?? []).toString()).toBe("[3#co_e");
    const target = new Uint8Array(7);
    expect(reader.rawInto(target)).toBe(7);
    expect(Buffer.from(target).toString()).toBe("nd]101[".slice(0, 7));
    reader.push(encode("[2#]ok"));
    expect(Buffer.from(reader.raw(100) ?? []).toString()).toBe("0#]");
    expect(reader.next()?.text).toBe("ok");
    expect(reader.raw(1)).toBeUndefined();
  });

  it("is a view of the received chunk, not a copy", () => {
    const reader = new PacketReader(PRESETS.public);
    const chunk = new Uint8Array(1_000);
    reader.push(chunk);
    expect(reader.raw(500)?.buffer).toBe(chunk.buffer);
  });
});

/** Streams in which nearly everything is right. */
const piece = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.constantFrom(...DIRECTIVES), fc.string({ unit: "binary", maxLength: 80 }))
      .map(([d, t]) => Buffer.from(encodePacket(d, t))),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("[", "[1#]\xff", "[9#", "x", "[01#]", "[999999#]", "[2#]a", "[300#co_end]")
      .map((text) => Buffer.from(text, "latin1")),
  },
);
const stream = fc.array(piece, { maxLength: 12 }).map((pieces) => Uint8Array.from(Buffer.concat(pieces)));

it("any nearly valid stream, in any cut, gives the same packets or the same refusal", () => {
  let valid = 0;
  fc.assert(
    fc.property(stream, fc.array(fc.nat(600), { maxLength: 30 }), (bytes, cuts) => {
      const whole = readAll(bytes, []);
      if (whole.at(-1) === "end") valid += 1;
      expect(
        readAll(
          bytes,
          cuts.sort((a, b) => a - b),
        ),
      ).toEqual(whole);
      expect(readAll(bytes, bytewise(bytes.length))).toEqual(whole);
    }),
    { numRuns: 400 },
  );
  expect(valid).toBeGreaterThan(100);
});

it("counts bytes as UTF-8 has them", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }), (text) => {
      expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
    }),
  );
});

it("takes time linear in the bytes, one by one", () => {
  const bytes = (count: number) => encode(`[${count}#]${"x".repeat(count)}`);
  /** Of the processor, in microseconds: what else the machine does is not measured. */
  const time = (stream: Uint8Array) => {
    const start = process.cpuUsage();
    const reader = new PacketReader(PRESETS.public);
    let packet: unknown;
    for (let i = 0; i < stream.length; i++) {
      reader.push(stream.subarray(i, i + 1));
      packet = reader.next();
    }
    expect(packet).toBeDefined();
    // and again, all pieces at hand before the first is read
    const late = new PacketReader(PRESETS.public);
    for (let i = 0; i < stream.length; i++) late.push(stream.subarray(i, i + 1));
    expect(late.next()).toBeDefined();
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  time(bytes(1_000));
  // In turn, and the least of each: noise only adds.
  const pairs = Array.from({ length: 4 }, () => [time(bytes(60_000)), time(bytes(240_000))] as const);
  const least = (at: 0 | 1) => Math.min(...pairs.map((pair) => pair[at]));
  expect(least(1)).toBeLessThan(Math.max(8 * least(0), 100_000));
});
