/**
 * Every options object of the public functions: what is unknown, no plain object, or of a wrong type is refused, with
 * the name of the option and what it must be.
 */
import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { runInNewContext } from "node:vm";
import {
  Acceptor,
  asyncApiDocument,
  Connection,
  callsOver,
  compareServices,
  connect as connectPortable,
  defineService,
  describedService,
  describeService,
  dialMessagePort,
  dialWebSocket,
  HbiError,
  HostingEnv,
  Link,
  memoryTransportPair,
  messagePortTransport,
  method,
  resolveLimits,
  ServiceHost,
  value,
  webSocketTransport,
} from "hbi";
import { serveOnAllCores, upstart } from "hbi/cluster";
import { connect, dialSocket, duplexTransport, HBIC, HBIS, serve, spawnPeer } from "hbi/node";
import {
  arbitraryOf,
  checkService,
  ManualClock,
  nearlyArbitraryOf,
  nearlyValidCalls,
  testLink,
  validCalls,
} from "hbi/testing";
import { serveWebSocket } from "hbi/ws";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Body } from "../src/endpoints/conversation/body.ts";
import { ServiceCall } from "../src/endpoints/service/service-call.ts";

const n = z.number();
const sums = defineService({
  name: "sums",
  version: "1.0.0",
  methods: { add: method({ params: { a: n, b: n }, result: n }) },
  reactions: { added: method({ params: { sum: n } }) },
});
const handlers = () => ({ add: ({ a, b }: { a: number; b: number }) => a + b });
const reactions = { added: () => undefined };
const WEB = "ws://127.0.0.1:1/";
const NOWHERE = "127.0.0.1:1"; // never dialed: the options are refused before
const never = () => new Promise<never>(() => undefined);
const transport = () => memoryTransportPair()[0];
const carrier = { carry: async () => [] };

interface Row {
  /** the exported types of these options */
  readonly types: readonly string[];
  /** Calls the function with these options, besides what it needs. */
  readonly use: (options: never) => unknown;
  /** what the function needs in its options */
  readonly needs?: object;
  /** misspelt, and what is suggested */
  readonly misspelt: Readonly<Record<string, string>>;
  /** an option, a wrong value, and what it must be */
  readonly wrong: readonly (readonly [string, unknown, string])[];
}

const shared: Row["wrong"] = [
  ["limits", null, "limits must be a plain object"],
  ["limits", "trusted", "limits must be a plain object"],
  ["limits", { maxDepth: "5" }, "limits.maxDepth must be a positive integer"],
  ["limits", { maxDeph: 5 }, 'limits.maxDeph is not a limit; did you mean "limits.maxDepth"?'],
  ["limits", { preset: "trused" }, "limits.preset must be public or"],
  ["log", "console", 'log must be a function, not "console"'],
  ["log", { error: () => undefined }, "log must be a function, not an object"],
  ["extension", "no", 'extension must be true or false, not "no"'],
  ["clock", Date, "clock must be a clock"],
  ["load", {}, "load must be a ProcessLoad, not an object"],
];
const connection: Row["wrong"] = [
  ...shared,
  ["describe", "text", "describe must be a function"],
  ["onLost", true, "onLost must be a function, not true"],
  ["onGoAway", null, "onGoAway must be a function, not null"],
];
const host: Row["wrong"] = [
  ...shared,
  ["authenticate", true, "authenticate must be a function, not true"],
  ["authorize", "all", 'authorize must be a function, not "all"'],
  ["interceptors", () => undefined, "interceptors must be a list of functions, not a function"],
  ["interceptors", [null], "interceptors must be a list of functions, not an array"],
  ["outgoing", {}, "outgoing must be a list of functions, not an object"],
  ["concurrency", null, "concurrency must be a plain object, not null"],
  ["concurrency", 5, "concurrency must be a plain object, not 5"],
  ["concurrency", { ad: 1 }, 'concurrency: ad is not declared; did you mean "add"?'],
  ["concurrency", { add: "1" }, 'concurrency.add must be a positive integer, not "1"'],
  ["concurrency", { toString: 1 }, "concurrency: toString is not declared"],
  ["handlerTimeoutsMs", { added: 1 }, 'handlerTimeoutsMs: added is not declared; did you mean "add"?'],
  ["handlerTimeoutsMs", { add: 0.5 }, "handlerTimeoutsMs.add must be a positive integer or Infinity, not 0.5"],
  ["dialect", "pyhton", 'dialect must be "json" or "python" or "go", not "pyhton"'],
  ["describe", "all", 'describe must be true or false or "full", not "all"'],
];
const link: Row["wrong"] = [
  ...shared,
  ["signal", null, "signal must be an AbortSignal, not null"],
  ["signal", new AbortController(), "signal must be an AbortSignal, not a class instance"],
  ["reconnect", true, "reconnect must be a plain object, not true"],
  ["reconnect", { maxAtempts: 3 }, 'unknown option "reconnect.maxAtempts" of'],
  ["reconnect", { maxDelayMs: "5" }, 'reconnect.maxDelayMs must be a positive, finite number of milliseconds, not "5"'],
  ["reconnect", { waitForFirst: 1 }, "reconnect.waitForFirst must be true or false, not 1"],
  ["reconnect", { jitter: 2 }, "reconnect.jitter must be a number from 0 to 1, not 2"],
  ["retries", -1, "retries must be a non-negative integer, not -1"],
  ["interceptors", () => undefined, "interceptors must be a list of functions"],
  ["incoming", "x", "incoming must be a list of functions"],
  ["handlerTimeoutsMs", { aded: 1 }, 'handlerTimeoutsMs: aded is not declared; did you mean "added"?'],
  ["credentials", "sesame", "credentials must be an object or a function"],
  ["dialect", 3, "dialect must be"],
];
const hostNames = {
  authorise: "authorize",
  interceptor: "interceptors",
  limit: "limits",
  maxConnections: "limits.maxConnections",
};
const linkNames = { reconect: "reconnect", retry: "retries", maxAttempts: "reconnect.maxAttempts" };

const serverTls = { key: "-----BEGIN", cert: "-----BEGIN" };
const wait: Row["wrong"] = [
  ["signal", null, "signal must be an AbortSignal, not null"],
  ["timeoutMs", "5", 'timeoutMs must be a positive number of milliseconds, not "5"'],
  ["timeoutMs", 0, "timeoutMs must be a positive number of milliseconds, not 0"],
  ["timeoutMs", Number.NaN, "timeoutMs must be a positive number of milliseconds, not NaN"],
];
const processes: Row["wrong"] = [
  ["onServer", {}, "onServer must be a function, not an object"],
  ["onWorker", {}, "onWorker must be a function, not an object"],
  ["signals", "SIGTERM", 'signals must be true or false, not "SIGTERM"'],
  ["restartSignal", "HUP", 'restartSignal must be a signal such as SIGHUP, not "HUP"'],
  ["program", 5, "program must be a path or a file: URL, not 5"],
  ["execArgv", "--inspect", 'execArgv must be a list of strings, not "--inspect"'],
  ["maxHeapMib", 0, "maxHeapMib must be a positive integer, not 0"],
  ["startTimeoutMs", 0, "startTimeoutMs must be a positive, finite number of milliseconds, not 0"],
  ["drainTimeoutMs", Number.POSITIVE_INFINITY, "drainTimeoutMs must be a positive, finite number of milliseconds"],
  ["hangTimeoutMs", 0, "hangTimeoutMs must be a positive number of milliseconds, not 0"],
  ["maxRestarts", 0, "maxRestarts must be a positive integer or Infinity, not 0"],
  ["restartWindowMs", 0, "restartWindowMs must be a positive, finite number of milliseconds, not 0"],
];
const waitNames = { timeout: "timeoutMs", signals: "signal" };
const described: Row["wrong"] = [["override", [], "override must be a function, not an array"]];

const { link: open } = await testLink(sums, handlers, { reactions });

const ROWS: Readonly<Record<string, Row>> = {
  serve: {
    types: ["ServeOptions", "ListenOptions", "WebListenOptions"],
    use: (options) => serve(sums, "127.0.0.1:0", handlers, options),
    misspelt: { ...hostNames, tsl: "tls", key: "tls.key" },
    wrong: [
      ...host,
      ["socketMode", "600", 'socketMode must be permissions from 0 to 0o777, not "600"'],
      ["tls", null, "tls must be a plain object, not null"],
      ["tls", { ...serverTls, crt: "" }, 'unknown option "tls.crt" of serve; did you mean "tls.cert"?'],
      [
        "tls",
        { ...serverTls, sni: { a: { kye: "" } } },
        'unknown option "tls.sni.a.kye" of serve; did you mean "tls.sni.a.key"?',
      ],
      ["tls", { ...serverTls, clientCertificate: "none" }, 'tls.clientCertificate must be "required" or "optional"'],
      ["tls", { ...serverTls, key: 5 }, "tls.key must be PEM text, not 5"],
      ["webSocket", { orgins: [] }, 'unknown option "webSocket.orgins" of serve; did you mean "webSocket.origins"?'],
      ["webSocket", { compression: 1 }, "webSocket.compression must be true or false, not 1"],
      ["webSocket", {}, "webSocket is for an address ws:// or wss://"],
    ],
  },
  serveWebSocket: {
    types: ["ServeWebSocketOptions", "WebSocketOptions"],
    use: (options) => serveWebSocket(sums, "ws://127.0.0.1:0", handlers, options),
    misspelt: { origin: "origins", maxPayloads: "maxPayload", trustedProxy: "trustedProxies" },
    wrong: [
      ...host,
      ["origins", "*", "origins must be a list of origins, or a function"],
      ["origins", [5], 'origins must contain origins such as "https://example.com", without a path, not 5'],
      ["maxPayload", 0, "maxPayload must be an integer from 125 to 268435456, not 0"],
      ["compression", "yes", 'compression must be true or false, not "yes"'],
      ["trustedProxies", true, "trustedProxies must be a list of addresses and networks"],
      ["trustedProxies", ["a"], 'trustedProxies: "a" is no IP address'],
      ["path", "hbi", 'path must be a path such as /hbi, not "hbi"'],
    ],
  },
  serveOnAllCores: {
    types: ["AllCoresOptions", "ClusterOptions"],
    use: (options) => serveOnAllCores(sums, NOWHERE, handlers, options),
    misspelt: { worker: "workers", execArg: "execArgv", maxRestart: "maxRestarts" },
    wrong: [...host, ...processes, ["workers", 0, "workers must be an integer from 1 to 1024, not 0"]],
  },
  upstart: {
    types: ["UpstartOptions"],
    use: (options) => upstart(sums, NOWHERE, handlers, options),
    misspelt: { maxProcess: "maxProcesses", spares: "spareProcesses" },
    wrong: [
      ...host,
      ...processes,
      ["maxProcesses", 1_025, "maxProcesses must be an integer from 1 to 1024, not 1025"],
      ["maxProcessesPerAddress", 0, "maxProcessesPerAddress must be a positive integer or Infinity, not 0"],
      ["spareProcesses", -1, "spareProcesses must be a non-negative integer, not -1"],
    ],
  },
  ServiceHost: {
    types: ["HostOptions"],
    use: (options) => new ServiceHost(sums, handlers, options),
    misspelt: hostNames,
    wrong: host,
  },
  connect: {
    types: ["ConnectLinkOptions", "ClientTls", "ReconnectOptions"],
    use: (options) => connect(sums, NOWHERE, reactions, options),
    misspelt: { ...linkNames, serverName: "tls.serverName" },
    wrong: [
      ...link,
      ["tls", true, "tls must be a plain object, not true"],
      ["tls", { ca: 5 }, "tls.ca must be PEM text, or a list of it, not 5"],
      ["tls", { servername: "a" }, 'unknown option "tls.servername" of connect; did you mean "tls.serverName"?'],
      ["tls", { minVersion: "TLSv1.1" }, 'tls.minVersion must be "TLSv1.2" or "TLSv1.3", not "TLSv1.1"'],
      ["tls", { rejectUnauthorized: "no" }, 'tls.rejectUnauthorized must be true or false, not "no"'],
      ["webSocket", {}, "webSocket is for an address ws:// or wss://"],
    ],
  },
  "connect to ws://": {
    types: ["NodeWebSocketOptions"],
    use: (options) => connect(sums, WEB, reactions, options),
    misspelt: { websocket: "webSocket", headers: "webSocket.headers" },
    wrong: [
      ["webSocket", { header: {} }, 'unknown option "webSocket.header" of connect; did you mean "webSocket.headers"?'],
      ["webSocket", { headers: { "a b": "c" } }, "webSocket.headers must be an object of header names and texts"],
      ["webSocket", { headers: { a: "b\r\nc: d" } }, "webSocket.headers must be an object of header names and texts"],
      ["webSocket", { compression: "no" }, 'webSocket.compression must be true or false, not "no"'],
      ["tls", {}, "the option tls is not used by tcp:// and ws://: write tls:// or wss://"],
    ],
  },
  "connect of hbi": {
    types: ["WebLinkOptions", "WebSocketClientOptions"],
    use: (options) => connectPortable(sums, WEB, reactions, options),
    misspelt: { ...linkNames, websocket: "webSocket" },
    wrong: [
      ...link,
      ["webSocket", { WebSocket: {} }, "webSocket.WebSocket must be a function, not an object"],
      ["tls", {}, 'unknown option "tls" of connect'],
    ],
  },
  dialWebSocket: {
    types: ["WebSocketDialOptions"],
    use: (options) => dialWebSocket(WEB, options),
    needs: { timeoutMs: 1 },
    misspelt: { timeout: "timeoutMs", Websocket: "WebSocket" },
    wrong: [
      ...wait,
      ["WebSocket", "ws", 'WebSocket must be a function, not "ws"'],
      ["clock", {}, "clock must be a clock"],
    ],
  },
  spawnPeer: {
    types: ["SpawnOptions"],
    use: (options) => spawnPeer("node", [], options),
    misspelt: { stdErr: "stderr", envs: "env" },
    wrong: [
      ["cwd", 5, "cwd must be a string, not 5"],
      ["env", "PATH", 'env must be an object, not "PATH"'],
      ["stderr", "pipe", 'stderr must be "inherit" or "ignore", not "pipe"'],
    ],
  },
  "call.error": {
    types: ["RaiseOptions"],
    use: (options) => ServiceCall.prototype.error.call({} as never, "gone", {}, options),
    misspelt: { mesage: "message", kode: "code" },
    wrong: [
      ["message", 5, "message must be a string, not 5"],
      ["code", "gone", 'code must be a code, not "gone"'],
    ],
  },
  blob: {
    types: ["BlobOptions"],
    use: (options) => new Body({} as never, 0).blob(options),
    misspelt: { onprogress: "onProgress", typ: "type" },
    wrong: [
      ["type", 5, "type must be a string, not 5"],
      ["onProgress", {}, "onProgress must be a function, not an object"],
    ],
  },
  duplexTransport: {
    types: ["DuplexOptions"],
    use: (options) => duplexTransport(new PassThrough(), options),
    misspelt: { remoteAdress: "remoteAddress" },
    wrong: [["localAddress", 5, "localAddress must be a string, not 5"]],
  },
  webSocketTransport: {
    types: ["WebSocketTransportOptions"],
    use: (options) => webSocketTransport({} as never, options),
    misspelt: { maxpayload: "maxPayload", localAdress: "localAddress" },
    wrong: [
      ["maxPayload", "5", 'maxPayload must be a positive integer, not "5"'],
      ["maxHeldBytes", 0, "maxHeldBytes must be a positive integer, not 0"],
      ["remoteAddress", 5, "remoteAddress must be a string, not 5"],
    ],
  },
  messagePortTransport: {
    types: ["MessagePortOptions"],
    use: (options) => messagePortTransport({} as never, options),
    misspelt: { terminates: "terminate", remoteAdress: "remoteAddress" },
    wrong: [
      ["terminate", "yes", 'terminate must be true or false, not "yes"'],
      ["localAddress", 5, "localAddress must be a string, not 5"],
      ["clock", {}, "clock must be a clock"],
    ],
  },
  dialMessagePort: {
    types: ["MessagePortDialOptions"],
    use: (options) => dialMessagePort({} as never, options),
    needs: { timeoutMs: 1 },
    misspelt: { timeout: "timeoutMs", terminates: "terminate" },
    wrong: [...wait, ["clock", {}, "clock must be a clock"]],
  },
  Link: {
    types: ["LinkOptions", "CommonLinkOptions", "ReconnectingOptions"],
    use: (options) => new Link(sums, never, reactions, options),
    misspelt: { ...linkNames, limts: "limits" },
    wrong: [...link, ["tls", {}, 'unknown option "tls" of Link']],
  },
  HBIS: {
    types: ["ServerOptions", "ServerTls", "CommonTls"],
    use: (options) => new HBIS("127.0.0.1:0", () => new HostingEnv(), options),
    misspelt: { limit: "limits", cert: "tls.cert" },
    wrong: [...connection, ["tls", [], "tls must be a plain object, not an array"]],
  },
  HBIC: {
    types: ["ConnectOptions"],
    use: (options) => new HBIC(NOWHERE, new HostingEnv(), options),
    misspelt: { limit: "limits", sginal: "signal" },
    wrong: [...connection, ["signal", {}, "signal must be an AbortSignal, not an object"]],
  },
  Acceptor: {
    types: ["AcceptorOptions"],
    use: (options) => new Acceptor(() => new HostingEnv(), options),
    misspelt: { nam: "name", onlost: "onLost" },
    wrong: [...connection, ["name", 5, "name must be a string, not 5"]],
  },
  "Acceptor.accept": {
    types: ["AcceptOptions"],
    use: (options) => new Acceptor(() => new HostingEnv()).accept(transport(), options),
    misspelt: { adress: "address" },
    wrong: [["address", 7, "address must be a string, not 7"]],
  },
  "ServiceHost.accept": {
    types: ["AcceptOptions"],
    use: (options) => new ServiceHost(sums, handlers, {}).accept(transport(), options),
    misspelt: { adress: "address" },
    wrong: [["address", {}, "address must be a string, not an object"]],
  },
  Connection: {
    types: ["ConnectionOptions"],
    use: (options) => new Connection(transport(), () => new HostingEnv(), options),
    misspelt: { limit: "limits" },
    wrong: connection,
  },
  "a call": {
    types: ["CallOptions"],
    use: (options) => open.call.add({ a: 1, b: 2 }, options),
    misspelt: { ...waitNames, meta: "metadata" },
    wrong: [...wait, ["send", {}, "send must be a function, not an object"]],
  },
  "a post": {
    types: ["CallOptions"],
    use: (options) => open.post.add({ a: 1, b: 2 }, options),
    misspelt: waitNames,
    wrong: wait,
  },
  "a script": {
    types: ["CallOptions"],
    use: (options) => open.script((s) => s.add({ a: 1, b: 2 }), options),
    misspelt: waitNames,
    wrong: wait,
  },
  "po.converse": {
    types: ["CoOptions"],
    use: (options) => open.po.converse(async () => undefined, options),
    misspelt: { ...waitNames, rawbytes: "rawBytes" },
    wrong: [...wait, ["rawBytes", "5", 'rawBytes must be a non-negative integer, not "5"']],
  },
  "po.notif": {
    types: ["CoOptions"],
    use: (options) => open.po.notif("add(1, 2)", options),
    misspelt: waitNames,
    wrong: wait,
  },
  ...Object.fromEntries(
    Object.entries<Row["use"]>({
      "link.ping": (options) => open.ping(options),
      "link.describe": (options) => open.describe(options),
      "link.authenticate": (options) => open.authenticate(options),
      "po.ping": (options) => open.po.ping(options),
      "co.sendCode": (options) => open.po.converse((co) => co.sendCode("add(1, 2)", options)),
      "co.recvObj": (options) => open.po.converse((co) => co.recvObj(n, options)),
      "co.getObj": (options) => open.po.converse((co) => co.getObj("add(1, 2)", n, options)),
      "co.close": (options) => open.po.converse((co) => co.close(options)),
    }).map(([name, use]) => [name, { types: ["WaitOptions"], use, misspelt: waitNames, wrong: wait }]),
  ),
  callsOver: {
    types: ["CallsOverOptions"],
    use: (options) => callsOver(sums, carrier, options),
    misspelt: { retry: "retries", interceptor: "interceptors" },
    wrong: [
      ["limits", null, "limits must be a plain object"],
      ["retries", "3", 'retries must be a non-negative integer, not "3"'],
      ["interceptors", [1], "interceptors must be a list of functions"],
      ["dialect", "py", "dialect must be"],
    ],
  },
  resolveLimits: {
    types: ["LimitOptions"],
    use: resolveLimits,
    misspelt: {},
    wrong: [
      ["maxDeph", 5, 'limits.maxDeph is not a limit; did you mean "limits.maxDepth"?'],
      ["maxDepth", 0, "limits.maxDepth must be a positive integer"],
    ],
  },
  "method()": {
    types: ["MethodSpec", "MethodOptions"],
    use: method,
    needs: { params: {} },
    misspelt: { results: "result", idempotnet: "idempotent", resultbody: "resultBody" },
    wrong: [
      ["idempotent", "yes", 'idempotent must be true or false, not "yes"'],
      ["title", 5, "title must be a string, not 5"],
      ["examples", {}, "examples must be a list, not an object"],
    ],
  },
  "value()": {
    types: ["ValueSpec"],
    use: value,
    needs: { params: {}, make: () => 1 },
    misspelt: { maker: "make" },
    wrong: [
      ["is", true, "is must be a function, not true"],
      ["params", 5, "params must be an object of zod schemas, not 5"],
    ],
  },
  defineService: {
    types: ["ServiceSpec"],
    use: defineService,
    needs: { name: "a", version: "1.0.0", methods: {} },
    misspelt: { method: "methods", reaction: "reactions", credential: "credentials" },
    wrong: [
      ["title", 5, "title must be a string, not 5"],
      ["foreign", "python", 'foreign must be true or false, not "python"'],
      ["reactions", [], "reactions must be an object, not an array"],
    ],
  },
  describeService: {
    types: ["DescribeOptions"],
    use: (options) => describeService(sums, options),
    misspelt: { overide: "override" },
    wrong: described,
  },
  compareServices: {
    types: ["DescribeOptions"],
    use: (options) => compareServices(describeService(sums), describeService(sums), options),
    misspelt: { overrides: "override" },
    wrong: described,
  },
  asyncApiDocument: {
    types: ["AsyncApiOptions"],
    use: (options) => asyncApiDocument(sums, options),
    misspelt: { server: "servers" },
    wrong: [...described, ["servers", [], "servers must be an object, not an array"]],
  },
  describedService: {
    types: ["DescribedOptions"],
    use: (options) => describedService(describeService(sums), options),
    misspelt: { body: "bodies", resultbodies: "resultBodies" },
    wrong: [["bodies", null, "bodies must be an object of functions, not null"]],
  },
  arbitraryOf: {
    types: ["ArbitraryOptions"],
    use: (options) => arbitraryOf(n, options),
    misspelt: { override: "overrides" },
    wrong: [["overrides", {}, "overrides must be a function or a Map by schema, not an object"]],
  },
  nearlyArbitraryOf: {
    types: [],
    use: (options) => nearlyArbitraryOf(n, options),
    misspelt: { override: "overrides" },
    wrong: [],
  },
  validCalls: {
    types: ["GenerateOptions"],
    use: (options) => validCalls(sums, options),
    misspelt: { maxBodyByte: "maxBodyBytes" },
    wrong: [["maxBodyBytes", "1", 'maxBodyBytes must be a non-negative integer, not "1"']],
  },
  nearlyValidCalls: {
    types: ["GenerateOptions"],
    use: (options) => nearlyValidCalls(sums, options),
    misspelt: { override: "overrides" },
    wrong: [],
  },
  checkService: {
    types: ["CheckOptions"],
    use: (options) => checkService(sums, handlers, options),
    misspelt: { run: "runs", overide: "overrides", reaction: "reactions" },
    wrong: [
      ["runs", 0, "runs must be a positive integer, not 0"],
      ["timeoutMs", "5", "timeoutMs must be a positive number of milliseconds"],
      [
        "host",
        { authorise: () => true },
        'unknown option "host.authorise" of checkService; did you mean "host.authorize"?',
      ],
    ],
  },
  testLink: {
    types: ["TestLinkOptions"],
    use: (options) => testLink(sums, handlers, options),
    needs: { reactions },
    misspelt: { hosts: "host", links: "link", authorize: "host.authorize" },
    wrong: [
      ["host", null, "host must be a plain object, not null"],
      ["link", { reconect: {} }, 'unknown option "link.reconect" of testLink; did you mean "link.reconnect"?'],
      ["memory", { cut: 5 }, "memory.cut must be a function, not 5"],
    ],
  },
  memoryTransportPair: {
    types: ["MemoryOptions"],
    use: memoryTransportPair,
    misspelt: { canhalfclose: "canHalfClose" },
    wrong: [
      ["cut", 5, "cut must be a function, not 5"],
      ["breakAfterBytes", -1, "breakAfterBytes must be a non-negative integer or Infinity, not -1"],
      ["canPause", 0, "canPause must be true or false, not 0"],
    ],
  },
  dialSocket: {
    types: ["DialOptions"],
    use: (options) => dialSocket({ host: "127.0.0.1", port: 1 }, options),
    needs: { timeoutMs: 1_000 },
    misspelt: { timeout: "timeoutMs" },
    wrong: [...wait, ["tls", 5, "tls must be a plain object, not 5"]],
  },
};

const errorOf = async (use: () => unknown): Promise<unknown> => {
  try {
    return await use();
  } catch (thrown) {
    return thrown;
  }
};

async function refusal(row: Row, options: unknown): Promise<string> {
  const error = await errorOf(() => row.use(options as never));
  if (!(error instanceof HbiError)) throw new Error("it was accepted, or failed otherwise", { cause: error });
  expect(error).toMatchObject({ code: "invalid_argument", reason: "bad_option" });
  return error.message;
}

class Settings {
  readonly limits = {};
}

describe.each(Object.entries(ROWS))("%s", (_name, row) => {
  it.each([null, 5, "quick", true, [], () => undefined, new Settings(), new Map()])(
    "refuses %o instead of options",
    async (options) => {
      const { message } = (await errorOf(() => row.use(options as never))) as HbiError;
      expect(message, String(options)).toMatch(/^(?:add: )?bad option: /);
    },
  );

  it.each(Object.entries(row.misspelt))("refuses %s, and suggests %s", async (given, suggested) => {
    const message = await refusal(row, { ...row.needs, [given]: 1 });
    expect(message).toMatch(
      new RegExp(`^(?:add: )?bad option: unknown option "${given}" of .*; did you mean "${suggested}"\\?$`),
    );
  });

  it("refuses what resembles nothing, also if objects inherit a member of that name", async () => {
    if (row.use === (resolveLimits as Row["use"])) return; // its names are limits
    for (const given of ["zzzz", "toString", "constructor", "valueOf"]) {
      expect(await refusal(row, { ...row.needs, [given]: 1 })).toContain(`unknown option "${given}" of`);
    }
  });

  it.each(row.wrong.map(([option, wrong, words]) => [option, wrong, words] as const))(
    "refuses %s: %o",
    async (option, wrong, words) => {
      expect(await refusal(row, { ...row.needs, [option]: wrong })).toContain(words);
    },
  );
});

/** What the application's own code may throw when it is read. */
class Broken extends Error {}
const broken = (): never => {
  throw new Broken("secret");
};
const TRAPS = ["get", "getPrototypeOf", "ownKeys", "getOwnPropertyDescriptor"] as const;

/** `given` with a getter that throws, or behind a Proxy of which one trap throws. */
const withGetter = (given: object | undefined, name: string) =>
  Object.defineProperty({ ...given }, name, { get: broken, enumerable: true });
const withTrap = (given: object, trap: (typeof TRAPS)[number]) => new Proxy(given, { [trap]: broken });

describe.each(Object.entries(ROWS))("%s names what cannot be read, with its cause", (_name, row) => {
  const optionNames = [...new Set(row.wrong.map(([option]) => option))].filter((name) => !name.startsWith("maxDe"));

  it.each(optionNames)("a getter of %s", async (option) => {
    const error = await errorOf(() => row.use(withGetter(row.needs, option) as never));
    expect(error).toMatchObject({ reason: "bad_option", cause: expect.any(Broken) });
    expect((error as HbiError).message).toMatch(
      new RegExp(`bad option: ${option} cannot be read: its getter or Proxy has thrown$`),
    );
  });

  it("a getter that throws an HbiError, which is kept", async () => {
    const own = new HbiError("not_found", "no such file");
    const [option = "maxDepth"] = optionNames;
    const get = () => {
      throw own;
    };
    const options = Object.defineProperty({ ...row.needs }, option, { get, enumerable: true });
    expect(await errorOf(() => row.use(options as never))).toMatchObject({
      code: "not_found",
      message: expect.stringContaining("no such file"),
    });
  });

  it.each(TRAPS)("a Proxy whose trap %s throws", async (trap) => {
    const options = withTrap({ maxDepth: 5, limits: {}, timeoutMs: 5, ...row.needs }, trap);
    const error = await errorOf(() => row.use(options as never));
    expect(error).toMatchObject({ reason: "bad_option" });
    if (trap !== "getOwnPropertyDescriptor") expect(error).toMatchObject({ cause: expect.any(Broken) });
  });
});

describe("options", () => {
  it("are refused where there are none", () => {
    expect(() => new HostingEnv({ limits: {} } as never)).toThrow("HostingEnv takes no options");
    expect(() => new ManualClock({ startMs: 5 } as never)).toThrow("ManualClock takes no options");
  });

  it("may contain undefined, known or not, and may come from another realm", () => {
    expect(() => new ServiceHost(sums, handlers, { limits: undefined, authorise: undefined } as never)).not.toThrow();
    const foreign = runInNewContext("({ limits: { maxDepth: 5 } })") as object;
    expect(new Acceptor(() => new HostingEnv(), foreign).limits.maxDepth).toBe(5);
    expect(() => new Acceptor(() => new HostingEnv(), Object.assign(Object.create(null), { name: "a" }))).not.toThrow();
  });

  it.each<[string, unknown, string]>([
    ["a misspelt one", { mayHaveLandd: true }, 'unknown option "mayHaveLandd" of HbiError; known: reason, cause, may'],
    ["one of details", { detail: {} }, 'unknown option "detail" of HbiError'],
    ["a text", { mayHaveLanded: "no" }, "mayHaveLanded of HbiError must be true or false"],
    ["a reason of its own", { reason: "sold_out" }, "reason of HbiError must be a key of FAILURES"],
    ["an origin", { origin: "here" }, 'origin of HbiError must be "local" or "peer"'],
    ["a method", { method: 5 }, "method of HbiError must be a string"],
    ["issues", { issues: {} }, "issues of HbiError must be a list"],
    ["null", null, "the options of HbiError must be a plain object"],
    ["a string", "cause", "the options of HbiError must be a plain object"],
  ])("of an error: %s", (_, options, message) => {
    expect(() => new HbiError("not_found", "no such part", undefined, options as never)).toThrow(
      expect.objectContaining({ reason: "bad_option", message: expect.stringContaining(`bad option: ${message}`) }),
    );
  });

  it("of an error: all of them, and undefined", () => {
    const cause = new Error("why");
    const given = { reason: "timeout", cause, mayHaveLanded: false, origin: "peer", method: "m", issues: [] } as const;
    expect(new HbiError("not_found", "no", undefined, given)).toMatchObject(given);
    expect(
      () => new HbiError("not_found", "no", undefined, { cause: undefined, more: undefined } as never),
    ).not.toThrow();
  });

  it("that are exported have a row here", () => {
    const tested = new Set(Object.values(ROWS).flatMap(({ types }) => types));
    const exported = ["index", "node", "cluster", "ws", "testing"].flatMap((entry) => {
      const text = readFileSync(new URL(`../src/${entry}.ts`, import.meta.url), "utf8");
      return [...text.matchAll(/\b(\w*(?:Options|Spec|Tls))\b(?! as)/g)].map(([, type]) => type);
    });
    tested.add("HbiErrorOptions"); // above
    expect(exported.filter((type) => type !== undefined && !tested.has(type))).toEqual([]);
  });
});
