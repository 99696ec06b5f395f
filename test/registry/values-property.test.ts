/**
 * What the writer accepts the reader accepts, and it means the same: for random schemas and values, as parameters, as
 * results, and as arguments of a value's constructor.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Call, HbiError, HostingEnv, method, parseScript, parseValue, repr, resolveLimits, value } from "hbi";
import { describe, expect, it } from "vitest";
import { writeCall } from "../../src/registry/call-text.ts";
import { landValue } from "../../src/registry/land-value.ts";
import { validate } from "../../src/registry/validate.ts";
import { anyDrawn, meaningsAsParameter, steadyDrawn, withoutUndefined } from "../support/schema-values.ts";

const RUNS = Number(process.env["HBI_RUNS"] ?? 500); // more in the long suite
const LIMITS = resolveLimits();
const WRITING = { dialect: "json", maxDepth: LIMITS.maxDepth, writer: undefined } as const;

/** The output of these does not show what of the input was read and is therefore sent. */
const HIDES_INPUT = /\b(?:catch|transform|codec|coerced|preprocessed)\b/;

/** What the writer refuses is no matter here, as long as it says so as an error of the library. */
function written<T>(write: () => T): T | undefined {
  try {
    return write();
  } catch (thrown) {
    if (!(thrown instanceof HbiError)) throw thrown;
    return undefined;
  }
}

describe("what is written is accepted with the same meaning", () => {
  it("as a parameter", () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyDrawn, (drawn) => {
        const { schema, value: given, code } = drawn;
        const echo = method({ params: { a: schema }, result: undefined });
        const call = written(() => writeCall("echo", echo as never, { a: given }, WRITING));
        if (call === undefined) return;
        accepted += 1;
        const [tree] = parseScript(call.code, LIMITS);
        if (!(tree instanceof Call)) throw new Error("not a call");
        const landed = echo.signature.validate("echo", echo.signature.bind(tree)) as { readonly a: unknown };
        const [parsed, asSent] = meaningsAsParameter(drawn, sentBy(call.code));
        const isAsSent = isDeepStrictEqual(withoutUndefined(landed.a), asSent);
        if (!isAsSent) expect(withoutUndefined(landed.a)).toStrictEqual(parsed);
        const isStripped = !JSON.stringify(withoutBigints(parsed) ?? "").includes("s3cret");
        if (isStripped && !HIDES_INPUT.test(code)) expect(call.code).not.toContain("s3cret");
      }),
      { numRuns: RUNS },
    );
    expect(accepted).toBeGreaterThan(RUNS / 3);
  });

  it("as a result, also of a peer of the reference", () => {
    let accepted = 0;
    fc.assert(
      fc.property(steadyDrawn, ({ schema, value: given }) => {
        const { results } = method({ params: {}, result: schema });
        const [prepared] = results;
        if (prepared === undefined) throw new Error("no result");
        const result = written(() => [validate(prepared, given, "bad_result", "m")]);
        const text = result === undefined ? undefined : written(() => repr(result[0]));
        if (result === undefined || text === undefined) return;
        accepted += 1;
        const landed = validate(prepared, landValue(parseValue(text, LIMITS), new HostingEnv()), "bad_answer", "m");
        expect(withoutUndefined(landed)).toStrictEqual(withoutUndefined(result[0]));
      }),
      { numRuns: RUNS },
    );
    expect(accepted).toBeGreaterThan(RUNS / 3);
  });

  it("as an argument of a constructor", () => {
    class Box {
      readonly a: unknown;
      readonly b: unknown;
      constructor(a: unknown, b: unknown) {
        this.a = a;
        this.b = b;
      }
    }
    fc.assert(
      fc.property(steadyDrawn, steadyDrawn, (one, other) => {
        const box = value({
          params: { a: one.schema, b: other.schema },
          make: ({ a, b }) => new Box(a, b),
          is: (candidate) => candidate instanceof Box,
        });
        const env = new HostingEnv().construct("Box", box);
        const text = written(() => repr([new Box(one.value, other.value)], "json", 32, env.writer));
        if (text === undefined) return;
        const [landed] = landValue(parseValue(text, LIMITS), env) as [Box];
        expect(withoutUndefined(landed.a)).toStrictEqual(withoutUndefined(one.schema.parse(one.value)));
        expect(withoutUndefined(landed.b)).toStrictEqual(withoutUndefined(other.schema.parse(other.value)));
      }),
      { numRuns: RUNS / 2 },
    );
  });
});

function withoutBigints(value: unknown): unknown {
  const plain = (_: string, item: unknown) => {
    if (item instanceof Map || item instanceof Set) return [...item];
    return typeof item === "bigint" ? String(item) : item;
  };
  return JSON.parse(JSON.stringify(value, plain) ?? "null");
}

/** The argument of `echo(...)`, without a schema. */
function sentBy(code: string): { readonly a?: unknown } {
  const text = code.slice("echo(".length, -1);
  return text === "" ? {} : { a: landValue(parseValue(text, LIMITS), new HostingEnv()) };
}
