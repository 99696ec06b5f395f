/**
 * Declared errors over every way to connect, with any details, and from hosts that say anything of their errors.
 */
import fc from "fast-check";
import {
  Connection,
  defineService,
  HbiError,
  HostingEnv,
  isServiceError,
  Link,
  memoryTransportPair,
  method,
  repr,
} from "hbi";
import { connect, serve } from "hbi/node";
import { testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";

const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    run: method({
      params: { details: z.unknown() },
      result: z.int(),
      errors: { any: z.looseObject({}), full: z.object({ by: z.int() }) },
    }),
    plain: method({ params: {}, result: z.int() }),
  },
  reactions: {
    confirm: method({ params: { details: z.unknown() }, errors: { any: z.looseObject({}) } }),
  },
});
type Jobs = typeof jobs;
const quiet = { log: () => undefined };

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const failed = (call: Promise<unknown>): Promise<HbiError> =>
  call.then(
    () => expect.fail("it has not failed"),
    (thrown) => thrown as HbiError,
  );

describe("over a socket", () => {
  it.each([true, false])("they cross in both directions, with lanes: %s", async (lanes) => {
    let asked: Promise<HbiError> | undefined;
    const server = await serve(
      jobs,
      "127.0.0.1:0",
      (peer) => ({
        run: ({ details }, call) => {
          asked = failed(peer.call.confirm({ details }));
          throw call.error("any", details as Record<string, unknown>);
        },
        plain: () => 1,
      }),
      { ...quiet, lanes },
    );
    closing.push(() => server.close());
    const confirm = ({ details }: { details?: unknown }, call: { error(name: "any", details: object): HbiError }) => {
      throw call.error("any", details as Record<string, unknown>);
    };
    const link = await connect(jobs, server.address, { confirm }, { ...quiet, lanes });
    closing.push(() => link.close());
    const details = { list: [1, "two", null], text: "x".repeat(5_000) };
    const { error } = await link.try.run({ details });
    expect(error).toMatchObject({ declared: "any", details });
    expect(await asked).toMatchObject({ declared: "any", details, method: "confirm" });
  });
});

describe("details", () => {
  it("cross unchanged, whatever plain data they are", async () => {
    const { link } = await testLink(
      jobs,
      () => ({
        run: ({ details }, call) => {
          throw call.error("any", details as Record<string, unknown>);
        },
        plain: () => 1,
      }),
      { host: quiet, reactions: { confirm: () => undefined } },
    );
    closing.push(() => link.close());
    const plain = fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        fc.double(),
        fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
        fc.uint8Array(),
      ),
      { maxKeys: 8 },
    );
    await fc.assert(
      fc.asyncProperty(plain, async (details) => {
        const { error } = await link.try.run({ details });
        expect(error?.declared).toBe("any");
        expect(error?.details).toEqual({ ...details });
      }),
      { numRuns: 200 },
    );
  });

  /** The largest text that fits has 16,384 characters: `{"by":"…"}`. */
  it.each([
    [16_384, "any"],
    [16_385, undefined],
  ])("of %i characters have the name %s", async (chars, declared) => {
    const { link } = await testLink(
      jobs,
      () => ({
        run: (_, call) => {
          throw call.error("any", { by: "x".repeat(chars - '{"by":""}'.length) });
        },
        plain: () => 1,
      }),
      { host: quiet, reactions: { confirm: () => undefined } },
    );
    closing.push(() => link.close());
    const error = await failed(link.call.run({ details: null }));
    expect([error.code, error.declared, error.details === undefined]).toEqual([
      "failed_precondition",
      declared,
      declared === undefined,
    ]);
  });
});

describe("of a host that says anything of its errors", () => {
  async function hostSaying(text: string) {
    const env = new HostingEnv();
    for (const name of ["run", "plain"]) {
      env.expose(name, method({ params: { details: z.unknown().optional() } }), (_, co) =>
        (co as never as Sending).sendObj(text),
      );
    }
    env.expose("well", method({ params: {}, result: z.int() }), () => 1);
    const [near, far] = memoryTransportPair();
    const host = new Connection(far, () => env, quiet);
    void host.start();
    const link = await new Link<Jobs>(jobs, async () => near, { confirm: () => undefined }, quiet).open();
    closing.push(() => link.disconnect());
    return link;
  }
  interface Sending {
    sendObj(text: string): Promise<void>;
  }

  const said = (...more: unknown[]) =>
    `HbiError("aborted","no",${more.map((one) => (one === undefined ? "None" : repr(one))).join(",")})`;
  const ordinary = { code: "aborted", message: "no", origin: "peer" };
  const misfit = { code: "internal", reason: "bad_answer" };
  const LONGEST = `${"a".repeat(600 - ".full".length)}.full`;

  it.each<[string, string, object]>([
    ["a name that is not declared", said({ by: 1 }, undefined, "run.nothing"), ordinary],
    ["a name that every object has", said({ by: 1 }, undefined, "run.constructor"), ordinary],
    ["a name that sets the prototype", said({ by: 1 }, undefined, "run.__proto__"), ordinary],
    ["another method", said({ by: 1 }, undefined, "plain.full"), ordinary],
    ["a method that does not exist", said({ by: 1 }, undefined, "jump.full"), ordinary],
    ["no method", said({ by: 1 }, undefined, "full"), ordinary],
    ["an empty method", said({ by: 1 }, undefined, ".full"), ordinary],
    ["an empty name", said({ by: 1 }, undefined, "run."), ordinary],
    ["nothing", said({ by: 1 }, undefined, ""), ordinary],
    ["None", said({ by: 1 }, undefined, undefined), ordinary],
    ["the longest name that is read", said({ by: 1 }, undefined, LONGEST), ordinary],
    ["a longer name", said({ by: 1 }, undefined, `a${LONGEST}`), { code: "invalid_argument", reason: "bad_argument" }],
    ["no text", said({ by: 1 }, undefined, 5), { code: "invalid_argument", reason: "bad_argument" }],
    ["an argument more", said({ by: 1 }, undefined, "run.full", 1), { code: "invalid_argument" }],
    ["details of another type", said({ by: "one" }, undefined, "run.full"), misfit],
    ["details without a member", said({}, undefined, "run.full"), misfit],
    ["no details", said(undefined, undefined, "run.full"), misfit],
  ])("%s is an error with a code, and never half of a declared one", async (_, text, expected) => {
    const link = await hostSaying(text);
    const error = await failed(link.try.run({ details: 1 }));
    expect(error).toBeInstanceOf(HbiError);
    expect(error).toMatchObject(expected);
    expect("declared" in error).toBe(false);
    expect(isServiceError(error, jobs.methods.run)).toBe(false);
    if (expected === misfit) expect(error.cause).toMatchObject({ ...ordinary });
    const again = await link.script((s) => s.plain()).catch((thrown: HbiError) => thrown.code);
    expect(["aborted", "invalid_argument"]).toContain(again);
  });

  it("a surplus of details is stripped, and a reason beside the name is kept", async () => {
    const link = await hostSaying(said({ by: 1, surplus: 2 }, "handler_timeout", "run.full"));
    const error = await failed(link.call.run({ details: 1 }));
    expect(error).toMatchObject({ declared: "full", reason: "handler_timeout", method: "run" });
    expect(error.details).toEqual({ by: 1 });
  });

  it("a refusal that was not processed has no name, because it is sent again", async () => {
    const link = await hostSaying(said({ by: 1 }, "overloaded", "run.full"));
    const error = await failed(link.call.run({ details: 1 }));
    expect(error).toMatchObject({ reason: "overloaded", mayHaveLanded: false });
    expect("declared" in error).toBe(false);
  });

  it("a name for a method that declares no errors is dropped", async () => {
    const link = await hostSaying(said({ by: 1 }, undefined, "plain.full"));
    const error = await failed(link.call.plain());
    expect(error).toMatchObject(ordinary);
    expect("declared" in error).toBe(false);
  });
});
