/**
 * Texts that are known to hurt parsers: each is read or refused in time linear in its length, and the process lives.
 */
import { HbiError, parseScript, parseValue, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";

const LIMITS = resolveLimits({ preset: "trusted" });

const TEXTS: Readonly<Record<string, (length: number) => string>> = {
  "a[a[a[": (n) => "a[".repeat(n / 2),
  "((((": (n) => "(".repeat(n),
  "[[[[": (n) => "[".repeat(n),
  "{a:{a:": (n) => "{a:".repeat(n / 3),
  "f(f(f(": (n) => "f(".repeat(n / 2),
  ";;;;": (n) => ";".repeat(n),
  "----": (n) => "-".repeat(n),
  "let a0,a1": (n) => `let ${Array.from({ length: n / 8 }, (_, i) => `a${i}`).join(",")}`,
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

function milliseconds(text: string): number {
  const start = performance.now();
  for (const read of [parseScript, parseValue]) {
    try {
      read(text, LIMITS);
    } catch (thrown) {
      if (!(thrown instanceof HbiError)) throw thrown;
    }
  }
  return performance.now() - start;
}

/** The least of a few: noise only adds. */
const least = (text: string) => Math.min(...Array.from({ length: 4 }, () => milliseconds(text)));

describe("time is linear in the length", () => {
  const base = 64 * 1024;
  for (const [name, make] of Object.entries(TEXTS)) {
    it(name, () => {
      for (const length of [12, 3_000]) milliseconds(make(length)); // cold, and short
      const small = least(make(base));
      const big = least(make(4 * base));
      expect(big).toBeLessThan(Math.max(8 * small, 40));
    });
  }
});

it("a refusal says nothing of the text, and where it began", () => {
  const secret = "hunter2";
  for (const text of [`f(${secret})`, `f("\\q${secret}")`, `f(1${secret})`, `"${secret}`]) {
    let message = "";
    try {
      parseScript(text, resolveLimits());
    } catch (thrown) {
      message = (thrown as HbiError).message;
    }
    expect(message).toMatch(/line 1, column \d+$/);
    expect(message).not.toContain(secret);
  }
});
