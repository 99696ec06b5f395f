/**
 * A prototype of this library in 300 lines: the same wire, only JSON's fast path, zod at both ends. It measures the
 * cost of the library's abstractions.
 */
import { z } from "zod";
import { type Answer, type Contender, NOTE_TEXT } from "./contender.ts";
import { caller, host, type Methods } from "./prototype-ends.ts";
import { dial, listen } from "./sockets.ts";

const JobAnswer = z.object({ action: z.string(), n: z.int() });

const methods: Methods = {
  do_job: {
    names: ["action", "n"],
    params: z.object({ action: z.string().max(64), n: z.int() }),
    result: JobAnswer,
  },
  note: { names: ["text", "n"], params: z.object({ text: z.string().max(64), n: z.int() }) },
  landed: { names: [], params: z.object({}), result: z.int() },
};

/** The number of messages on their way at a time. */
const BATCH = 500;

export const prototype: Contender = {
  title: "framed prototype",
  async serve() {
    const port = await listen((socket) => {
      let notes = 0;
      host(socket, methods, {
        do_job: ({ action, n }) => ({ action, n }),
        note: ({ n }) => {
          if (n === notes) notes += 1; // in order and each once, or the count is wrong
        },
        landed: () => notes,
      });
      socket.on("error", (error) => console.error(error));
    });
    return { port };
  },
  async connect(port) {
    const call = caller(await dial(port), methods);
    let notes = 0;
    return {
      call: (action, n) => call("do_job", { action, n }) as Promise<Answer>, // validated by its schema
      async post(isOver) {
        const batch = () =>
          Promise.all(Array.from({ length: BATCH }, () => call("note", { text: NOTE_TEXT, n: notes++ })));
        let posted = batch();
        while (!isOver()) {
          const next = batch();
          await posted;
          posted = next;
        }
        await posted;
        return { sent: notes, landed: Number(await call("landed", {})) };
      },
    };
  },
};
