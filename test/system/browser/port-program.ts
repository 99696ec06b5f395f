/**
 * One program for a page, for its workers, and for a frame in it: they offer the archive, and the page calls it.
 */
import { connect, defineService, HbiError, type MessagePortLike, method, ServiceHost } from "hbi";
import { z } from "zod";

const archive = defineService({
  name: "archive",
  version: "1.0.0",
  methods: {
    where: method({ params: {}, result: z.string() }),
    store: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    load: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
    read: method({ params: {}, result: z.int() }),
  },
  reactions: { told: method({ params: { text: z.string() } }) },
});

function hosting(where: string): ServiceHost<typeof archive> {
  let read: () => void = () => undefined;
  const reads = new Promise<void>((resolve) => {
    read = resolve;
  });
  return new ServiceHost(archive, (peer) => ({
    async where() {
      await peer.post.told({ text: `from ${where}` });
      return `${where}, ${host.connectionCount} connected`;
    },
    async store(_, { body }) {
      await reads;
      let bytes = 0;
      for await (const chunk of body) bytes += chunk.length;
      return bytes;
    },
    load: ({ size }) => ({ result: size, body: new Uint8Array(size) }),
    read() {
      read();
      return 0;
    },
  }));
}

// --- where it is offered ---------------------------------------------------------------------------------------------

const here = import.meta.url;
const scope = globalThis as unknown as MessagePortLike & {
  readonly document?: unknown;
  readonly parent?: Window;
  onconnect?: (event: MessageEvent) => void;
};
const kind = "onconnect" in scope ? "a shared worker" : scope.document === undefined ? "a worker" : "a frame";
const host = hosting(kind);

if (kind === "a shared worker") scope.onconnect = ({ ports: [port] }) => void host.accept(port as MessagePort);
else if (kind === "a worker") {
  await fetch(here); // so that it listens late, and a browser drops what is sent until then
  await host.accept(scope);
} else if (scope.parent !== window) {
  addEventListener("message", ({ ports: [port] }) => void host.accept(port as MessagePort));
  scope.parent?.postMessage("ready", "*");
}

// --- the page --------------------------------------------------------------------------------------------------------

const startWorker = () => new Worker(here, { type: "module" });

async function portOfFrame(): Promise<MessagePort> {
  const frame = document.createElement("iframe");
  const isReady = new Promise((resolve) => addEventListener("message", resolve, { once: true }));
  frame.srcdoc = `<script type="module" src="${here}"></script>`;
  document.body.append(frame);
  await isReady;
  const { port1, port2 } = new MessageChannel();
  frame.contentWindow?.postMessage("a port", "*", [port2]);
  return port1;
}

const PLACES: Readonly<Record<string, () => MessagePortLike | Promise<MessagePortLike>>> = {
  worker: startWorker,
  "shared worker": () => new SharedWorker(here, { type: "module" }).port,
  frame: portOfFrame,
};

/** What a service there answers, what it has told, and how many bytes of a body have gone each way. */
export async function uses(place: string, size: number): Promise<unknown[]> {
  const told: string[] = [];
  const port = (await PLACES[place]?.()) as MessagePortLike; // one of them
  const link = await connect(archive, port, { told: ({ text }) => void told.push(text) });
  const answer = await link.call.where();
  await link.call.read();
  const stored = await link.call.store({ size }, { body: new Uint8Array(size) });
  const loaded = await link.call.load({ size });
  const { length } = await loaded.body.bytes();
  await link.close();
  port.terminate?.();
  return [answer, ...told, stored, length];
}

/** How much is taken from the source of an upload that nobody reads; what has arrived when somebody does. */
export async function stopped(size: number): Promise<[pulled: number, stored: number]> {
  const worker = startWorker();
  const link = await connect(archive, worker, { told: () => undefined });
  let pulled = 0;
  const source = async function* () {
    for (; pulled < size; pulled += 65_536) yield new Uint8Array(65_536);
  };
  const stored = link.call.store({ size }, { body: source() });
  for (let before = -1; before !== pulled; ) {
    before = pulled;
    for (let i = 0; i < 20; i++) await link.call.where();
  }
  const whileStopped = pulled;
  await link.call.read();
  const bytes = await stored;
  await link.close();
  worker.terminate();
  return [whileStopped, bytes];
}

/** Why a link ends whose worker was terminated, of which a browser says nothing. */
export async function terminated(): Promise<string | undefined> {
  const worker = startWorker();
  const link = await connect(
    archive,
    worker,
    { told: () => undefined },
    { limits: { keepaliveMs: 100, keepaliveTimeoutMs: 100 } },
  );
  await link.call.where();
  worker.terminate();
  return (await link.closed)?.reason;
}

/** Why no link could be opened to a worker whose script is missing. */
export async function missing(): Promise<string> {
  try {
    const link = await connect(archive, new Worker("/missing.js", { type: "module" }), { told: () => undefined });
    return `connected: ${link.state}`;
  } catch (thrown) {
    return thrown instanceof HbiError ? thrown.message : String(thrown);
  }
}
