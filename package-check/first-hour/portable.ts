import {
  Acceptor,
  Assignment,
  asyncApiDocument,
  Call,
  CODES,
  type CredentialsOf,
  callsOver,
  compareServices,
  connect,
  defineService,
  describedService,
  describeService,
  FAILURES,
  HbiError,
  HO_STAGES,
  HostingEnv,
  isConnectionLost,
  Link,
  memoryTransportPair,
  method,
  PO_STAGES,
  PRESETS,
  ProcessLoad,
  parseAddress,
  parseScript,
  parseValue,
  pythonScript,
  recvArray,
  repr,
  resolveLimits,
  ServiceHost,
  script,
  sendArray,
  systemClock,
  value,
  webSocketTransport,
} from "hbi";
import { z } from "zod";

export class Spot {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}
export const spot = value({
  params: { x: z.number(), y: z.number() },
  make: ({ x, y }) => new Spot(x, y),
  is: (v) => v instanceof Spot,
});
export const noParams = method({ params: {} });
export const plain = method({ params: { a: z.int(), b: z.string().optional() }, result: z.int() });
export const withBody = method({ params: { size: z.int() }, body: ({ size }) => size, result: z.string() });
export const manual = method({ params: {}, body: "manual", result: z.strictObject({ a: z.int() }) });
export const download = method({
  params: {},
  result: z.strictObject({ size: z.int() }),
  resultBody: ({ size }) => size,
});
export const noted = method({
  params: { k: z.enum(["a", "b"]).default("a") },
  title: "t",
  description: "d",
  idempotent: true,
  deprecated: "x",
  examples: [{ k: "a" }],
});
export const shared = {
  list: method({ params: {}, result: z.array(z.string()) }),
  ...{ other: method({ params: { s: spot.schema } }) },
};
export const full = defineService({
  name: "full",
  version: "1.0.0",
  methods: {
    noParams,
    plain,
    withBody,
    manual,
    download,
    noted,
    ...shared,
    "a.b": method({ params: {} }),
    inline: method({ params: { q: z.union([z.string(), z.null()]) }, result: z.record(z.string(), z.unknown()) }),
  },
  reactions: { seen: method({ params: { at: z.string() } }), ask: method({ params: {}, result: z.boolean() }) },
  values: { Spot: spot },
  credentials: { token: z.string(), tenant: z.string().optional() },
});
export const minimal = defineService({ name: "m", version: "1.0.0", methods: { plain } });
export const make = (name: string) =>
  defineService({ name, version: "1.0.0", methods: { plain }, reactions: { seen: noParams } });
export const crud = <T extends z.ZodType>(schema: T) => ({
  get: method({ params: { id: z.string() }, result: schema }),
  put: method({ params: { item: schema } }),
});
export const cruds = crud(z.strictObject({ id: z.string() }));
export const link = new Link(
  full,
  () => Promise.resolve(memoryTransportPair()[0]),
  { seen: () => undefined, ask: () => true },
  { credentials: { token: "a" } },
);
export const { call, post } = link;
export const plainCall = link.call.plain;
export const sum = link.call.plain({ a: 1 });
export const down = link.call.download();
export const scripted = link.script((s) => [s.plain({ a: 1 }), s.noParams()]);
export const host = new ServiceHost(
  full,
  (_peer) => ({
    noParams: () => undefined,
    plain: ({ a }) => a,
    withBody: async (_p, call) => String((await call.bytes()).length),
    manual: () => ({ a: 1 }),
    download: () => ({ result: { size: 0 }, body: new Uint8Array() }),
    noted: () => undefined,
    list: () => [],
    other: () => undefined,
    "a.b": () => undefined,
    inline: () => ({}),
  }),
  { authenticate: ({ token }: CredentialsOf<typeof full>) => ({ user: token }) },
);
export const firstPeer = [...host.peers][0];
export const pair = memoryTransportPair();
export const env = new HostingEnv();
export const acceptor = Acceptor;
export const described = describedService(describeService(full));
export const description = describeService(full);
export const changes = compareServices(description, description);
export const asyncapi = asyncApiDocument(full);
export const over = callsOver(full, (() => undefined) as never);
export const err = new HbiError("not_found", "no");
export const text = script`a(${1})`;
export const tree = parseScript("a(1)", resolveLimits());
export const limits = resolveLimits({});
export const things = {
  PRESETS,
  FAILURES,
  systemClock,
  parseAddress,
  repr,
  ProcessLoad,
  isConnectionLost,
  HO_STAGES,
  PO_STAGES,
  Assignment,
  Call,
  CODES,
  pythonScript,
  parseValue,
  recvArray,
  sendArray,
  HbiError,
  Link,
  ServiceHost,
  defineService,
  method,
  value,
};
export default full;
export class Base {
  readonly service = full;
  link = link;
  handlers(peer: typeof firstPeer) {
    return peer?.call.ask({});
  }
}

/** The standard class, and an open WebSocket of it. */
export const overWebSocket = () =>
  connect(minimal, ["wss://example.com/hbi"], {}, { webSocket: { WebSocket }, reconnect: {}, lanes: true });
export const taken = (socket: WebSocket) => webSocketTransport(socket);

/** Files, and what is saved of a result. */
export const sent = (file: File) => link.call.withBody({ size: file.size }, { body: file });
export const saved = async () => {
  const { body } = await link.call.download();
  return body.blob({ type: "image/png", onProgress: (bytes) => console.log(bytes) });
};
export const shown = async () => new Response((await link.call.download()).body.stream());
