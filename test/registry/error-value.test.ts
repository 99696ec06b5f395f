/**
 * What of an error crosses when not all of it can: its code and its message always do, and the loss is logged.
 */
import { HbiError, HostingEnv, method } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { errorValue } from "../../src/registry/error-value.ts";
import { pair } from "../support/pair.ts";

const number = method({ params: {}, result: z.number() });
/** What lands at the caller of an error that a handler has thrown. */
async function landed(thrown: HbiError): Promise<HbiError> {
  const { po } = await pair(
    new HostingEnv().expose("fails", number, () => {
      throw thrown;
    }),
  );
  return po
    .converse(async (co) => {
      await co.sendCode("fails()");
      return co.recvObj();
    })
    .then(
      () => new HbiError("internal", "it has not failed"),
      (error) => error,
    );
}
const failing = () => {
  throw new Error("of the handler's own object");
};

describe("an error whose details cannot be written crosses without them, and the connection goes on", () => {
  it.each<[string, () => object]>([
    ["a function", () => ({ a: () => 1 })],
    ["nested beyond what a peer takes", () => JSON.parse(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`)],
    ["longer than a peer takes", () => ({ a: "x".repeat(20_000) })],
    ["a getter that fails", () => Object.defineProperty({}, "a", { get: failing, enumerable: true })],
    ["an own form that fails", () => ({ a: { [Symbol.for("hbi.repr")]: failing } })],
    ["a proxy that fails", () => new Proxy({}, { ownKeys: failing })],
  ])("%s", async (_, details) => {
    const env = new HostingEnv()
      .expose("fails", number, () => {
        throw new HbiError("not_found", "no such thing", details() as never);
      })
      .expose("seven", number, () => 7);
    const { po } = await pair(env);
    const ask = (code: string) =>
      po.converse(async (co) => {
        await co.sendCode(code);
        return co.recvObj();
      });
    await expect(ask("fails()")).rejects.toMatchObject({
      code: "not_found",
      message: "no such thing",
      details: undefined,
    });
    expect(await ask("seven()")).toBe(7);
  });
});

describe("of an error there crosses", () => {
  it.each<[string, unknown, unknown]>([
    ["an object", { a: 1, b: ["c"] }, { a: 1, b: ["c"] }],
    ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ["nothing of a list, which a peer refuses as details", [1], undefined],
    ["nothing of an instance", new Map([["a", 1]]), undefined],
    ["nothing where there is nothing", undefined, undefined],
  ])("as details %s", async (_, details, expected) => {
    const error = await landed(new HbiError("not_found", "no such thing", details as never));
    expect([error.code, error.message, error.details]).toEqual(["not_found", "no such thing", expected]);
  });

  it.each([
    ["not_found", "not_found"],
    ["odd", "unknown"],
    ["", "unknown"],
  ])("the code %j as %s", (code, expected) => {
    expect(errorValue.spec.make({ code, message: "no such thing" }).code).toBe(expected);
  });

  it("a code that nobody knows as unknown", async () => {
    const error = await landed(new HbiError("odd" as never, "no such thing"));
    expect([error.code, error.message]).toEqual(["unknown", "no such thing"]);
  });

  it.each([
    ["German", "Größe ungültig: ß, ö, €"],
    ["Chinese", "找不到文件"],
    ["emoji", "no 🙂, no 👩‍👩‍👧, no 🇩🇪"],
    ["Arabic", "لا يوجد"],
    ["a combining accent", "cafe\u0301"],
  ])("%s as it was written", async (_, message) => {
    expect((await landed(new HbiError("not_found", message, { message }))).message).toBe(message);
  });

  it.each([
    ["a line break", "a\nb", "a\\nb"],
    ["a control character", "a\u001b[31m\u0007\u009b", "a\\u{1b}[31m\\u{7}\\u{9b}"],
    ["what turns the text around", "a\u202e\u2067\u200f", "a\\u{202e}\\u{2067}\\u{200f}"],
    ["other line breaks", "a\u2028\u2029\u0085", "a\\u{2028}\\u{2029}\\u{85}"],
    ["half of a pair", "a\ud800b", "a\\u{d800}b"],
    ["what is invisible", "a\ufeff\u200b", "a\\u{feff}\\u{200b}"],
  ])("%s escaped", async (_, message, expected) => {
    expect((await landed(new HbiError("not_found", message))).message).toBe(expected);
  });

  it.each([
    ["one byte each", "x", 512, 509],
    ["two bytes each", "ö", 256, 254],
    ["three bytes each", "件", 170, 169],
    ["four bytes each", "🙂", 128, 127],
  ])("at most 512 bytes, in whole characters: %s", async (_, char, most, cut) => {
    expect((await landed(new HbiError("aborted", char.repeat(most)))).message).toBe(char.repeat(most));
    expect((await landed(new HbiError("aborted", char.repeat(most + 1)))).message).toBe(`${char.repeat(cut)}...`);
  });
});

describe("the log says which details did not cross, and why", () => {
  it.each<[string, () => object, string]>([
    [
      "a date",
      () => ({ order: { since: new Date(0) } }),
      "details.order.since is a Date; send toISOString(), or getTime()",
    ],
    ["a function", () => ({ retry: () => undefined }), "details.retry is a function"],
    ["too much", () => ({ text: "x".repeat(20_000) }), "have 20011 characters, at most 16384 cross"],
    ["a list", () => [1], "details must be a plain object"],
    ["a getter that fails", () => Object.defineProperty({}, "a", { get: failing, enumerable: true }), "did not cross"],
  ])("%s", async (_, details, why) => {
    const env = new HostingEnv().expose("fails", number, () => {
      throw new HbiError("not_found", "no such thing", details() as never);
    });
    const { po, log } = await pair(env);
    const asked = po.converse(async (co) => {
      await co.sendCode("fails()");
      return co.recvObj();
    });
    await expect(asked).rejects.toMatchObject({ code: "not_found", message: "no such thing" });
    expect(log.map(({ error }) => error.reason)).toEqual([undefined, "details_lost"]);
    expect(log[1]).toMatchObject({ where: "conversation 101", error: { code: "internal" } });
    expect(log[1]?.error.message).toContain(why);
  });
});
