/**
 * What a service of many methods must do, at default limits.
 */
import { asyncApiDocument, compareServices, describedService, describeService } from "hbi";
import { connect, serve } from "hbi/node";
import { describe, expect, it } from "vitest";
import { handlersOf, service } from "./crud.ts";

export function worksWith(count: number): void {
  describe(`a service of ${count} methods`, () => {
    const big = service(count);
    const description = describeService(big);

    it("is described and compared, and a tool is made of its description", () => {
      expect(Object.keys(description.methods)).toHaveLength(count);
      expect(compareServices(big, JSON.parse(JSON.stringify(description)))).toEqual([]);
      expect(Object.keys(asyncApiDocument(big).channels)).toHaveLength(count);
      expect(Object.keys(describedService(description).methods)).toHaveLength(count);
    }, 120_000);

    it("is served, connected to, asked for its description, and called", async () => {
      const server = await serve(big, "127.0.0.1:0", () => handlersOf(big.methods) as never);
      const link = await connect(big, server.address);
      const told = await link.describe();
      expect(told.hash).toBe(description.hash);
      expect(Object.keys(told.methods)).toHaveLength(count);
      const given = { id: "0b4f5ba9-5d1c-4a3c-9f70-d1e2c6a6a9b0", version: 1 };
      const deletes = Object.keys(big.methods).filter((name) => name.endsWith(".delete"));
      const calls = link.call as Readonly<Record<string, (params: object) => Promise<unknown>>>; // the names are computed
      expect(await Promise.all(deletes.map((name) => calls[name]?.(given)))).toEqual(deletes.map(() => false));
      await link.close();
      await server.close();
    }, 120_000);
  });
}
