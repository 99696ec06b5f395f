/**
 * Suites that need certificates, and what a machine says that cannot make any.
 */
import { describe } from "vitest";
import { hasOpenssl } from "../../../support/authority.ts";

/** A suite that needs certificates. */
export const describeTls = (name: string, suite: () => void): void => {
  if (hasOpenssl) describe(name, suite);
  else describe.skip(`${name} (skipped: the openssl command is missing)`, suite);
};
