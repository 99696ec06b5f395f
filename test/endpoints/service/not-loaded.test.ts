/**
 * A bundle whose parts cannot be loaded, as in a service worker: what a link does without what compares definitions.
 */
import {
  defineService,
  type HbiError,
  type Link,
  type LinkOptions,
  memoryTransportPair,
  method,
  type Service,
  ServiceHost,
} from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { withBrokenBundle } from "../../support/broken-bundle.ts";
import { hearsNothing } from "../../support/ear.ts";

hearsNothing();

const PARTS = ["own-description", "definition-difference", "description"];
const message = (what: string) =>
  `a part of the library could not be loaded: ${what}; where import() is not allowed, as in a service worker, bundle everything into one file`;

/** What a link of another definition than its service's comes to. */
async function met(
  broken: readonly string[],
  options: LinkOptions<Service>,
  { theirs = "other", awaitsLog = false } = {},
) {
  return await withBrokenBundle(broken, async (lib) => {
    const of = (params: Record<string, z.ZodType>) =>
      defineService({
        name: "hi",
        version: "1.0.0",
        methods: { hi: method({ params }) },
      }) as unknown as Service;
    const logged: HbiError[] = [];
    const ours = of({});
    const host = new ServiceHost(
      theirs === "same" ? ours : of({ a: z.string() }),
      (() => ({ hi: () => undefined })) as never,
      {
        log: () => undefined,
      },
    );
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      host.accept(far).catch(() => undefined);
      return near;
    };
    let tell: () => void = () => undefined;
    const told = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const log = ({ error }: { error: HbiError }) => {
      logged.push(error);
      tell();
    };
    let link: Link | undefined;
    let failed: unknown;
    try {
      link = await new lib.Link(ours, dial, {}, { ...options, log } as never).open();
      await link.ping();
      if (awaitsLog) await told;
    } catch (thrown) {
      failed = thrown;
    }
    const isOpen = link !== undefined;
    await link?.disconnect();
    await host.close();
    return { failed, isOpen, logged: logged.filter(({ reason }) => reason !== "disconnected") };
  });
}

describe("a link whose bundle cannot load what compares definitions", () => {
  it('refuses a service of another definition, if onMismatch is "error", and says why', async () => {
    const { failed, isOpen } = await met(PARTS, { onMismatch: "error" });
    expect(isOpen).toBe(false);
    expect(failed).toMatchObject({
      code: "unavailable",
      reason: "not_loaded",
      message: message("what compares definitions"),
      cause: expect.objectContaining({ message: expect.any(String) }),
    });
  });

  it("is open otherwise, and logs it", async () => {
    const { isOpen, logged } = await met(PARTS, {}, { awaitsLog: true });
    expect([isOpen, logged.map(({ reason }) => reason)]).toEqual([true, ["not_loaded"]]);
  });

  it('is open with "ignore", and logs nothing', async () => {
    expect(await met(PARTS, { onMismatch: "ignore" })).toMatchObject({ isOpen: true, logged: [] });
  });

  it("does the same where only what tells the difference is missing; the same definitions need none", async () => {
    const [, ...some] = PARTS;
    expect(await met(some, { onMismatch: "error" })).toMatchObject({ failed: { reason: "not_loaded" } });
    expect((await met(some, {}, { awaitsLog: true })).logged).toMatchObject([{ reason: "not_loaded" }]);
    const brokenDifference = ["definition-difference"];
    expect(await met(brokenDifference, { onMismatch: "error" }, { theirs: "same" })).toMatchObject({
      isOpen: true,
      logged: [],
    });
  });

  it("compares them where it can", async () => {
    expect(await met([], { onMismatch: "error" })).toMatchObject({ failed: { reason: "other_definition" } });
  });
});
