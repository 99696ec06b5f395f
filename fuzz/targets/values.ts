/**
 * values: random schemas and values, as parameters and as results. What the writer accepts the reader accepts, and it
 * means the same; what the schema strips is not written.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Call, HbiError, HostingEnv, method, parseScript, parseValue, repr, resolveLimits } from "../../src/index.ts";
import { writeCall } from "../../src/registry/call-text.ts";
import { landValue } from "../../src/registry/land-value.ts";
import { validate } from "../../src/registry/validate.ts";
import {
  anyDrawn,
  type Drawn,
  meaningsAsParameter,
  steadyDrawn,
  withoutUndefined,
} from "../../test/support/schema-values.ts";
import { Drawing } from "../engine/drawing.ts";
import { checkError } from "../engine/guards.ts";
import { must, type Target } from "../engine/target.ts";

const LIMITS = resolveLimits();
const WRITING = { dialect: "json", maxDepth: LIMITS.maxDepth, writer: undefined } as const;
const ENV = new HostingEnv();

export const values: Target = {
  name: "values",
  about: "schemas and values for them: what the writer accepts the reader accepts, with the same meaning",
  words: [],
  baseMs: 50,
  share: 3,
  inputs: fc.uint8Array({ minLength: 8, maxLength: 60 }),
  run(input) {
    const drawing = new Drawing(input);
    if (drawing.below(2) === 0) asParameter(drawing.value(anyDrawn));
    else asResult(drawing.value(steadyDrawn));
  },
};

function asParameter(drawn: Drawn): void {
  const { schema, value: given, code } = drawn;
  const echo = method({ params: { a: schema } });
  const call = accepted(() => writeCall("echo", echo as never, { a: given }, WRITING));
  if (call === undefined) return;
  const [tree] = parseScript(call.code, LIMITS);
  must(tree instanceof Call, () => `${code}: ${call.code} is no call`);
  const landed = echo.signature.validate("echo", echo.signature.bind(tree)) as { readonly a: unknown };
  const text = call.code.slice("echo(".length, -1);
  const meanings = meaningsAsParameter(drawn, text === "" ? {} : { a: landValue(parseValue(text, LIMITS), ENV) });
  const isOneOfThem = meanings.some((meaning) => isDeepStrictEqual(withoutUndefined(landed.a), meaning));
  must(isOneOfThem, () => `${code}: ${call.code} lands as another value`);
}

function asResult({ schema, value: given, code }: Drawn): void {
  const [declared] = method({ params: {}, result: schema }).results;
  must(declared !== undefined, "no result");
  const result = accepted(() => [validate(declared, given, "bad_result", "m")]);
  const text = result && accepted(() => repr(result[0]));
  if (result === undefined || text === undefined) return;
  const landed = validate(declared, landValue(parseValue(text, LIMITS), ENV), "bad_answer", "m");
  const isSame = isDeepStrictEqual(withoutUndefined(landed), withoutUndefined(result[0]));
  must(isSame, () => `${code}: ${text} lands as another value`);
}

/** What the writer refuses is no matter, if it says so. */
function accepted<T>(write: () => T): T | undefined {
  try {
    return write();
  } catch (thrown) {
    if (!(thrown instanceof HbiError)) throw thrown;
    checkError(thrown);
    return undefined;
  }
}
