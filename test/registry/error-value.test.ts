/**
 * What of an error crosses when not all of it can: its code and its message always do.
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
});
