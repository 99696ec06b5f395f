/**
 * The code of docs/testing.md, in its order. It uses node:assert, so that it is a program; in a test runner each part
 * would be a test.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Clock, defineService, HbiError, Link, method } from "hbi";
import {
  answer,
  arbitraryOf,
  checkService,
  conversation,
  hostileTransport,
  ManualClock,
  nearlyValidCalls,
  packet,
  quiet,
  testLink,
  validCalls,
} from "hbi/testing";
import { z } from "zod";

const wire = (text: string) => text.replaceAll("\n", "\\n");

// --- the code under test -----------------------------------------------------------------------------------------------

const Lamp = z.strictObject({ name: z.string().min(1).max(20), level: z.int().min(0).max(100) });

const lamps = defineService({
  name: "lamps",
  version: "1.0.0",
  methods: {
    set_lamp: method({ params: { lamp: Lamp }, result: z.int() }),
    fade: method({ params: { name: Lamp.shape.name, ms: z.int().min(1).max(60_000) }, result: z.int() }),
    firmware: method({
      params: { size: z.int().min(0).max(100_000) },
      body: ({ size }) => size,
      result: z.int(),
    }),
  },
  reactions: { changed: method({ params: { lamp: Lamp } }) },
});

function lampHandlers(clock?: Clock) {
  const levels = new Map<string, number>();
  return (peer: { readonly post: { changed(params: { lamp: z.input<typeof Lamp> }): Promise<unknown> } }) => ({
    set_lamp({ lamp }: { lamp: z.output<typeof Lamp> }) {
      const before = levels.get(lamp.name) ?? 0;
      levels.set(lamp.name, lamp.level);
      void peer.post.changed({ lamp }); // the peer may be gone: ignored
      return before;
    },
    fade: ({ name, ms }: { name: string; ms: number }) =>
      new Promise<number>((resolve) => {
        if (clock === undefined) resolve(0);
        else clock.after(ms, () => resolve(levels.get(name) ?? 0));
      }),
    firmware: async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => (await call.bytes()).length,
  });
}

// Neither waits nor connections in memory keep a process alive; a test runner does.
const alive = setInterval(() => undefined, 1_000);

// --- a service and its consumer ----------------------------------------------------------------------------------------

const changes: string[] = [];
const test = await testLink(lamps, lampHandlers(), {
  reactions: { changed: ({ lamp }) => void changes.push(`${lamp.name} ${lamp.level}`) },
});
assert.equal(await test.link.call.set_lamp({ lamp: { name: "desk", level: 70 } }), 0);
assert.equal(await test.link.call.set_lamp({ lamp: { name: "desk", level: 0 } }), 70);
assert.deepEqual(changes, ["desk 70", "desk 0"]);

await test.peer.call.changed({ lamp: { name: "hall", level: 5 } }); // the other direction
assert.equal(test.host.peers.size, 1);
await test.close();
console.log(`pushed: ${changes.join(", ")}`);

// --- time --------------------------------------------------------------------------------------------------------------

const clock = new ManualClock();
const timed = await testLink(lamps, lampHandlers(clock), {
  reactions: { changed: () => undefined },
  host: { clock, log: () => undefined },
  link: { clock },
});
const fading = timed.link.call.fade({ name: "desk", ms: 20_000 });
const late = timed.link.call.fade({ name: "hall", ms: 40_000 }).catch((error: HbiError) => error.code);
await clock.advance(30_000); // half a minute passes at once
assert.deepEqual([await fading, await late], [0, "deadline_exceeded"]);
await clock.advance(10_000); // the late handler ends as well; closing waits for it
await timed.close();
console.log("30 s have passed");

// --- a lost connection -----------------------------------------------------------------------------------------------

const dialing = new ManualClock();
const unsteady = await testLink(lamps, lampHandlers(dialing), {
  reactions: { changed: () => undefined },
  host: { log: () => undefined },
  link: { clock: dialing, reconnect: { initialDelayMs: 100, jitter: 0 } },
});
await unsteady.link.call.set_lamp({ lamp: { name: "desk", level: 0 } }); // the service is there
const fade = unsteady.link.call.fade({ name: "desk", ms: 50 });
const lost = fade.catch((error: HbiError) => error);
await quiet(); // the call was sent
unsteady.cut(); // without a message, as a network does
assert.equal(((await lost) as HbiError).code, "unavailable");
await dialing.advance(100);
assert.equal(unsteady.link.state, "open");
assert.equal(unsteady.connectionCount, 2);
await unsteady.close();
console.log("dialed again");

// --- cut into single bytes ---------------------------------------------------------------------------------------------

const dripping = await testLink(lamps, lampHandlers(), {
  reactions: { changed: () => undefined },
  memory: { cut: () => 1 },
});
assert.equal(await dripping.link.call.firmware({ size: 300 }, { body: new Uint8Array(300) }), 300);
await dripping.close();

// --- a hostile consumer ------------------------------------------------------------------------------------------------

const target = await testLink(lamps, lampHandlers(), {
  reactions: { changed: () => undefined },
  host: { log: () => undefined },
});
const stranger = hostileTransport();
void target.host.accept(stranger.transport);

const said = await stranger.peer.play(
  { say: conversation("101;x;n", 'set_lamp({"name":"desk","level":900})') }, // a level that our consumers never send
  { hear: "co_ack_end" },
);
console.log(wire(said));
assert.match(said, /HbiError\("invalid_argument"/);

const heard = await stranger.peer.play({ drip: "[99999999999#co_begin]" }, { hear: "err" });
assert.match(heard, /^\[\d+#err\]malformed packet header/); // the reason
await stranger.peer.play("end");
await target.close();

// --- a hostile service -------------------------------------------------------------------------------------------------

const liar = hostileTransport();
const victim = new Link(lamps, async () => liar.transport, { changed: () => undefined }, { log: () => undefined });
await victim.open();

const asked = victim.call.set_lamp({ lamp: { name: "desk", level: 1 } }).catch((error: HbiError) => error);
await liar.peer.play({ hear: /co_end\]101/ }, { say: answer("101", packet("co_recv", '"bright"')) });
const answered = await asked;
assert(answered instanceof HbiError);
console.log(`${answered.reason}: ${answered.message}`); // bad_answer
await liar.peer.play("reset");
await victim.closed;

// --- generated calls ---------------------------------------------------------------------------------------------------

const exact = await testLink(lamps, lampHandlers(), {
  reactions: { changed: () => undefined },
  host: { log: () => undefined },
});
await fc.assert(
  fc.asyncProperty(arbitraryOf(Lamp), async (lamp) => {
    await exact.link.call.set_lamp({ lamp });
    assert.equal(await exact.link.call.set_lamp({ lamp }), lamp.level); // the level that was set
  }),
  { numRuns: 50 },
);
await exact.close();

const [some] = fc.sample(validCalls(lamps), { numRuns: 1, seed: 1 });
const [nearly] = fc.sample(nearlyValidCalls(lamps), { numRuns: 1, seed: 1 });
console.log(`${some?.name}; ${nearly?.name}, ${nearly?.wrong}`);

// --- checking a whole service ----------------------------------------------------------------------------------------

const report = await checkService(lamps, lampHandlers(), {
  reactions: { changed: () => undefined },
  runs: 30,
  maxBodyBytes: 1_000,
});
assert.deepEqual(report.findings, []);
console.log(`${report.calls} calls, ${report.findings.length} findings`);

const careless = await checkService(
  lamps,
  () => ({
    set_lamp: ({ lamp }) => 100 / lamp.level, // not an integer, or infinite
    fade: ({ name }) => {
      if (name.includes(" ")) throw new TypeError("no blanks, please");
      return 0;
    },
    firmware: () => 0, // the body is not read
  }),
  { reactions: { changed: () => undefined }, runs: 200, seed: 1 },
);
for (const { kind, method, params } of careless.findings) console.log(`${method}: ${kind}, ${JSON.stringify(params)}`);

clearInterval(alive);
