/**
 * Arbitraries of regular expressions, each made once: fast-check takes up to a second for one, and the schemas of a
 * service repeat the same few, such as those of dates.
 */
import fc from "fast-check";

const MADE = new Map<string, fc.Arbitrary<string>>();

/** As `fc.stringMatching`. @throws Error for what fast-check cannot read */
export function matching(pattern: RegExp, constraints: fc.StringMatchingConstraints = {}): fc.Arbitrary<string> {
  const key = JSON.stringify([pattern.source, pattern.flags, constraints.size, constraints.maxLength]);
  const known = MADE.get(key);
  if (known !== undefined) return known;
  const made = fc.stringMatching(pattern, constraints);
  MADE.set(key, made);
  return made;
}
