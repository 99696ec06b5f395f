/**
 * Texts that are known to hurt parsers, and what it takes to read or refuse them.
 */
import { HbiError, parseScript, parseValue, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn, parseWithAcorn } from "../../src/parser/parse.ts";

/** Wide limits let the most be read; the default ones are those for untrusted peers. */
const WIDE = resolveLimits({ preset: "trusted" });
const USUAL = resolveLimits();

const TEXTS: Readonly<Record<string, (length: number) => string>> = {
  "a[a[a[": (n) => "a[".repeat(n / 2),
  "((((": (n) => "(".repeat(n),
  "[[[[": (n) => "[".repeat(n),
  "{a:{a:": (n) => "{a:".repeat(n / 3),
  "f(f(f(": (n) => "f(".repeat(n / 2),
  ";;;;": (n) => ";".repeat(n),
  "----": (n) => "-".repeat(n),
  "let a0,a1": (n) => `let ${Array.from({ length: n / 8 }, (_, i) => `a${i}`).join(",")}`,
  "bytes again and again": (n) => `f([${"b'x',".repeat(n / 5)}])`,
  "a comment for each value": (n) => `f([${"1/**/,".repeat(n / 6)}])`,
  hexadecimals: (n) => `f([${"0x1,".repeat(n / 4)}])`,
  "a string after half a string": (n) => `f([${"'\\x4',".repeat(n / 6)}])`,
  "JSON to its end, and a comma too many": (n) => `f([1${",1".repeat(n / 2)}],,1)`,
  "a regular expression": (n) => `f(/${"\\p{RGI_Emoji}".repeat(n / 13)}/v)`,
  comments: (n) => "/**/".repeat(n / 4),
  "an open comment": (n) => `/*${"*".repeat(n)}`,
  "# lines": (n) => "#\n".repeat(n / 2),
  "names and dots": (n) => "a.".repeat(n / 2),
  "one long name": (n) => "a".repeat(n),
  "one long number": (n) => "1".repeat(n),
  "one long exponent": (n) => `1e${"1".repeat(n)}`,
  "one long hexadecimal": (n) => `0x${"f".repeat(n)}`,
  "an open string": (n) => `"${"x".repeat(n)}`,
  escapes: (n) => `"${"\\n".repeat(n / 2)}"`,
  "Python's long escapes": (n) => `'${"\\U0001f600".repeat(n / 10)}'`,
  "strings with a bell": (n) => `f(${'"\\a",'.repeat(n / 5)})`,
  "half an escape": (n) => `"${"x".repeat(n)}\\`,
  "an open bytes literal": (n) => `b'${"x".repeat(n)}`,
  "b'b'b'": (n) => "b'".repeat(n / 2),
  "(((( in words": (n) => "None(".repeat(n / 5),
  "{{{{": (n) => "{".repeat(n),
  "[1,(1,{a:": (n) => "[1,(1,{a:".repeat(n / 9),
  "]]]]": (n) => "]".repeat(n),
  "====": (n) => "=".repeat(n),
  "a=a=a=": (n) => "a=".repeat(n / 2),
  "a: : :": (n) => `{a${":".repeat(n)}`,
  "f`f`f`": (n) => "f`".repeat(n / 2),
  "keys of one object": (n) => `{${Array.from({ length: n / 10 }, (_, i) => `a${i}:${i}`).join(",")}}`,
  "keys that are no text": (n) => `[${"{True:1},".repeat(n / 9)}]`,
  "integers and texts that look like some": (n) => `[${"{1:1,'2':1},".repeat(n / 12)}]`,
  "the same key": (n) => `{${"a:1,".repeat(n / 4)}}`,
  "unicode escapes": (n) => `"${"\\u{1f600}".repeat(n / 9)}"`,
  bytes: (n) => `b'${"\\xff".repeat(n / 4)}'`,
  numbers: (n) => `f([${"1,".repeat(n / 2)}])`,
  "Python's words": (n) => `f([${"None,".repeat(n / 5)}])`,
  objects: (n) => `f([${'{"a":1},'.repeat(n / 8)}])`,
  tuples: (n) => `f(${"(1,),".repeat(n / 5)})`,
  keywords: (n) => `f(${"a=1,".repeat(n / 4)})`,
  statements: (n) => "f()\n".repeat(n / 4),
  spaces: (n) => " ".repeat(n),
  "newlines and a wrong end": (n) => `${"\n".repeat(n)}@`,
};

/** Of the processor: what else the machine does is not measured. */
function milliseconds(text: string): number {
  const start = process.cpuUsage();
  for (const limits of [WIDE, USUAL]) {
    for (const read of [parseScript, parseValue, parseWithAcorn, parseValueWithAcorn]) {
      try {
        read(text, limits);
      } catch (thrown) {
        if (!(thrown instanceof HbiError)) throw thrown;
      }
    }
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

/** The least of a few: noise only adds. */
const least = (text: string) => Math.min(...Array.from({ length: 3 }, () => milliseconds(text)));

/** @param mostKib of the longest text; the others are short and a quarter of it */
export function readsInLinearTime(mostKib: number): void {
  const most = mostKib * 1024;
  describe(`read or refused, in time linear in the length, from 3 kB to ${mostKib} KiB`, () => {
    for (const [name, make] of Object.entries(TEXTS)) {
      it(name, { retry: 1, timeout: 120_000 }, () => {
        for (const length of [12, 3_000]) milliseconds(make(length)); // cold, and short
        const small = least(make(most / 4));
        const big = least(make(most));
        // Linear is 4, quadratic 16; beside other work, caches and the garbage collector double the time of the long one.
        // Below 600 ms for eight readings of a megabyte it is the garbage collector that is measured.
        expect(big).toBeLessThan(Math.max(12 * small, (600 * mostKib) / 1024));
      });
    }
  });
}
