/**
 * Two installed copies of the library or of zod: a definition may come from a package that has its own.
 */
import { createRequire } from "node:module";
import { defineService, describeService, HbiError, HostingEnv, method, script } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { pair } from "../support/pair.ts";

/** The library once more, as from another folder. */
async function copy(): Promise<typeof import("hbi")> {
  vi.resetModules();
  return import("hbi");
}

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const spec = {
  params: { x: z.number() },
  make: ({ x }: { x: number }) => new Point(x),
  is: (one: unknown) => one instanceof Point,
};

describe("with another copy of the library", () => {
  it("it is another copy", async () => {
    const other = await copy();
    expect(other.HbiError).not.toBe(HbiError);
    expect(other.method({ params: {} }).constructor).not.toBe(method({ params: {} }).constructor);
  });

  it("its methods, values and definitions are served and called", async () => {
    const other = await copy();
    const point = other.value(spec);
    const double = other.method({
      params: { at: point.schema, times: z.int().default(2), note: z.object({ a: z.string() }).optional() },
      result: point.schema,
    });
    const parts = { name: "s", version: "1.0.0", methods: { double }, values: { Point: point } };
    for (const service of [defineService(parts as never), other.defineService(parts)] as ReturnType<
      typeof other.defineService<{ double: typeof double }>
    >[]) {
      const test = await testLink(service, () => ({ double: ({ at, times }) => new Point(at.x * times) }));
      expect(await test.link.call.double({ at: new Point(3), note: { a: "x", secret: 1 } as never })).toStrictEqual(
        new Point(6),
      );
      await expect(test.link.call.double({ at: 5 as never })).rejects.toBeInstanceOf(HbiError);
      await expect(test.link.call.double({ at: 5 as never })).rejects.toMatchObject({ reason: "bad_argument" });
      await test.close();
    }
    const described = describeService(other.defineService(parts));
    expect(described.hash).toBe(other.describeService(defineService(parts as never)).hash);
    expect(JSON.stringify(described.methods["double"])).toContain("Point");
    const { compareServices } = await import("hbi");
    expect(compareServices(other.defineService(parts), described)).toEqual([]);
  });

  it("an error that it makes refuses a call, and either copy recognises the other's", async () => {
    const other = await copy();
    const service = defineService({ name: "s", version: "1.0.0", methods: { fail: method({ params: {} }) } });
    const test = await testLink(service, () => ({
      fail: () => {
        throw new other.HbiError("not_found", "no such place", { id: 1 });
      },
    }));
    const error: unknown = await test.link.call.fail().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "not_found", message: "no such place", details: { id: 1 } });
    expect([error instanceof HbiError, error instanceof other.HbiError]).toEqual([true, true]);
    await test.close();
    class Refused extends HbiError {}
    expect(new Refused("aborted", "x") instanceof other.HbiError).toBe(true);
    expect(new other.HbiError("aborted", "x") instanceof Refused).toBe(false);
    expect(new Error("x") instanceof HbiError).toBe(false);
    expect(({ code: "aborted", message: "x" } as unknown) instanceof HbiError).toBe(false);
  });

  it("its scripts are sent", async () => {
    const other = await copy();
    const env = new HostingEnv().expose(
      "f",
      other.method({ params: { a: z.string() }, result: z.string() }),
      ({ a }) => a,
    );
    const { po, client } = await pair(env);
    const code = other.script`f(${"it's"})`;
    const got = await po.converse(async (co) => {
      await co.sendCode(script`${code}`);
      await co.sendCode(code);
      return [await co.recvObj(), await co.recvObj()];
    });
    expect(got).toEqual(["it's", "it's"]);
    await client.disconnect();
  });

  it.each(["method", "value"] as const)(
    "a %s of a version with another form is refused with the cause",
    async (kind) => {
      const strange = Object.create({ [Symbol.for(`hbi.${kind}`)]: 2 });
      const spec = { method: { methods: { a: strange } }, value: { methods: {}, values: { a: strange } } }[kind];
      expect(() => defineService({ name: "s", version: "1.0.0", ...spec } as never)).toThrow(
        "a was made by another version of hbi; npm ls hbi shows the installed copies",
      );
    },
  );
});

it("schemas of another copy of zod are read as those of this one", async () => {
  const { z: other } = createRequire(import.meta.url)("zod") as { readonly z: typeof z };
  expect(other.string).not.toBe(z.string);
  const Place = other.object({ name: other.string(), tag: other.unknown(), at: z.array(other.int()).default([1]) });
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: {
      add: method({ params: { place: Place, note: z.string().optional() }, result: z.array(Place) }),
    },
  });
  const test = await testLink(service, () => ({ add: ({ place }) => [place] }));
  const given = { name: "Oslo", secret: 1 } as never;
  expect(await test.link.call.add({ place: given })).toStrictEqual([{ name: "Oslo", tag: undefined, at: [1] }]);
  await expect(test.link.call.add({ place: { name: 5 } as never })).rejects.toMatchObject({ reason: "bad_argument" });
  expect(() => method({ params: { a: other.object({ at: other.file() }) } })).toThrow(
    "params: a.at: a File cannot be sent",
  );
  await test.close();
});

it("the first call sends no undeclared member either, if a member of a union may only be undefined", () => {
  const Note = z.union([z.object({ a: z.undefined() }), z.int().default(1)]);
  const { sent } = method({ params: { note: Note } }).signature.send("note", { note: { secret: 1 } });
  expect(sent).toEqual({ note: {} });
});
