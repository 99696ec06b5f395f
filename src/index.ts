/** The portable entry: everything that runs in a browser, a worker, Node, Bun and Deno. */
export { type Clock, systemClock, type Timer } from "./clock.ts";
export { type Address, parseAddress } from "./endpoints/address.ts";
export { type NdArray, recvArray, sendArray, type TypedArray } from "./endpoints/arrays.ts";
export type { ReconnectOptions } from "./endpoints/backoff.ts";
export type { Body, BodyGiven, BodySource } from "./endpoints/body.ts";
export type { CallOf, CallOptions, Calls, Posted, PostOf, Posts } from "./endpoints/caller.ts";
export { Connection } from "./endpoints/connection.ts";
export type { ConnectionOptions, LogEntry } from "./endpoints/connection-options.ts";
export { isConnectionLost, type OutgoingCall, type OutgoingInterceptor } from "./endpoints/desk.ts";
export type { HoCo } from "./endpoints/ho-co.ts";
export type { HostingEnd } from "./endpoints/hosting-end.ts";
export { HostingEnv } from "./endpoints/hosting-env.ts";
export type { Dial, LinkState } from "./endpoints/line.ts";
export { Link, type LinkOptions, type ReactionsOf } from "./endpoints/link.ts";
export type { Peer } from "./endpoints/peer.ts";
export type { CoOptions, PoCo } from "./endpoints/po-co.ts";
export type { PostingEnd } from "./endpoints/posting-end.ts";
export type { Buffers } from "./endpoints/raw-intake.ts";
export type { ScriptCall, ScriptMethods, ScriptPlan, ScriptResults } from "./endpoints/script-builder.ts";
export type { Interceptor, ServiceCall } from "./endpoints/service-call.ts";
export type { ServiceHandlers } from "./endpoints/service-env.ts";
export {
  type AcceptOptions,
  type CallOn,
  type CredentialsOf,
  type HandlersOf,
  type HostOptions,
  ServiceHost,
} from "./endpoints/service-host.ts";
export { HO_STAGES, type HoStage, PO_STAGES, type PoStage } from "./endpoints/stages.ts";
export type { WaitOptions } from "./endpoints/waits.ts";
export { CODES, type Code, FAILURES, HbiError, type Reason } from "./errors.ts";
export { type LimitOptions, type Limits, PRESETS, resolveLimits } from "./limits.ts";
export { parseScript, parseValue } from "./parser/parse.ts";
export { type Dialect, repr } from "./parser/repr.ts";
export { pythonScript, Script, script } from "./parser/script.ts";
export { Assignment, Call } from "./parser/tree.ts";
export { type AsyncApiDocument, type AsyncApiOptions, asyncApiDocument } from "./registry/asyncapi.ts";
export { compareServices } from "./registry/compare.ts";
export { describeService } from "./registry/describe.ts";
export type { MethodDescription, ParamDescription, ServiceDescription } from "./registry/description.ts";
export type { Change } from "./registry/differences.ts";
export type { Handler, Handlers } from "./registry/hosting-env.ts";
export type { JsonSchema } from "./registry/json-schema.ts";
export {
  type ArgumentsOf,
  type Method,
  type MethodSpec,
  method,
  type Params,
  type ParamsOf,
  type ValueConstructor,
  type ValueSpec,
  value,
} from "./registry/method.ts";
export type { DescribeOptions } from "./registry/schema-export.ts";
export { defineService, type Service, type ServiceSpec } from "./registry/service.ts";
export { memoryTransportPair } from "./wire/memory-transport.ts";
export type { PeerIdentity } from "./wire/peer-identity.ts";
export type { Transport, TransportSink } from "./wire/transport.ts";
