import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { metadataField, NO_METADATA } from "../../../src/endpoints/conversation/metadata.ts";
import {
  formatToken,
  isSeedStyle,
  parseToken,
  SeqCounter,
  seqOf,
  TokenReader,
} from "../../../src/endpoints/conversation/token.ts";

describe("a conversation token", () => {
  it.each([
    ["101", { seq: "101", isExtended: false }],
    ["007", { seq: "007", isExtended: false }],
    ["abc-é", { seq: "abc-é", isExtended: false }],
    ["101;tp=00-4bf9", { seq: "101;tp=00-4bf9", isExtended: false }],
    ["abc;y;b=?", { seq: "abc;y;b=?", isExtended: false }],
    [";", { seq: ";", isExtended: false }],
    ["101;xx=1", { seq: "101;xx=1", isExtended: false }],
    ["101;x", { seq: "101", isExtended: true, hasNoRawData: false, rawBytes: undefined, deadlineMs: undefined }],
    ["101;x;n", { seq: "101", hasNoRawData: true }],
    ["101;x;n;e", { seq: "101", hasNoRawData: true, hearsErrors: true }],
    ["101;e", { seq: "101;e", isExtended: false, hearsErrors: false }],
    ["101;x;b=65536;d=5000", { seq: "101", rawBytes: 65536, deadlineMs: 5000 }],
    ["101;x;d=999999999", { deadlineMs: 999_999_999 }],
    ["100;x;n;m=20;p=65536", { seq: "100", introduction: { limits: { maxInFlight: 20, maxPacketBytes: 65_536 } } }],
    ["101;x=2;n", { seq: "101", isExtended: true, hasNoRawData: true }],
    ["101;x;tp=00-4bf9;unknown=1", { seq: "101", isExtended: true }],
  ])("%s is read", (text, token) => expect(parseToken(text)).toMatchObject(token));

  it.each([
    ...["101;x;b=-1", "101;x;b=1.5", "101;x;b=", "101;x;d=0", "101;x;d=soon", "101;x;;", "101;x;n;b=5"],
    ...["101;x;x", "101;x;n;n", "101;x;d=5;d=5", "101;x;tp=1;tp=1"], // a key twice
    ...["100;x;m=0", "100;x;p=0", "100;x;m=many", "101;x;m", "101;x;b", "101;x;b=1234567890123456"],
    ...["101;x;n=1", "101;x;n=", "101;x;a=1", "101;x;e=1", "101;x;n=0;a"], // they have no value
    ...[
      "101;x;B=5",
      "101;x;1=5",
      "101;x;=5",
      "101;x;t p=1",
      "101;x;tp=a b",
      "101;x;tp=\u0007",
      "101;x;abcdefghijklmnopq",
    ],
    ...["101;x=1;x", "101;n;n;x", "101;b=5;x;b=5"], // also where `x` comes later
    ...[";x", "abc;x;b=?", "101;x;é=1", "101;x;a b", "é;x;n", "1234567890123456;x", " 101;x", "101;y;x;"], // claims the extension
  ])("%s is refused", (text) =>
    expect(() => parseToken(text)).toThrow(expect.objectContaining({ reason: "bad_token" })),
  );

  it("is written as it is read", () => {
    const text = formatToken(101, true, { rawBytes: 7, deadlineMs: 1500.2 });
    expect(text).toBe("101;x;b=7;d=1501");
    expect(parseToken(text)).toMatchObject({ seq: "101", rawBytes: 7, deadlineMs: 1501 });
    expect(formatToken(101, false, { rawBytes: 7 })).toBe("101");
    expect(formatToken(101, true, { rawBytes: Number.POSITIVE_INFINITY })).toBe("101;x;u");
    expect(parseToken("101;x;u")).toMatchObject({ isOpenEnded: true, rawBytes: undefined, hasNoRawData: false });
  });

  it.each([
    "101",
    "101;n",
    "101;x",
    "101;x;n",
    "101;x;n;e",
    "101;x;n;d=5;e",
    "101;x;b=5;a;d=30000",
    "101;x;n;m=20;p=65536",
  ])("%s acknowledges 101", (text) => expect(seqOf(text)).toBe("101"));

  it.each([
    "101;",
    "101;y",
    "101;n;n",
    "101;x;",
    "101;x;z",
    "101;x;n;é=1",
    "101;x;b=",
    "101;N",
    "101;x;d=1234567890123456",
  ])("%s acknowledges nothing", (text) =>
    expect(() => seqOf(text)).toThrow(expect.objectContaining({ reason: "bad_token" })),
  );

  it.each([
    ["101;x;d=5;d=5", "malformed conversation id: d twice"],
    ["101;x;\u{1f600}=1", "malformed conversation id: a key must consist of letters a-z, a value of printable ASCII"],
    [";x", "malformed conversation id: it must begin with a number of at most 15 digits"],
    ["101;x;d=0", "malformed conversation id: d must have a value of at most 15 digits, at least 1"],
    ["101;x;n=1", "malformed conversation id: n has no value"],
    ["101;x;n;b=1", "malformed conversation id: n, b and u contradict each other"],
    ["101;x;n;u", "malformed conversation id: n, b and u contradict each other"],
    ["101;x;u;b=1", "malformed conversation id: n, b and u contradict each other"],
    ["101;x;u=1", "malformed conversation id: u has no value"],
  ])("what is wrong with %s is said", (text, message) => expect(() => parseToken(text)).toThrow(message));

  it.each([
    ["9999999", false],
    ["10000000", true],
    ["140234567890123", true],
    ["140234567890123;x", false],
    ["abc", false],
  ])("%s is of the seed era: %s", (text, isSeed) => expect(isSeedStyle(parseToken(text))).toBe(isSeed));

  it("counts from 101 to 9999999 and again from 101, without what is in use", () => {
    const counter = new SeqCounter();
    expect(counter.take({ isFree: () => true })).toBe(101);
    expect(counter.take({ isFree: (seq) => seq === 9_999_999 })).toBe(9_999_999);
    expect(counter.take({ isFree: (seq) => seq !== 101 })).toBe(102);
  });
});

describe("a reader of one peer's ids", () => {
  const IDS = [
    ...[
      "101;x;n;d=30000",
      "102;x;n;d=30000",
      "103;x;n;d=29999",
      "104;x;b=5",
      "105;x;b=5",
      "x;y;b=5",
      "106",
      "107;y",
      "108;y",
    ],
    ...["109;x", "110;x", ";", "abc;y", "101;x;n;d=30000", "101;x;n;d=30000;c", "é;n", "100;x;n;m=5;p=9"],
  ];
  it("reads each as if it were the only one, whatever came before", () => {
    for (const first of IDS) {
      for (const second of IDS) {
        const reader = new TokenReader();
        reader.read(first);
        expect(reader.read(second)).toEqual(parseToken(second));
        expect(reader.read(first)).toEqual(parseToken(first));
      }
    }
  });
  it("refuses what is malformed, again and again", () => {
    const reader = new TokenReader();
    for (const bad of ["101;x;d=0", "101;x;n;b=1", "101;x;b=-1", ";x;n", "é;x;n", "1234567890123456;x;n"]) {
      reader.read("101;x;n");
      for (let i = 0; i < 2; i++)
        expect(() => reader.read(bad)).toThrow(expect.objectContaining({ reason: "bad_token" }));
      expect(reader.read("102;x;n")).toEqual(parseToken("102;x;n"));
    }
  });
});

describe("metadata in a token", () => {
  const written: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["tenant:acme", { tenant: "acme" }],
    [
      "traceparent:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,user:Ali",
      { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", user: "Ali" },
    ],
    ["empty:", { empty: "" }],
    ["a:b:c=d/e", { a: "b:c=d/e" }],
    ["a:50%25%20of%20a%2C%20b%3B", { a: "50% of a, b;" }],
    ["a:%C3%A9%F0%9F%98%80%0A", { a: "é😀\n" }],
    ["constructor:1,a.b_c-d9:2", { constructor: "1", "a.b_c-d9": "2" }],
    [`${"k".repeat(64)}:v`, { ["k".repeat(64)]: "v" }],
  ];

  it.each(written)("%s", (text, metadata) => {
    expect(metadataField(metadata, 192)).toBe(`;t=${text}`);
    const token = parseToken(`101;x;n;t=${text}`);
    expect(token).toMatchObject({ seq: "101", hasNoRawData: true, metadataBytes: text.length });
    expect(Object.entries(token.metadata)).toEqual(Object.entries(metadata));
  });

  it("is read from any spelling that an encoder may choose", () => {
    expect({ ...parseToken("101;x;t=a:%61%62,b:%2c").metadata }).toEqual({ a: "ab", b: "," });
  });

  it("that is empty, or not there, writes and reads nothing", () => {
    expect(metadataField({}, 192)).toBe("");
    expect(parseToken("101;x;n")).toMatchObject({ metadataBytes: 0 });
    expect(parseToken("101;x;n").metadata).toBe(NO_METADATA);
    expect(parseToken("101").metadata).toBe(NO_METADATA);
    expect(NO_METADATA["constructor"]).toBe(undefined);
  });

  it("has no prototype, and can't be changed", () => {
    const { metadata } = parseToken("101;x;t=a:b");
    expect([Object.getPrototypeOf(metadata), Object.isFrozen(metadata)]).toEqual([null, true]);
  });

  it.each([
    ...["", ",", "a", "a:b,", ",a:b", "a:b,,c:d", ":b", "a:b,a:c", "A:b", "1a:b", "__proto__:b", "a b:c"],
    ...[`${"k".repeat(65)}:v`, "a:%", "a:%4", "a:%zz", "a:%ff", "a:%ED%A0%80", "%61:b", "é:b", "a:é", "a: b"],
  ])("%j is refused", (text) =>
    expect(() => parseToken(`101;x;n;t=${text}`)).toThrow(expect.objectContaining({ reason: "bad_token" })),
  );

  it.each<[string, object]>([
    ["an upper-case key", { Tenant: "a" }],
    ["an empty key", { "": "a" }],
    ["a key of 65 characters", { ["k".repeat(65)]: "a" }],
    ["a number", { a: 1 }],
    ["undefined", { a: undefined }],
    ["half a surrogate pair", { a: "\ud800" }],
  ])("%s is refused before it is sent", (_, metadata) =>
    expect(() => metadataField(metadata as never, 192)).toThrow(expect.objectContaining({ reason: "bad_option" })),
  );

  it("has so many bytes at most, as it is written", () => {
    expect(metadataField({ tenant: "é" }, 13)).toBe(";t=tenant:%C3%A9");
    expect(() => metadataField({ tenant: "é" }, 12)).toThrow(
      expect.objectContaining({ reason: "metadata_too_big", code: "resource_exhausted" }),
    );
  });

  it("within the largest limit, every token keeps to the bytes that every peer reads", () => {
    const options = { rawBytes: 999_999_999_999_999, deadlineMs: 999_999_999_999_999, asksForPromise: true };
    const field = metadataField({ a: "x".repeat(190) }, 192);
    expect(`${formatToken(9_999_999, true, options)}${field}`.length).toBeLessThanOrEqual(256);
  });

  it("is read as it was written, whatever is in it", () => {
    const keys = fc.stringMatching(/^[a-z][a-z0-9._-]{0,63}$/);
    const metadata = fc.dictionary(keys, fc.string({ unit: "grapheme", maxLength: 20 }), { maxKeys: 5 });
    fc.assert(
      fc.property(metadata, (given) => {
        const token = parseToken(`101;x;n${metadataField(given, 1_000_000)}`);
        expect(Object.entries(token.metadata)).toEqual(Object.entries(given));
      }),
    );
  });

  it("belongs to its own token, also where a reader has read the same before", () => {
    const reader = new TokenReader();
    const read = (text: string) => ({ ...reader.read(text).metadata });
    expect([read("101;x;n;t=a:1"), read("102;x;n;t=a:1"), read("103;x;n;t=a:2"), read("104;x;n"), read("105")]).toEqual(
      [{ a: "1" }, { a: "1" }, { a: "2" }, {}, {}],
    );
  });
});
