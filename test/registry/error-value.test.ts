/**
 * What of an error crosses when not all of it can: its code and its message always do.
 */
import { HbiError, HostingEnv, method } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { pair } from "../support/pair.ts";

const number = method({ params: {}, result: z.number() });
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
