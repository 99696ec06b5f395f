/** The testing kit: for tests of services and of their consumers. Portable; needs fast-check beside it. */
export {
  answer,
  conversation,
  HostilePeer,
  type HostileStep,
  hostileTransport,
  packet,
} from "./testing/hostile.ts";
export { type TestLink, type TestLinkOptions, testLink } from "./testing/test-link.ts";
