/**
 * The code of docs/browsers.md, in its order: what a page does. It uses nothing but what browsers have, so Node runs it too.
 */
import { connect, defineService, HbiError, method } from "hbi";
import { serve } from "hbi/node";
import { WebSocket } from "ws";
import * as z from "zod/mini";

// Browsers have it always, Node from version 22 on.
if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket });

const name = z.string().check(z.maxLength(200));
const size = z.int().check(z.minimum(0), z.maximum(1e9));
const gallery = defineService({
  name: "gallery",
  version: "1.0.0",
  methods: {
    store: method({ params: { name, size }, body: ({ size }) => size }),
    load: method({
      params: { name },
      result: z.strictObject({ type: z.string(), size }),
      resultBody: ({ size }) => size,
    }),
  },
  reactions: { stored: method({ params: { name, size } }) },
});

const pictures = new Map<string, Uint8Array>();
const server = await serve(gallery, "ws://127.0.0.1:0/gallery", (peer) => ({
  async store({ name }, call) {
    const bytes = await call.bytes();
    pictures.set(name, bytes);
    await peer.post.stored({ name, size: bytes.length });
  },
  load({ name }) {
    const bytes = pictures.get(name);
    if (bytes === undefined) throw new HbiError("not_found", "no such picture");
    return { result: { type: "image/png", size: bytes.length }, body: bytes };
  },
}));
const url = server.address;
const show = (text: string): void => console.log(text);

const link = await connect(
  gallery,
  url, // "wss://gallery.example.com/gallery"
  { stored: ({ name, size }) => show(`stored: ${name}, ${size} bytes`) },
  { reconnect: { waitForFirst: true } },
);
link.onState((state, reason) => show(reason === undefined ? state : `${state}: ${reason.message}`));

/** The bytes of a file. Tells how many have been taken. */
async function* counted(file: File, onProgress: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader(); // not every browser can iterate over it
  let bytes = 0;
  try {
    for (let step = await reader.read(); step.value !== undefined; step = await reader.read()) {
      yield step.value;
      bytes += step.value.length;
      onProgress(bytes);
    }
  } finally {
    await reader.cancel();
  }
}

async function upload(file: File, onProgress: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  const body = () => counted(file, onProgress); // called again if the call is sent again
  await link.call.store({ name: file.name, size: file.size }, { body, signal, timeoutMs: 600_000 });
}

const form = new FormData(); // of a page: new FormData(document.querySelector("form"))
form.set("picture", new File([new Uint8Array(300_000)], "cat.png"));
for (const part of form.getAll("picture")) {
  if (part instanceof File)
    await upload(part, (bytes) => bytes === part.size && show("all of it"), AbortSignal.timeout(60_000));
}

const { result, body } = await link.call.load({ name: "cat.png" });
const picture = await body.blob({
  type: result.type,
  onProgress: (bytes) => bytes === result.size && show("100 %"),
});
const address = URL.createObjectURL(picture); // for <img src> or <a href download>
show(`${picture.size} bytes of ${picture.type} at ${address.slice(0, 5)}…`);
URL.revokeObjectURL(address);

const streamed = await link.call.load({ name: "cat.png" });
const response = new Response(streamed.body.stream(), { headers: { "content-type": streamed.result.type } });
show(`${(await response.arrayBuffer()).byteLength} bytes`);

await link.close();
await server.close();
