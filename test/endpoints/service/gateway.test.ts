/**
 * A gateway: an error of its own call to another service is passed on, and is not taken for a failure of the gateway's
 * caller.
 */
import {
  CODES,
  type Code,
  defineService,
  FAILURES,
  HbiError,
  type HostOptions,
  type Link,
  method,
  type Reason,
} from "hbi";
import { quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const how = { code: z.string(), reason: z.string() };
const service = defineService({
  name: "passing",
  version: "1.0.0",
  methods: {
    fail: method({ params: how, result: z.string() }),
    note: method({ params: how }),
    upload: method({ params: how, body: () => 3, result: z.string() }),
    download: method({ params: how, result: z.string(), resultBody: () => 3 }),
    again: method({ params: { of: z.string() }, result: z.string() }),
    live: method({ params: {}, result: z.string() }),
  },
});

const MOST = 3;
const limits = { maxFailures: MOST, failuresPerSecond: 1 };
const quietly = { log: () => undefined };

type Passing = HostOptions<typeof service, undefined>;

/** A gateway that forwards every call to a service that fails as configured. */
async function gateway(options: Passing = {}) {
  const fails = ({ code, reason }: { code: string; reason: string }): never => {
    const given = reason === "" ? {} : { reason: reason as Reason };
    throw new HbiError(code as Code, "of the other service", { more: 1 }, given);
  };
  const other = { fail: fails, note: fails, upload: fails, download: fails, again: () => "", live: () => "lives" };
  const upstream = await testLink(service, () => other, { host: { ...quietly, limits: { maxFailures: 10_000 } } });
  const { call } = upstream.link;
  const passing = {
    fail: (params: never) => call.fail(params),
    note: (params: never) => call.note(params),
    upload: (params: never) => call.fail(params),
    download: async (params: never) => ({ result: await call.fail(params), body: new Uint8Array(3) }),
    again: ({ of }: { of: string }) => of,
    live: () => "lives",
  };
  const test = await testLink(service, () => passing as never, { host: { ...quietly, limits, ...options } });
  return { upstream, link: test.link };
}

type Fail = (link: Link<typeof service>, params: { code: string; reason: string }) => Promise<unknown>;
const WAYS: readonly [name: string, fail: Fail][] = [
  ["a result", (link, params) => link.call.fail(params)],
  ["a notification", (link, params) => link.call.note(params)],
  ["raw data", (link, params) => link.call.upload(params, { body: new Uint8Array(3) })],
  ["a result with raw data", (link, params) => link.call.download(params)],
  ["a call in a call", (link, params) => link.script((s) => s.again({ of: s.fail(params) }))],
];

const ERRORS: readonly { code: string; reason: string }[] = [
  ...[...CODES].map((code) => ({ code, reason: "" })),
  ...Object.entries(FAILURES).map(([reason, { code }]) => ({ code, reason })),
];

describe.each(WAYS)("an error of another service that is passed on, by %s,", (_, fail) => {
  it.each(ERRORS)("is no failure of the caller: $code $reason", async ({ code, reason }) => {
    const { link, upstream } = await gateway();
    const message = expect.stringMatching(/^([a-z, ()]+: )*of the other service$/); // the library's own begin with the method
    for (let i = 0; i < MOST + 2; i++) {
      await expect(fail(link, { code, reason })).rejects.toMatchObject({ code, message });
    }
    await expect(link.call.live({})).resolves.toBe("lives");
    await link.disconnect();
    await upstream.link.disconnect();
  });
});

it("what the caller itself sends is still counted", async () => {
  const { link, upstream } = await gateway();
  const refused = () =>
    link.po.converse(
      async (co) => {
        await co.sendCode("live(");
        return co.recvObj();
      },
      { hasNoRawData: true },
    );
  for (let i = 0; i < MOST; i++) await expect(refused()).rejects.toMatchObject({ reason: "syntax" });
  await expect(link.call.fail({ code: "invalid_argument", reason: "syntax" })).rejects.toMatchObject({
    reason: "syntax",
  });
  await expect(link.call.live({})).resolves.toBe("lives");
  await expect(refused()).rejects.toMatchObject({ message: expect.stringContaining("too many refused") as string });
  await quiet();
  await expect(link.call.live({})).rejects.toBeInstanceOf(HbiError);
  await upstream.link.disconnect();
});
