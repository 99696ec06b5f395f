/**
 * definition: a random definition of a method, and calls made from it. Whatever the definition allows, the reader reads: every
 * valid call lands once, with what its schema returns, written by the library and by another peer.
 */
import { inspect, isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Connection, defineService, HostingEnv, memoryTransportPair, repr, ServiceHost } from "../../src/index.ts";
import { writeCall } from "../../src/registry/call-text.ts";
import { type Declared, namedMethods } from "../../test/support/definitions.ts";
import { Drawing } from "../engine/drawing.ts";
import { StillTime } from "../engine/still-time.ts";
import { must, type Target } from "../engine/target.ts";

const MOST_CALLS = 3;
const MOST_STEPS = 3_000;
const WRITING = { dialect: "json", maxDepth: 32, writer: undefined } as const;

export const definition: Target = {
  name: "definition",
  about: "a random definition and its calls: what is allowed is read, and lands as its schema returns it",
  words: [],
  baseMs: 1_000,
  share: 2,
  inputs: fc.uint8Array({ minLength: 8, maxLength: 300 }),
  async run(input) {
    const drawing = new Drawing(input);
    const time = new StillTime();
    const [name, declared] = drawing.value(namedMethods);
    const service = defineService({ name: "s", version: "1.0.0", methods: { [name]: declared.method } });
    const landed: unknown[] = [];
    const options = { clock: time.clock, log: () => undefined };
    const host = new ServiceHost(service, () => ({ [name]: (params: unknown) => landed.push(params) }), options);
    const [near, far] = memoryTransportPair({ clock: time.clock });
    const end = new Connection(near, () => new HostingEnv(), options);
    const accepted = host.accept(far);
    await end.start();
    await accepted;
    for (let i = 0; i < MOST_CALLS && (i === 0 || drawing.hasMore); i++) {
      const given = drawing.value(declared.calls);
      const isWritten = drawing.below(2) === 0;
      await check(end, time, isWritten ? written(name, given) : codeOf(name, declared, given), landed);
      const wanted = declared.expected(given);
      must(
        landed.length === 1 && isDeepStrictEqual(landed[0], wanted),
        () => `${name}(${inspect(given)}) lands as ${inspect(landed)}`,
      );
      landed.length = 0;
    }
    void end.drain();
    await time.finish(MOST_STEPS);
    must(host.peers.size === 0 && time.timerCount === 0, "something is left");
  },
};

function codeOf(name: string, { method }: Declared, given: object): string {
  return writeCall(name, method, given, WRITING).code;
}

/** As a Python program may write it. */
function written(name: string, given: object): string {
  return `${name} (${Object.entries(given).map(([key, value]) => `${key} = ${repr(value, "python")}`)})`;
}

async function check(end: Connection, time: StillTime, code: string, landed: readonly unknown[]): Promise<void> {
  const co = end.posting.open({ hasNoRawData: true, hasNoRawAnswer: true, dropsObjects: true });
  let outcome: unknown = "nothing";
  co.sendCode(code)
    .then(() => co.waitCompleted())
    .then(
      () => {
        outcome = undefined;
      },
      (thrown: unknown) => {
        outcome = thrown;
      },
    );
  for (let i = 0; outcome === "nothing" && i < 30; i++) await time.settle();
  must(outcome === undefined, () => `${code} is refused: ${String(outcome)}, landed: ${landed.length}`);
}
