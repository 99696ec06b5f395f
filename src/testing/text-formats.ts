/**
 * Text in zod's formats for which no regular expression can be used: those that zod checks with code, and those whose
 * expressions use lookahead, which fast-check does not support.
 */
import fc from "fast-check";
import { matching } from "./matching.ts";
import type { StringCheck } from "./schema-checks.ts";

/** Undefined for a format whose own pattern suffices. */
export function formatArbitrary(check: StringCheck): fc.Arbitrary<string> | undefined {
  switch (check.format) {
    case "url":
      return url(check);
    case "email":
      return matching(/^[a-z0-9]{1,3}@[a-z]{1,3}\.[a-z]{2}$/); // simpler than the pattern, which generates long text
    case "uuid":
      return "version" in check ? undefined : fc.uuid();
    case "hostname":
      return fc.domain();
    case "ipv6":
      return fc.ipV6();
    case "cidrv6":
      return fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, bits]) => `${address}/${bits}`);
    case "emoji":
      return fc.array(fc.constantFrom("😀", "🎉", "❤️", "👩‍💻", "🇫🇷", "1️⃣"), { minLength: 1, maxLength: 6 }).map(joined);
    case "duration":
      return duration;
    case "jwt":
      return jwt("alg" in check && typeof check.alg === "string" ? check.alg : "HS256");
    case "iban":
      return iban;
    case "credit_card":
      return creditCard;
    default:
      return undefined;
  }
}

function joined(parts: readonly string[]): string {
  return parts.join("");
}

/** The schemes that the check's own expression accepts, or any common one. */
function url(check: StringCheck): fc.Arbitrary<string> {
  const protocol =
    "protocol" in check && check.protocol instanceof RegExp ? new RegExp(check.protocol.source) : undefined;
  const schemes = ["https", "http", "ws", "wss", "ftp"].filter((scheme) => protocol?.test(scheme) ?? true);
  if (protocol !== undefined && schemes.length === 0)
    return matching(protocol).map((scheme) => `${scheme}://example.com`);
  return fc.webUrl({ validSchemes: schemes, withQueryParameters: true, withFragments: true });
}

const duration: fc.Arbitrary<string> = fc.oneof(
  fc.nat(99).map((weeks) => `P${weeks}W`),
  fc
    .record(
      { Y: fc.nat(99), M: fc.nat(11), D: fc.nat(31), H: fc.nat(23), m: fc.nat(59), S: fc.nat(59) },
      { requiredKeys: ["D"] },
    )
    .map((parts) => {
      const part = (amount: number | undefined, unit: string) => (amount === undefined ? "" : `${amount}${unit}`);
      const time = part(parts.H, "H") + part(parts.m, "M") + part(parts.S, "S");
      return `P${part(parts.Y, "Y")}${part(parts.M, "M")}${part(parts.D, "D")}${time === "" ? "" : `T${time}`}`;
    }),
);

function jwt(alg: string): fc.Arbitrary<string> {
  const encoded = (part: unknown) =>
    btoa(JSON.stringify(part)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return fc
    .tuple(fc.record({ sub: matching(/^[a-z]{1,8}$/), iat: fc.nat() }), matching(/^[A-Za-z0-9_-]{43}$/))
    .map(([claims, signature]) => `${encoded({ alg, typ: "JWT" })}.${encoded(claims)}.${signature}`);
}

/** Check digits of ISO 7064: 98 minus the remainder of the number followed by the country. */
const iban: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom("DE", "FR", "GB", "NL"), matching(/^[A-Z0-9]{14,18}$/))
  .map(([country, account]) => {
    const digits = [...`${account}${country}00`].map((letter) => Number.parseInt(letter, 36)).join("");
    return `${country}${String(98n - (BigInt(digits) % 97n)).padStart(2, "0")}${account}`;
  });

/** The last digit by the Luhn algorithm. */
const creditCard: fc.Arbitrary<string> = matching(/^[1-9]\d{14}$/).map((digits) => {
  let sum = 0;
  [...digits].forEach((digit, i) => {
    const doubled = Number(digit) * (i % 2 === 0 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  });
  return `${digits}${(10 - (sum % 10)) % 10}`;
});
