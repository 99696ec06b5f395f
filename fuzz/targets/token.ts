/**
 * token: ids of conversations, one after the other. Read the same with what was remembered of the one before and without; a refusal is a
 * bad_token and no more; what is promised is a count of bytes, never another thing. What hosts make of an id is
 * read as an acknowledgement of its number.
 */
import fc from "fast-check";
import {
  answerId,
  formatToken,
  opaqueToken,
  parseToken,
  promisedBytes,
  seqOf,
  type Token,
  TokenReader,
} from "../../src/endpoints/conversation/token.ts";
import { HbiError } from "../../src/index.ts";
import { checkError } from "../engine/guards.ts";
import { must, type Target } from "../engine/target.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SEPARATOR = "\n";
const MOST_CHARS = 256;

const field = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("x", "n", "a", "x=1", "n=", "q", "q=x", "=", "") },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom("b", "d", "m", "p"),
        fc.oneof(fc.nat(9), fc.constantFrom("0", "00", "1e3", "-1", "", "9".repeat(15), "9".repeat(16))),
      )
      .map(([key, count]) => `${key}=${count}`),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 6, unit: "binary" }) },
);
const id = fc
  .tuple(
    fc.constantFrom("101", "7", "0", "", "x", "1".repeat(15), "1".repeat(16), "140737488355328"),
    fc.array(field, { maxLength: 6 }),
  )
  .map(([seq, fields]) => [seq, ...fields].join(";"));

export const token: Target = {
  name: "token",
  about: "ids of conversations: the same token with what is remembered and without, or refused; promises are counts",
  words: [";x", ";n", ";a", ";b=", ";d=", ";m=", ";p=", "101", SEPARATOR],
  baseMs: 50,
  share: 6,
  inputs: fc.array(id, { minLength: 1, maxLength: 6 }).map((ids) => encoder.encode(ids.join(SEPARATOR))),
  run(input) {
    const reader = new TokenReader();
    for (const text of decoder.decode(input).split(SEPARATOR)) {
      const read = outcome(() => reader.read(text.slice(0, MOST_CHARS)));
      const parsed = outcome(() => parseToken(text.slice(0, MOST_CHARS)));
      must(read === parsed, () => `${JSON.stringify(text)} is ${read} after others, and ${parsed} alone`);
    }
  },
};

function outcome(read: () => Token): string {
  let found: Token;
  try {
    found = read();
  } catch (thrown) {
    checkError(thrown);
    must(thrown instanceof HbiError && thrown.reason === "bad_token", "refused as something else");
    return "refused";
  }
  check(found);
  return JSON.stringify(found, Object.keys(found).sort()); // in whatever order its members were written
}

function check(found: Token): void {
  const { text, seq, isExtended, rawBytes, deadlineMs, hasNoRawData, asksForPromise } = found;
  if (!isExtended) {
    must(JSON.stringify(found) === JSON.stringify(opaqueToken(text)), "an id that claims nothing says something");
    return;
  }
  must(/^\d{1,15}$/.test(seq), "its number is none");
  must([seq, undefined].includes(acknowledged(text)), "repeated as a whole it has another number");
  must(seqOf(answerId(found, true, false)) === seq, "an answer of ours to it has another number");
  for (const count of [rawBytes, deadlineMs, promisedBytes(found)]) {
    must(count === undefined || (Number.isSafeInteger(count) && count >= 0), () => `${count} is no count`);
  }
  must(!(hasNoRawData && rawBytes !== undefined), "it promises no raw data, and some");
  if (String(Number(seq)) !== seq) return;
  const options = {
    hasNoRawData,
    asksForPromise,
    ...(rawBytes === undefined ? {} : { rawBytes }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
  const written = formatToken(Number(seq), true, options);
  must(seqOf(written) === seq, "written again it is not acknowledged");
  const again = parseToken(written);
  const said = ({ seq, rawBytes, deadlineMs, hasNoRawData, asksForPromise }: Token) =>
    JSON.stringify([seq, rawBytes, deadlineMs, hasNoRawData, asksForPromise]);
  must(said(again) === said(found), "written again it says something else");
}

/** The number of an acknowledgement; undefined: no host makes it of an id, which may have keys of no version of ours. */
function acknowledged(text: string): string | undefined {
  try {
    return seqOf(text);
  } catch (thrown) {
    checkError(thrown);
    must(thrown.reason === "bad_token", "an acknowledgement is refused as something else");
    return undefined;
  }
}
