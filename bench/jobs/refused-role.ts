/**
 * A process of the refused job: a server, or a client that sends one script repeatedly.
 */
import { defineService, HbiError, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";
import type { Requests } from "../harness/child.ts";
import { type Usage, usage } from "../harness/usage.ts";

const n = z.int();
const service = defineService({
  name: "refused",
  version: "1.0.0",
  methods: {
    take_text: method({ params: { text: z.string(), n }, result: n }),
    take_numbers: method({ params: { items: z.array(z.number()), n }, result: n }),
    take_texts: method({ params: { items: z.array(z.string()), n }, result: n }),
  },
});

/** A script of the largest size of this job has more numbers than the public limits permit. */
const limits = { maxNodes: 100_000, maxFailures: 1_000_000_000 };

export interface Sent {
  readonly text: string;
  readonly isAccepted: boolean;
  readonly seconds: number;
}

let send: ((text: string) => Promise<boolean>) | undefined;

export const requests = {
  async serve(): Promise<string> {
    const give = ({ n }: { n: number }) => n;
    const handlers = () => ({ take_text: give, take_numbers: give, take_texts: give });
    return (await serve(service, "127.0.0.1:0", handlers, { limits })).address;
  },

  usage: (): Usage => usage(),

  async connect(address: string): Promise<void> {
    const link = await connect(service, address, {}, { limits });
    await link.ping(); // after this, a refusal ends its conversation, not the connection
    send = (text) =>
      link.po.converse(async (co) => {
        await co.sendCode(text);
        try {
          return (await co.recvObj(n)) === 1;
        } catch (thrown) {
          if (thrown instanceof HbiError && (thrown.code === "unavailable" || thrown.code === "deadline_exceeded"))
            throw thrown;
          return false;
        }
      });
  },

  async run({ text, isAccepted, seconds }: Sent): Promise<number> {
    if (send === undefined) throw new Error("not connected");
    const one = send;
    let count = 0;
    const end = performance.now() + seconds * 1000;
    const worker = async (): Promise<void> => {
      while (performance.now() < end) {
        if ((await one(text)) !== isAccepted)
          throw new Error(`${isAccepted ? "refused" : "accepted"}: ${text.slice(0, 60)}`);
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return count;
  },
} satisfies Requests;
