/// <reference lib="esnext.disposable" preserve="true" />
/** The portable entry: everything that runs in browsers, workers, Node, Bun and Deno. */
import "./eager.ts";

export { type Clock, systemClock, type Timer } from "./clock.ts";
export {
  type Address,
  type ParsedAddress,
  type PathAddress,
  parseAddress,
  type TcpAddress,
  type WebAddress,
} from "./endpoints/address.ts";
export type { BlobOptions, Body, OpenBody } from "./endpoints/conversation/body.ts";
export type { BodyGiven, BodySource } from "./endpoints/conversation/body-source.ts";
export type { Metadata } from "./endpoints/conversation/metadata.ts";
export type { Table } from "./endpoints/conversation/stages.ts";
export { ProcessLoad } from "./endpoints/guard/process-load.ts";
export type { Buffers } from "./endpoints/lane/buffers.ts";
export type { ReconnectOptions } from "./endpoints/service/backoff.ts";
export {
  type AnyOutgoingCall,
  isConnectionLost,
  type OutgoingCall,
  type OutgoingInterceptor,
} from "./endpoints/service/caller.ts";
export type {
  AnswerOf,
  Arguments,
  CallOf,
  CallOptions,
  Calls,
  Posted,
  PostOf,
  Posts,
  Tried,
  Tries,
  TryOf,
} from "./endpoints/service/calls.ts";
export {
  type CallCarrier,
  type CallsOver,
  type CallsOverOptions,
  type CarriedCall,
  callsOver,
} from "./endpoints/service/calls-over.ts";
export {
  connect,
  type WebConnectArguments,
  type WebLinkOptions,
  type WebSocketClientOptions,
} from "./endpoints/service/connect.ts";
export type { Mismatch, MismatchHandling } from "./endpoints/service/definition-check.ts";
export {
  type CommonLinkOptions,
  Link,
  type LinkOptions,
  type ReactionsOf,
  type Shown,
} from "./endpoints/service/link.ts";
export type { Peer } from "./endpoints/service/peer.ts";
export type { Dial, LinkState, ReconnectingOptions, StateListener } from "./endpoints/service/reconnect.ts";
export type {
  ScriptCall,
  ScriptMethods,
  ScriptOf,
  ScriptPlan,
  ScriptResults,
} from "./endpoints/service/script-builder.ts";
export type { AnyCall, Interceptor, RaiseOptions, ServiceCall } from "./endpoints/service/service-call.ts";
export type { Returned, ServiceHandlers, Surplus } from "./endpoints/service/service-env.ts";
export {
  type AnyCallOn,
  type CallOn,
  type CredentialsOf,
  type HandlersOf,
  type HostOptions,
  ServiceHost,
} from "./endpoints/service/service-host.ts";
export type { ValueStream } from "./endpoints/service/value-stream.ts";
export {
  type AcceptOptions,
  Acceptor,
  type AcceptorOptions,
  type ContextFactory,
} from "./endpoints/session/acceptor.ts";
export { type NdArray, recvArray, sendArray, type TypedArray } from "./endpoints/session/arrays.ts";
export type { CallEntry, CallSummary, LogFields } from "./endpoints/session/call-log.ts";
export { Connection } from "./endpoints/session/connection.ts";
export type { ConnectionOptions, Log, LogEntry } from "./endpoints/session/connection-options.ts";
export type { HoCo } from "./endpoints/session/ho-co.ts";
export { HO_STAGES, type HoEvent, type HoStage } from "./endpoints/session/ho-states.ts";
export type { HostingEnd } from "./endpoints/session/hosting-end.ts";
export { HostingEnv } from "./endpoints/session/hosting-env.ts";
export type { CoOptions, PoCo } from "./endpoints/session/po-co.ts";
export { PO_STAGES, type PoEvent, type PoStage } from "./endpoints/session/po-states.ts";
export type { PostingEnd } from "./endpoints/session/posting-end.ts";
export type { WaitOptions } from "./endpoints/waits.ts";
export {
  CODES,
  type Code,
  type DetailsGiven,
  type ErrorDetails,
  FAILURES,
  HbiError,
  type HbiErrorOptions,
  type Issue,
  type Origin,
  type Reason,
} from "./errors.ts";
export { type LimitName, type LimitOptions, type Limits, PRESETS, type Preset, resolveLimits } from "./limits.ts";
export { parseScript, parseValue } from "./parser/parse.ts";
export { type Dialect, type InstanceWriter, repr } from "./parser/repr.ts";
export { pythonScript, Script, script } from "./parser/script.ts";
export { Assignment, Call, type Statement, type Tree } from "./parser/tree.ts";
export { preload } from "./preload.ts";
export { type Combined, combine } from "./registry/combine.ts";
export {
  type DeclaredError,
  type ErrorOf,
  type Errors,
  isServiceError,
  type NoErrors,
  type ServiceError,
} from "./registry/declared-errors.ts";
export {
  type AsyncApiDocument,
  type AsyncApiOptions,
  type AsyncApiServer,
  asyncApiDocument,
} from "./registry/description/asyncapi.ts";
export { compareServices } from "./registry/description/compare.ts";
export { describeService } from "./registry/description/describe.ts";
export {
  type DescribedMethod,
  type DescribedOptions,
  type DescribedService,
  describedService,
} from "./registry/description/described-service.ts";
export type {
  MethodDescription,
  ParamDescription,
  ServiceDescription,
  ValueDescription,
} from "./registry/description/description.ts";
export type { Change, ChangeKind } from "./registry/description/differences.ts";
export type { Definitions, JsonSchema } from "./registry/description/json-schema.ts";
export type { DescribeOptions, SchemaPart, SchemaSite } from "./registry/description/schema-export.ts";
export type { Handler, Handlers } from "./registry/hosting-env.ts";
export {
  type ArgumentsOf,
  type BodyKind,
  type DeclaredInput,
  type Given,
  type Method,
  type MethodDeclaration,
  type MethodSpec,
  method,
  type Params,
  type ParamsOf,
  type ValueConstructor,
  type ValueSpec,
  value,
} from "./registry/method.ts";
export type { MethodLimits, OwnLimits } from "./registry/method-limits.ts";
export { defineService, type Methods, type Service, type ServiceSpec, type Values } from "./registry/service.ts";
export type { Signature } from "./registry/signature.ts";
export type { PeerIdentity } from "./wire/peer-identity.ts";
export { type MemoryOptions, memoryTransportPair } from "./wire/transport/memory.ts";
export { type MessagePortOptions, messagePortTransport } from "./wire/transport/message-port.ts";
export { dialMessagePort, type MessagePortDialOptions } from "./wire/transport/message-port-dial.ts";
export type { MessagePortEvent, MessagePortEventType, MessagePortLike } from "./wire/transport/port-events.ts";
export {
  type WebSocketEvent,
  type WebSocketLike,
  type WebSocketTransportOptions,
  webSocketTransport,
} from "./wire/transport/web-socket.ts";
export { dialWebSocket, type WebSocketClass, type WebSocketDialOptions } from "./wire/transport/web-socket-dial.ts";
export type { Transport, TransportRequest, TransportSink } from "./wire/transport.ts";
