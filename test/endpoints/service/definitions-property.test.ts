/**
 * Whatever a definition allows, the reader reads: random definitions, calls made from them over a real pair of peers.
 */
import fc from "fast-check";
import { defineService, repr } from "hbi";
import { testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { definitions } from "../../support/definitions.ts";

it("what a definition allows is called in every way, and arrives as its schema says", async () => {
  const property = fc.asyncProperty(definitions, fc.gen(), async (declared, draw) => {
    const methods = Object.fromEntries(declared.map(([name, { method }]) => [name, method]));
    const service = defineService({ name: "s", version: "1.0.0", methods, reactions: methods });
    const received: unknown[] = [];
    const handlers = Object.fromEntries(
      declared.map(([name]) => [name, (params: unknown) => received.push(name, params)]),
    );
    const { link, peer } = await testLink(service, () => handlers, { reactions: handlers });
    const script = link.script.bind(link) as (
      build: (s: Record<string, (given: object) => never>) => never,
    ) => Promise<unknown>;
    for (const [name, { calls, expected, method }] of declared) {
      const given = draw(() => calls);
      const wanted = [name, expected(given)];
      const one = async (call: Promise<unknown> | undefined): Promise<void> => {
        await call;
        expect(received.splice(0)).toEqual(wanted);
      };
      await one(link.call[name]?.(given));
      await one(peer.call[name]?.(given));
      await one(script((s) => (s[name] as (given: object) => never)(given)));
      const named = Object.entries(given).map(([key, value]) => `${key} = ${repr(value, "python")}`);
      await one(
        link.po.converse(async (co) => {
          await co.sendCode(`${name} (${named.join(", ")})`);
          return co.recvObj();
        }),
      );
      expect(method.signature.names.every((key) => typeof key === "string")).toBe(true);
    }
    await link.close();
  });
  await fc.assert(property, { numRuns: Number(process.env["HBI_RUNS"] ?? 8) });
});
