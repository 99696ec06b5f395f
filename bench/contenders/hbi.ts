/**
 * This library: the public typed API, with validation at both ends and default limits.
 */
import { defineService, type LimitOptions, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";
import { blobAnswer, type Client, type Contender, MAX_BLOB_BYTES, NOTE_TEXT } from "./contender.ts";

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
    note: method({ params: { text: z.string().max(64), n: z.int() } }),
    landed: method({ params: {}, result: z.int() }),
  },
});

async function listen(limits: LimitOptions): Promise<{ port: number }> {
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
        note({ n }) {
          if (n === notes) notes += 1; // in order and each once, or the count is wrong
        },
        landed: () => notes,
      };
    },
    { limits },
  );
  return { port: Number(server.address.split(":").at(-1)) };
}

/** Messages between two checks of what was handed to the wire: enough to fill every write, few enough to stay in the
 *  cache. */
const BATCH = 500;

async function dial(port: number, limits: LimitOptions): Promise<Client> {
  const link = await connect(service, `127.0.0.1:${port}`, {}, { limits });
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

export const hbi: Contender = {
  title: "hbi",
  serve: () => listen({ maxConnectionsPerAddress: Number.POSITIVE_INFINITY, acceptsPerSecond: 5_000 }), // all have the same address
  connect: (port) => dial(port, {}),
};

const WIDE: LimitOptions = { maxInFlight: 10_000, maxPostedInFlight: 10_000 };

/** As many conversations on the wire as there are calls in flight. */
export const hbiWide: Contender = {
  title: "hbi, maxInFlight 10,000",
  serve: () => listen(WIDE),
  connect: (port) => dial(port, WIDE),
};
