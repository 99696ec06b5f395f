/**
 * What a side says of itself in its hello.
 */
import { type LimitOptions, PRESETS, resolveLimits } from "hbi";
import { expect, it } from "vitest";
import { helloToken, parseToken, seqOf } from "../../../src/endpoints/conversation/token.ts";

it("is read as it was said, with every limit that a peer respects", () => {
  const { introduction } = parseToken(helloToken(PRESETS.public));
  expect(introduction?.limits).toEqual({
    maxInFlight: 100,
    maxPacketBytes: 262_144,
    maxNodes: 10_000,
    maxDepth: 32,
    maxObjectKeys: 1_000,
    maxArguments: 64,
    maxNumberLength: 40,
    maxCallsPerScript: 64,
    maxStatements: 64,
    maxBodyBytes: 67_108_864,
    strangerPacketBytes: 4_096,
  });
});

it("of an earlier version says less", () => {
  expect(parseToken("100;x;n;m=100;p=262144").introduction).toEqual({
    limits: { maxInFlight: 100, maxPacketBytes: 262_144 },
    mostPacketBytes: 262_144,
    readsRich: false,
  });
  expect(parseToken(helloToken(PRESETS.public, 300_000)).introduction?.mostPacketBytes).toBe(300_000);
  expect(helloToken(PRESETS.public, 262_144)).not.toContain("most");
  expect(parseToken("101;x;n").introduction).toBeUndefined();
});

it("fits into an id, whatever the limits, and can be echoed", () => {
  const most: LimitOptions = Object.fromEntries(
    Object.keys(PRESETS.public).map((name) => [name, Number.MAX_SAFE_INTEGER]),
  );
  const ceilings = { maxDepth: 512, maxNumberLength: 1_000, maxMetadataBytes: 192 };
  const many = Object.fromEntries(Object.keys(most).map((name) => [name, 99_999_999_999]));
  for (const limits of [most, many, { maxBodyBytes: Number.POSITIVE_INFINITY }]) {
    const token = helloToken(resolveLimits({ ...limits, ...ceilings, maxPacketBytes: 2 ** 28 - 1 }), 2 ** 28);
    expect(token.length).toBeLessThan(218); // an id has at most 256 bytes, and there is room for one more field
    expect(seqOf(token)).toBe("100");
  }
});

it("says a definition: its name, or hashes", () => {
  const hashes = ["0123abcd", "89abcdef"];
  const token = helloToken(PRESETS.public, 0, { name: "shop.orders", hashes });
  expect(parseToken(token).introduction).toMatchObject({ definition: "shop.orders", hashes });
  expect(seqOf(token)).toBe("100"); // a host of another library repeats it
});

it.each([
  ["a name that is none", { name: "a;b" }],
  ["a name of 65 characters", { name: "n".repeat(65) }],
  ["more than fits into an id", { hashes: Array.from({ length: 15 }, () => "01234567") }],
])("does not say %s", (_, definition) => {
  expect(helloToken(PRESETS.public, 0, definition)).toBe(helloToken(PRESETS.public));
});

it.each([
  "def=",
  "def=a-b",
  `def=${"n".repeat(65)}`,
  "hash=",
  "hash=xyz",
  "hash=0123abc",
  "hash=0123ABCD",
  "hash=0123abcd.",
])("%s is ignored", (field) => {
  const { introduction } = parseToken(`100;x;n;m=1;${field}`);
  expect([introduction?.definition, introduction?.hashes]).toEqual([undefined, undefined]);
});

it.each(["nodes=0", "depth=-1", "keys=many", "args=1.5", "digits=1234567890123456", "body=Infinity", "login="])(
  "%s is malformed",
  (field) => expect(() => parseToken(`100;x;n;m=1;${field}`)).toThrow(expect.objectContaining({ reason: "bad_token" })),
);
