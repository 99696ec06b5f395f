/**
 * A process of the refused job: a server, or a client that sends one script repeatedly. The client writes to the wire
 * itself, because a client of this library refuses most of these scripts before it sends them.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { defineService, method } from "hbi";
import { serve } from "hbi/node";
import { z } from "zod";
import { CO_ACK_BEGIN, CO_ACK_END, CO_BEGIN, PacketWriter, readPackets } from "../contenders/prototype-wire.ts";
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

/** Declares the extension, so that a refusal ends its conversation and not the connection. */
const TOKEN = ";x;n";

/** Sends scripts, each as a conversation; gives whether the answer is what the methods give. */
function sender(socket: Socket): (text: string) => Promise<boolean> {
  const writer = new PacketWriter(socket);
  const waiting = new Map<string, Waiting>();
  let lost: Error | undefined;
  let seq = 100;
  let answer: string | undefined;
  readPackets(socket, (directive, text) => {
    if (directive === CO_BEGIN)
      writer.emptyBracket("co_ack_begin", "co_ack_end", seqOf(text)); // the server introduces itself
    else if (directive === CO_ACK_BEGIN) answer = undefined;
    else if (directive === CO_ACK_END) {
      waiting.get(seqOf(text))?.resolve(answer === "1");
      waiting.delete(seqOf(text));
    } else answer ??= text;
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    lost = new Error("the server has closed the connection");
    for (const { reject } of waiting.values()) reject(lost);
  });
  return (text) =>
    new Promise((resolve, reject) => {
      if (lost !== undefined) throw lost;
      seq += 1;
      waiting.set(String(seq), { resolve, reject });
      writer.bracket("co_begin", "", text, "co_end", `${seq}${TOKEN}`);
    });
}

interface Waiting {
  readonly resolve: (isAccepted: boolean) => void;
  readonly reject: (error: Error) => void;
}

const seqOf = (id: string) => id.split(";", 1)[0] ?? "";

let send: ((text: string) => Promise<boolean>) | undefined;

export const requests = {
  async serve(): Promise<string> {
    const give = ({ n }: { n: number }) => n;
    const handlers = () => ({ take_text: give, take_numbers: give, take_texts: give });
    return (await serve(service, "127.0.0.1:0", handlers, { limits })).address;
  },

  usage: (): Usage => usage(),

  async connect(address: string): Promise<void> {
    const at = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(at + 1)), address.slice(0, at)).setNoDelay(true);
    await once(socket, "connect");
    send = sender(socket);
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
