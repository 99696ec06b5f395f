/// <reference lib="esnext.disposable" preserve="true" />
/** The testing kit, for tests of services and their consumers. Portable; requires fast-check. */
export {
  type CallOptions as GenerateOptions,
  type GeneratedCall,
  manualMethods,
  type NearlyValidCall,
  nearlyValidCalls,
  validCalls,
} from "./testing/call-arbitrary.ts";
export {
  type CheckOptions,
  type CheckReport,
  checkService,
  type Finding,
  type FindingKind,
} from "./testing/check-service.ts";
export {
  answer,
  conversation,
  HostilePeer,
  type HostileStep,
  hostileTransport,
  packet,
} from "./testing/hostile.ts";
export { ManualClock, quiet } from "./testing/manual-clock.ts";
export { type NearlyValid, nearlyArbitraryOf } from "./testing/nearly-arbitrary.ts";
export type { ArbitraryOptions, Overrides } from "./testing/overrides.ts";
export { arbitraryOf } from "./testing/schema-arbitrary.ts";
export { type TestLink, type TestLinkOptions, testLink } from "./testing/test-link.ts";
