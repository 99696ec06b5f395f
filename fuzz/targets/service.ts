/**
 * service: calls of a typed service with arguments that are valid or nearly valid. A valid one lands with just these arguments,
 * another is refused and never lands, and the connection lives through both, but for a body that is too short.
 */
import { inspect, isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { z } from "zod";
import {
  Connection,
  defineService,
  HbiError,
  HostingEnv,
  memoryTransportPair,
  method,
  repr,
  ServiceHost,
} from "../../src/index.ts";
import { type NearlyValidCall, nearlyValidCalls, validCalls } from "../../src/testing.ts";
import { Drawing } from "../engine/drawing.ts";
import { checkError } from "../engine/guards.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";

const point = z.strictObject({ x: z.number().min(-1e9).max(1e9), y: z.int() });
const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    count: method({ params: { n: z.int().min(0).max(99), by: z.int().default(1) }, result: z.int() }),
    label: method({
      params: {
        text: z.string().min(1).max(12),
        tags: z
          .array(z.enum(["a", "b"]))
          .max(3)
          .optional(),
      },
    }),
    move: method({
      params: { from: point, to: z.union([point, z.null()]), byRef: z.boolean().optional() },
      result: z.null(),
    }),
    store: method({
      params: { name: z.string().max(8), size: z.int().min(0).max(600) },
      body: ({ size }) => size,
      result: z.int(),
    }),
    big: method({ params: { many: z.record(z.string(), z.int()), any: z.union([z.int(), z.string()]).nullable() } }),
  },
});

const valid = validCalls(depot, { maxBodyBytes: 600 });
const nearly = nearlyValidCalls(depot, { maxBodyBytes: 600 });
const MOST_CALLS = 6;
const MOST_STEPS = 3_000;

export const service: Target = {
  name: "service",
  about: "calls of a typed service, valid and nearly so: what is valid lands as it is, what is not never does",
  words: [],
  baseMs: 1_000,
  share: 3,
  inputs: fc.uint8Array({ minLength: 8, maxLength: 300 }),
  async run(input) {
    const drawing = new Drawing(input);
    const time = new StillTime();
    const landed: unknown[] = [];
    const options = { clock: time.clock, log: () => undefined };
    const host = new ServiceHost(depot, () => handlers(landed), options);
    const connect = async () => {
      const [near, far] = memoryTransportPair({
        clock: time.clock,
        cut: (available) => Math.min(available, 1 + (input[0] ?? 0) * 4),
      });
      const opened = new Connection(near, () => new HostingEnv(), options);
      const accepted = host.accept(far);
      await opened.start();
      await accepted;
      return opened;
    };
    let end = await connect();
    for (let i = 0; i < MOST_CALLS && (i === 0 || drawing.hasMore); i++) {
      const call = drawing.below(2) === 0 ? { ...drawing.value(valid), wrong: undefined } : drawing.value(nearly);
      if (!end.isOpen) end = await connect();
      await check(end, time, call, landed);
    }
    void end.drain();
    await time.finish(MOST_STEPS);
    must(host.peers.size === 0 && end.waits.size === 0 && time.timerCount === 0, "something is left");
  },
};

const SHORT_BODY = "body: a byte short";

type Call = Omit<NearlyValidCall, "wrong"> & { readonly wrong: string | undefined };

async function check(end: Connection, time: StillTime, call: Call, landed: unknown[]): Promise<void> {
  const { name, params, body, wrong } = call;
  landed.length = 0;
  let outcome: unknown = "nothing";
  send(end, call).then(
    () => {
      outcome = undefined;
    },
    (thrown) => {
      outcome = thrown;
    },
  );
  for (let i = 0; outcome === "nothing" && i < 20; i++) await time.settle();
  const what = () => `${name}(${inspect(params)})${wrong === undefined ? "" : `, ${wrong}`}`;
  must(outcome !== "nothing", () => `${what()} is not answered`);
  const isShort = wrong === SHORT_BODY; // nobody knows whether its last byte follows, or a packet
  must(end.isOpen !== isShort, () => `${what()} ${isShort ? "does not end" : "ends"} the connection`);
  if (wrong === undefined) {
    must(outcome === undefined, () => `${what()} is refused: ${String(outcome)}`);
    must(
      landed.length === 1 && isDeepStrictEqual(landed[0], expected(name, params, body)),
      () => `${what()} lands as ${inspect(landed)}`,
    );
    return;
  }
  checkError(outcome);
  const { code } = outcome;
  must(landed.length === 0, () => `${what()} lands`);
  const codes = ["invalid_argument", "resource_exhausted", ...(isShort ? ["aborted"] : [])]; // the last one of the last words
  must(codes.includes(code), () => `${what()} is refused as ${code}`);
}

/** As a peer that checks nothing. What can't be written can't be sent. */
async function send({ posting, limits }: Connection, { name, params, body }: Call): Promise<void> {
  const given = Object.entries(params).filter(([, value]) => value !== undefined);
  const args = given.map(([key, value]) => `${key}=${repr(value, "json", limits.maxDepth - 1)}`);
  const promise = body === undefined ? { hasNoRawData: true } : { rawBytes: body.length };
  const co = posting.open({ ...promise, hasNoRawAnswer: true, dropsObjects: true });
  await co.sendCode(`${name}(${args.join(",")})`);
  if (body !== undefined) await co.sendData(body);
  await co.waitCompleted();
}

/** Made once: a schema costs more than many calls. */
const PARAMS = new Map(Object.entries(depot.methods).map(([name, { spec }]) => [name, z.strictObject(spec.params)]));

function expected(name: string, params: object, body: Uint8Array | undefined): unknown {
  return [name, plainNumbers(PARAMS.get(name)?.parse(params)), body === undefined ? undefined : [...body]];
}

/** Text has no -0 of an integer's. */
function plainNumbers(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function handlers(landed: unknown[]) {
  const land = (name: string, params: object, body?: Uint8Array) =>
    void landed.push([name, plainNumbers(params), body === undefined ? undefined : [...body]]);
  return {
    count(params: object) {
      land("count", params);
      return 1;
    },
    label: (params: object) => land("label", params),
    move(params: object) {
      land("move", params);
      return null;
    },
    big: (params: object) => land("big", params),
    async store(params: { size: number }, call: { bytes(): Promise<Uint8Array> }) {
      const body = await call.bytes();
      if (body.length !== params.size) throw new HbiError("data_loss", "not as long as declared");
      land("store", params, body);
      return body.length;
    },
  };
}
