/**
 * This library: the public typed API, with validation at both ends and default limits.
 */
import { defineService, type LimitOptions, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";
import { chunks } from "../jobs/stream-data.ts";
import { blobAnswer, type Client, type Contender, checkMoved, MAX_BLOB_BYTES, NOTE_TEXT } from "./contender.ts";

const Answer = z.object({ action: z.string(), n: z.int() });
const blob = {
  params: { dataLen: z.int().min(1).max(MAX_BLOB_BYTES) },
  body: ({ dataLen }: { dataLen: number }) => dataLen,
  result: z.object({ bytes: z.int(), first: z.int(), last: z.int() }),
};

const service = defineService({
  name: "bench",
  version: "1.0.0",
  methods: {
    do_job: method({ params: { action: z.string().max(64), n: z.int() }, result: Answer }),
    /** with arguments that Python writes differently from JSON */
    do_flagged_job: method({
      params: { action: z.string().max(64), n: z.int(), isUrgent: z.boolean(), parent: z.string().nullable() },
      result: Answer,
    }),
    stream_blob: method(blob),
    take_blob: method(blob),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    download: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
    note: method({ params: { text: z.string().max(64), n: z.int() } }),
    landed: method({ params: {}, result: z.int() }),
  },
});

interface Settings {
  readonly limits: LimitOptions;
  readonly lanes?: boolean;
}

async function listen({ limits, lanes = true }: Settings): Promise<{ port: number }> {
  const server = await serve(
    service,
    "127.0.0.1:0",
    () => {
      let notes = 0;
      return {
        do_job: ({ action, n }) => ({ action, n }),
        do_flagged_job: ({ action, n }) => ({ action, n }),
        async stream_blob(_params, call) {
          const seen = { bytes: 0, first: -1, last: -1 };
          for await (const chunk of call.body) {
            if (seen.bytes === 0) seen.first = chunk[0] ?? -1;
            seen.bytes += chunk.length;
            seen.last = chunk.at(-1) ?? -1;
          }
          return seen;
        },
        take_blob: async (_params, call) => blobAnswer(await call.bytes()),
        upload: async (_params, call) => await lengthOf(call.body),
        download: ({ size }) => ({ result: size, body: chunks(size) }),
        note({ n }) {
          if (n === notes) notes += 1; // in order and each once, or the count is wrong
        },
        landed: () => notes,
      };
    },
    { limits, lanes },
  );
  return { port: Number(server.address.split(":").at(-1)) };
}

async function lengthOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of body) length += chunk.length;
  return length;
}

/** Messages between two checks of what was handed to the wire: enough to fill every write, few enough to stay in the
 *  cache. */
const BATCH = 500;

async function dial(port: number, { limits, lanes = true }: Settings): Promise<Client> {
  const link = await connect(service, `127.0.0.1:${port}`, {}, { limits, lanes });
  const byText = (text: string) =>
    link.po.converse(async (co) => {
      await co.sendCode(text);
      return co.recvObj(Answer);
    });
  let notes = 0;
  return {
    call: (action, n) => link.call.do_job({ action, n }),
    callInPython: (action, n) => byText(`do_flagged_job('${action}', ${n}, True, None)`),
    callByText: (action, n) => byText(`do_flagged_job("${action}", ${n}, true, null)`),
    sendBlob: (data) => link.call.stream_blob({ dataLen: data.length }, { body: data }),
    sendWholeBlob: (data) => link.call.take_blob({ dataLen: data.length }, { body: data }),
    upload: async (bytes) =>
      checkMoved(await link.call.upload({ size: bytes }, { body: chunks(bytes), timeoutMs: PATIENCE_MS }), bytes),
    async download(bytes) {
      const { body } = await link.call.download({ size: bytes }, { timeoutMs: PATIENCE_MS });
      checkMoved(await lengthOf(body), bytes);
    },
    async post(isOver) {
      const batch = () =>
        Promise.all(Array.from({ length: BATCH }, () => link.post.note({ text: NOTE_TEXT, n: notes++ })));
      let posted = batch();
      while (!isOver()) {
        const next = batch();
        await posted;
        posted = next;
      }
      for (const { waitCompleted } of await posted) await waitCompleted(); // answered in the order of sending
      return { sent: notes, landed: await link.call.landed() };
    },
  };
}

const PATIENCE_MS = 600_000;
/** For bodies of a GiB. */
const LARGE: LimitOptions = { maxBodyBytes: 2 * 1024 ** 3, handlerTimeoutMs: PATIENCE_MS };
/** All clients have the same address. */
const OPEN: LimitOptions = { ...LARGE, maxConnectionsPerAddress: Number.POSITIVE_INFINITY, acceptsPerSecond: 5_000 };

export const hbi: Contender = {
  title: "hbi",
  serve: () => listen({ limits: OPEN }),
  connect: (port) => dial(port, { limits: LARGE }),
};

/** All conversations share one stream of bytes, as with a peer that is not of this library. */
export const hbiOneLane: Contender = {
  title: "hbi, lanes: false",
  serve: () => listen({ limits: OPEN, lanes: false }),
  connect: (port) => dial(port, { limits: LARGE, lanes: false }),
};

const WIDE: LimitOptions = { maxInFlight: 10_000, maxPostedInFlight: 10_000 };

/** As many conversations on the wire as there are calls in flight. */
export const hbiWide: Contender = {
  title: "hbi, maxInFlight 10,000",
  serve: () => listen({ limits: WIDE }),
  connect: (port) => dial(port, { limits: WIDE }),
};
